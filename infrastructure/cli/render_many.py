"""Lists and counts for people."""

from collections.abc import Iterable
from itertools import chain, islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilestore.infrastructure.readmodels.check import Difference
from profilestore.projections.counts import Count, CountSeries
from profilestore.projections.listed import ListedProfile
from profilestore.projections.state import Status

from .layout import add_row, console, print_rows, printable, second, styled, table
from .render import print_changes, told_cut

SCREEN = 500
"""Profiles whose columns are laid out together."""


def render_list(profiles: Iterable[ListedProfile]) -> None:
    """Print profiles as they come, each in a line."""
    out = console()
    left = iter(profiles)
    first = list(islice(left, SCREEN))
    if not first:
        out.print("no profiles")
        return
    for page in chain([first], iter(lambda: list(islice(left, SCREEN)), [])):
        out.print(_listed(page))


def _listed(page: list[ListedProfile]) -> Table:
    laid_out = table("status", "push", "rev", "updated", "complete", "profile")
    for profile in page:
        add_row(
            laid_out,
            styled(profile.status),
            styled("yes" if profile.reachable else "no"),
            "" if profile.revision is None else str(profile.revision),
            second(profile.updated_at) if profile.updated_at else "",
            styled("yes" if profile.completeness.complete else "no"),
            profile.profile_id,
        )
    return laid_out


def render_count(counted: Count) -> None:
    """Print a count, a line for each number."""
    out = console()
    out.print(f"API space {counted.api_space_id}")
    if cut := ", ".join(told_cut(counted.cut)):
        out.print(Text(cut, "cyan"))
    numbers: dict[str, int] = {"profiles": counted.profiles}
    numbers |= {status.value: number for status, number in counted.statuses.items()}
    numbers |= {
        "incomplete": counted.incomplete,
        "push capable": counted.push_capable,
        "reachable": counted.reachable,
    }
    for reason, number in counted.unreachable.items():
        numbers[f"  not, {reason}"] = number
    print_rows(out, {name: f"{number:>9,}" for name, number in numbers.items()})
    _print_set_aside(out, counted.set_aside)


def render_series(series: CountSeries) -> None:
    """Print a series, a line for each time."""
    laid_out = table("at", "profiles", "active", "deleted", "unknown", "push", "reach")
    for moment in series.counts:
        numbers = (
            moment.profiles,
            *(
                moment.statuses[s]
                for s in (Status.ACTIVE, Status.DELETED, Status.UNKNOWN)
            ),
            moment.push_capable,
            moment.reachable,
        )
        add_row(laid_out, second(moment.valid_at), *(f"{n:,}" for n in numbers))
    out = console()
    out.print(f"API space {series.api_space_id}")
    out.print(laid_out)
    _print_set_aside(out, series.set_aside)


def print_difference(difference: Difference) -> None:
    """Print what a read model has of a profile and should not, and what it lacks."""
    out = console()
    key = difference.profile
    name = Text(printable(key.profile_id), "bold")
    out.print(name.append(f"  in API space {key.api_space_id}", ""), soft_wrap=True)
    if difference.error:
        why = f"    its fold fails: {printable(difference.error)}"
        out.print(Text(why, "red"), soft_wrap=True)
    print_changes(out, difference.changes)


def _print_set_aside(out: Console, number: int) -> None:
    if number:
        out.print(
            f"{number:,} not counted, for the fold of the events fails; "
            "`profilestore stats` tells of them"
        )
