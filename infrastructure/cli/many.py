"""`list` and `count`: questions about many profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from .options import (
    Context,
    F,
    Instant,
    json_option,
    pass_context,
    print_json,
    updates_option,
    valid_at_option,
)

if TYPE_CHECKING:
    from datetime import datetime

    from profilestore.infrastructure.store import ProfileStore


class Step(click.ParamType[timedelta]):
    """A span of time: `1d`, `6h`, `15m`, `1w`, or of ISO 8601 `P1D`, `PT6H`."""

    name = "STEP"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read a whole number of one unit, more than none."""
        from profilestore.infrastructure.arguments import span

        try:
            return span(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


def filter_options(command: F) -> F:
    """Add the filters that lists and counts share."""
    for option in (
        valid_at_option,
        updates_option,
        click.option(
            "--where",
            multiple=True,
            metavar="PATH=VALUE",
            help="Only where the data has this JSON value: address/city=London; "
            "may be given several times.",
        ),
        click.option(
            "--incomplete/--complete",
            default=None,
            help="Only profiles of which events are missing, or none.",
        ),
        click.option(
            "--reachable/--unreachable",
            default=None,
            help="Only profiles that a push reaches, or does not.",
        ),
        click.option(
            "--push-capable/--no-push-capable",
            default=None,
            help="Only profiles with a device that takes a push, or without.",
        ),
        click.option(
            "--status",
            multiple=True,
            type=click.Choice(["active", "deleted", "unknown"]),
            help="Only profiles of this status; may be given several times.",
        ),
    ):
        command = option(command)
    return command


@click.command("list")
@click.argument("space")
@filter_options
@click.option("--limit", type=click.IntRange(1), metavar="N", help="So many at most.")
@click.option(
    "--after",
    default="",
    metavar="PROFILE",
    help="Go on after the profile that came last.",
)
@json_option
@pass_context
def list_(context: Context, /, space: str, **asked: Any) -> None:
    """List the profiles of API space SPACE in order of their ids.

    With --json each is a line of its own. The list is never behind what was stored when
    it was begun; to go on later, give --after the id that came last.
    """
    with context.open() as store:
        profiles = store.profiles(space, **_given(asked))
        if context.json:
            for profile in profiles:
                print_json(profile.to_json())
        else:
            from .render_many import render_list

            render_list(profiles)
        _warn_of_set_aside(store, space, asked)


@click.command()
@click.argument("space")
@filter_options
@click.option(
    "--over",
    nargs=3,
    type=(Instant(), Instant(), Step()),
    metavar="FROM TO STEP",
    help="A series: what was true at FROM, a STEP later (1d, 6h), and so on until TO.",
)
@json_option
@pass_context
def count(
    context: Context,
    /,
    space: str,
    over: tuple[datetime, datetime, timedelta] | None,
    **asked: Any,
) -> None:
    """Count the profiles of API space SPACE by status and by what a push reaches."""
    from .render_many import render_count, render_series

    given = _given(asked)
    if over and given.pop("valid_at"):
        raise click.UsageError("--over has times of its own; leave --valid-at out")
    with context.open() as store:
        if over:
            first, last, step = over
            series = store.count_over(space, from_=first, to=last, step=step, **given)
            print_json(series.to_json()) if context.json else render_series(series)
        else:
            counted = store.count(space, **given)
            print_json(counted.to_json()) if context.json else render_count(counted)


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return asked | {"status": asked["status"] or None}


def _warn_of_set_aside(store: ProfileStore, space: str, asked: dict[str, Any]) -> None:
    """Say on standard error what a list does not have."""
    aside = store.count(space, updates=asked["updates"]).set_aside
    if aside:
        some = f"{aside} profiles are" if aside > 1 else "1 profile is"
        click.echo(
            f"profilestore: {some} not listed, for the fold of the events fails; "
            "`profilestore stats` tells of them",
            err=True,
        )
