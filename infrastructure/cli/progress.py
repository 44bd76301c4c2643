"""Progress bars on standard error, for people only."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Report(Protocol):
    """Is told how much is done, of how much if that is known, and what else to say."""

    def __call__(self, done: int, total: int | None, said: str = "") -> None:
        """Show it."""


@contextmanager
def progress_bar(task: str) -> Iterator[Report]:
    """Show how far something is, once it is told."""
    if not sys.stderr.isatty():
        yield lambda done, total, said="": None  # noqa: ARG005 - nobody looks
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[said]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(task, total=None, said="")

        def report(done: int, total: int | None, said: str = "") -> None:
            progress.update(bar, completed=done, total=total, said=said)

        yield report
