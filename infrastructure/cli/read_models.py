"""`rebuild` and `check`: read models derived anew, and compared with the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .options import CHECK_FAILED, Context, json_option, pass_context, print_json
from .progress import progress_bar

if TYPE_CHECKING:
    from profilestore.infrastructure.readmodels.check import Difference


@click.command()
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that do the work.",
)
@json_option
@pass_context
@click.pass_context
def rebuild(click_context: click.Context, context: Context, jobs: int) -> None:
    """Derive what lists and counts are read from anew.

    The store can be used meanwhile. Broken off, it goes on the next time. Exits 5 if
    the fold of a profile fails: it is set aside, and the rest is right.
    """
    from profilestore.domain.json_values import write_json

    began = time.monotonic()
    with context.open() as store, progress_bar("rebuilding") as bar:

        def report(done: int, total: int) -> None:
            rate = done / max(time.monotonic() - began, 0.001)
            bar(done, total, f"{rate:,.0f} events/s")

        rebuilt = store.rebuild(jobs=jobs, progress=report)
    if context.json:
        told = {"profiles": rebuilt.profiles, "setAside": rebuilt.set_aside}
        print_json(write_json(told))
    else:
        click.echo(f"profiles: {rebuilt.profiles:,}, set aside: {rebuilt.set_aside:,}")
    if rebuilt.set_aside:
        click.echo(
            "profilestore: the fold of some profiles fails; `profilestore stats` tells "
            "of them, `profilestore verify` whether the log is sound",
            err=True,
        )
        click_context.exit(CHECK_FAILED)


@click.command()
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Only N, chosen by chance."
)
@json_option
@pass_context
@click.pass_context
def check(click_context: click.Context, context: Context, sample: int | None) -> None:
    """Compare what lists and counts are read from with the fold of the log.

    Prints what differs, by profile and path: from what is kept to what is right. Exits
    5 if anything does; `rebuild` mends it. With --json each difference is a line.
    """
    found = 0
    with context.open() as store, progress_bar("checking") as report:
        for difference in store.check(sample=sample, progress=report):
            found += 1
            _print(difference, as_json=context.json)
    if found:
        some = f"{found:,} profiles differ" if found > 1 else "1 profile differs"
        click.echo(f"profilestore: {some}; `profilestore rebuild` mends it", err=True)
        click_context.exit(CHECK_FAILED)
    if not context.json:
        click.echo("all is as the log says")


def _print(difference: Difference, *, as_json: bool) -> None:
    if as_json:
        from profilestore.domain.json_values import write_json

        print_json(write_json(_document(difference)))
    else:
        from .render_many import print_difference

        print_difference(difference)


def _document(difference: Difference) -> dict[str, Any]:
    return {
        "apiSpaceId": difference.profile.api_space_id,
        "profileId": difference.profile.profile_id,
        "error": difference.error,
        "changes": [change.document() for change in difference.changes],
    }
