"""`diff` and `explain`: how answers about one profile differ, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .options import (
    Context,
    Instant,
    InstantOrPosition,
    json_option,
    pass_context,
    print_json,
    updates_option,
    valid_at_option,
)

if TYPE_CHECKING:
    from datetime import datetime

    from profilestore.projections.answer import View


@click.command()
@click.argument("space")
@click.argument("profile")
@click.option("--from", "from_", type=Instant(), help="What was true then ...")
@click.option("--to", type=Instant(), help="... and what was true then.")
@click.option("--known-from", type=InstantOrPosition(), help="What was known then ...")
@click.option("--known-to", type=InstantOrPosition(), help="... and what was then.")
@updates_option
@json_option
@pass_context
def diff(  # noqa: PLR0913, PLR0917 - both ends of two time axes
    context: Context,
    /,
    space: str,
    profile: str,
    from_: datetime | None,
    to: datetime | None,
    known_from: datetime | int | None,
    known_to: datetime | int | None,
    updates: str | None,
) -> None:
    """Show what changed on PROFILE between two times, as diff does between files.

    Give --from and --to for what was true, --known-from and --known-to for what was
    known. One end may be left out: then it is now.
    """
    from profilestore.projections.diff import diff as project

    if from_ is None and to is None and known_from is None and known_to is None:
        raise click.UsageError("give --from or --to, or --known-from or --known-to")
    with context.open() as store:
        whole = store.profile(space, profile, updates=updates)
        answer = project(
            whole,
            replace(whole.cut, valid_at=from_, known_at=known_from),
            replace(whole.cut, valid_at=to, known_at=known_to),
        )
    _print(context, answer)


@click.command()
@click.argument("space")
@click.argument("profile")
@click.option(
    "--known-from", type=InstantOrPosition(), required=True, help="Since then."
)
@click.option("--known-to", type=InstantOrPosition(), required=True, help="Until then.")
@valid_at_option
@updates_option
@json_option
@pass_context
def explain(
    context: Context,
    /,
    space: str,
    profile: str,
    known_from: datetime | int,
    known_to: datetime | int,
    **cut: Any,
) -> None:
    """Explain why the answer about PROFILE is another now: what came to be known."""
    from profilestore.projections.explain import explain as project

    with context.open() as store:
        answer = project(
            store.profile(space, profile, **cut),
            known_from=known_from,
            known_to=known_to,
        )
    _print(context, answer)


def _print(context: Context, answer: View) -> None:
    if context.json:
        print_json(answer.to_json())
    else:
        from .render import render

        render(answer)
