"""`profilestore append`: deliveries from files and pipes into the store."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from .options import Context, json_option, pass_context, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from profilestore.domain.receipt import Receipt

QUARANTINED = 3


@click.command()
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
    metavar="[FILE]...",
)
@click.option("--strict", is_flag=True, help="Exit 3 if anything was quarantined.")
@json_option
@pass_context
@click.pass_context
def append(
    click_context: click.Context,
    context: Context,
    *,
    files: tuple[str, ...],
    strict: bool,
) -> None:
    """Append deliveries: NDJSON, a JSON array, or any number of JSON objects.

    FILE may be compressed with gzip or zstd; - or none is standard input. Appending the
    same events again is safe: they count as duplicates.
    """
    from profilestore.domain.errors import StorageError
    from profilestore.domain.json_values import write_json
    from profilestore.domain.receipt import Receipt

    total = Receipt()
    with ExitStack() as open_files:
        streams = [
            sys.stdin.buffer
            if name == "-"
            else open_files.enter_context(Path(name).open("rb"))
            for name in files or ("-",)
        ]
        store = open_files.enter_context(context.open(create=True))
        for name, stream in zip(files or ("-",), streams, strict=True):
            done = total
            with _progress(name, stream) as report:

                def keep(receipt: Receipt) -> None:
                    nonlocal total
                    total = done + receipt  # noqa: B023 - called within this turn
                    report(receipt)

                try:
                    store.append_stream(stream, ingress=_ingress(name), progress=keep)
                except StorageError as error:
                    error.add_note(_so_far(total))
                    raise
    if context.json:
        print_json(write_json(asdict(total)))
    else:
        from .render_store import receipt_line

        click.echo(receipt_line(total))
    if strict and total.quarantined:
        click_context.exit(QUARANTINED)


def _ingress(name: str) -> str:
    return "stdin" if name == "-" else f"file:{Path(name).name}"


def _so_far(total: Receipt) -> str:
    return (
        f"{total.received} events were dealt with before; append the same input again "
        "to go on, what is stored counts as duplicate"
    )


@contextmanager
def _progress(name: str, stream: BinaryIO) -> Iterator[Callable[[Receipt], None]]:
    """Show how far a long append is, to people only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    size = None if name == "-" else Path(name).stat().st_size or None
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(_ingress(name), total=size, events=0)

        def report(receipt: Receipt) -> None:
            read = stream.tell() if size else 0
            progress.update(task, completed=read, events=receipt.received)

        yield report
