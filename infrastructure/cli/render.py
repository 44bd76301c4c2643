"""Answers for people: a screen at a time, colours on a terminal only."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import singledispatch

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilestore.domain.timestamps import format_timestamp
from profilestore.projections.answer import Answer, CutView, View
from profilestore.projections.blame import Blame
from profilestore.projections.changes import Change, Op
from profilestore.projections.completeness import Completeness
from profilestore.projections.current import CurrentProfile
from profilestore.projections.deletion import DeletionStatus
from profilestore.projections.devices import DevicePush
from profilestore.projections.diff import Diff
from profilestore.projections.explain import Explanation
from profilestore.projections.history import History

from .layout import (
    add_row,
    console,
    indented,
    inline,
    print_rows,
    printable,
    second,
    styled,
    table,
    when,
)

_SIGNS = {Op.ADD: ("+", "green"), Op.REMOVE: ("-", "red"), Op.REPLACE: ("~", "yellow")}


@singledispatch
def render(answer: View) -> None:
    """Print an answer for people."""
    raise TypeError(f"no rendering of {type(answer).__name__}")


@render.register
def _(answer: CurrentProfile) -> None:
    rows = {
        "status": styled(answer.status),
        "revision": answer.revision,
        "created": when(answer.created_at),
        "updated": when(answer.updated_at),
        "account": answer.account_id,
        "etag": answer.etag,
        "event": answer.event_id,
        "complete": _completeness(answer.completeness),
        "data": indented(answer.data),
    }
    _print(answer, rows)


@render.register
def _(answer: DeletionStatus) -> None:
    rows = {
        "status": styled(answer.status),
        "since": when(answer.since),
        "deleted at": when(answer.deleted_at),
        "deleted by": answer.deleted_by,
        "restored at": when(answer.restored_at),
        "event": answer.event_id,
    }
    periods = table("life", "status", "from", "to", "event")
    for period in answer.periods:
        add_row(
            periods,
            str(period.life),
            styled(period.status),
            second(period.from_),
            second(period.to) if period.to else "open",
            period.event_id,
        )
    _print(answer, rows, periods)


@render.register
def _(answer: DevicePush) -> None:
    why = f" ({answer.reason})" if answer.reason else ""
    rows = {
        "reachable": styled("yes" if answer.reachable else "no", why),
        "push capable": styled("yes" if answer.push_capable else "no"),
        "devices": f"{answer.count}, {answer.push_enabled} with push enabled"
        if answer.known
        else "not known",
        "changed": when(answer.changed_at),
        "event": answer.event_id,
    }
    devices = table("class", "count", "push enabled")
    for name, device in answer.devices.items():
        add_row(devices, name, str(device["count"]), str(device["pushEnabled"]))
    _print(answer, rows, devices)


@render.register
def _(answer: History) -> None:
    out = _print(answer, {})
    life = None
    for event in answer.events:
        if event.life != life:
            life = event.life
            out.print(Text(f"\nlife {life}", "bold"))
        what = f"{event.name.removeprefix('profile.'):<15} revision {event.revision}"
        line = Text.assemble(second(event.occurred_at), "  ", (what, "bold"))
        line.append(f"  position {event.position}  {printable(event.event_id)}", "dim")
        out.print(line, soft_wrap=True)
        if event.late:
            late = f"    late: known since {second(event.recorded_at)} only"
            out.print(Text(late, "magenta"), soft_wrap=True)
        print_changes(out, event.changes)


@render.register
def _(answer: Diff) -> None:
    out = console()
    _print_title(out, answer.profile_id, answer.api_space_id, answer.life)
    for sign, cut, style in (("---", answer.from_, "red"), ("+++", answer.to, "green")):
        told = ", ".join(told_cut(cut)) or "now"
        out.print(Text(f"{sign} {told}", style), soft_wrap=True)
    print_changes(out, answer.changes)
    if not answer.changes:
        out.print("no difference")


@render.register
def _(answer: Blame) -> None:
    fields = table("happened", "rev", "known since", "member", "event")
    for name, origin in answer.fields.items():
        add_row(
            fields,
            second(origin.occurred_at),
            str(origin.revision),
            second(origin.recorded_at),
            name,
            origin.event_id,
        )
    _print(answer, {}, fields)


@render.register
def _(answer: Explanation) -> None:
    out = _print(answer, {})
    bounds = (_known(answer.known_from), _known(answer.known_to))
    number = len(answer.events)
    count = f"{number or 'no'} event{'' if number == 1 else 's'}"
    told = "{} came to be known after {} until {}".format(count, *bounds)
    out.print(Text(told, "cyan"), soft_wrap=True)
    for event in answer.events:
        what = f"{event.name.removeprefix('profile.')} of {second(event.occurred_at)}"
        line = Text.assemble(second(event.recorded_at), "  ", (what, "bold"))
        line.append(f"  revision {event.revision}  {printable(event.event_id)}", "dim")
        out.print(line, soft_wrap=True)
        print_changes(out, event.changes)
        if not event.changes:
            out.print(Text("    changed nothing", "dim"))


def print_changes(out: Console, changes: Iterable[Change]) -> None:
    """Print changes, a line each."""
    for change in changes:
        sign, style = _SIGNS[change.op]
        values = {
            Op.ADD: inline(change.value),
            Op.REMOVE: inline(change.previous),
            Op.REPLACE: f"{inline(change.previous)} -> {inline(change.value)}",
        }
        line = f"    {sign} {printable(change.path)}  {values[change.op]}"
        out.print(Text(line, style), soft_wrap=True)


def _print(
    answer: Answer, rows: Mapping[str, object], below: Table | None = None
) -> Console:
    out = console()
    _print_title(out, answer.profile_id, answer.api_space_id, answer.life)
    if cut := ", ".join(told_cut(answer.cut)):
        out.print(Text(cut, "cyan"))
    print_rows(out, rows)
    if below is not None and below.row_count:
        out.print(below)
    return out


def _print_title(
    out: Console, profile_id: str, api_space_id: str, life: int | None
) -> None:
    of_life = "" if life is None else f"  life {life}"
    rest = f"{of_life}  in API space {api_space_id}"
    out.print(Text.assemble((printable(profile_id), "bold"), rest), soft_wrap=True)


def told_cut(cut: CutView) -> Iterator[str]:
    """Say what an answer was cut by."""
    if cut.valid_at:
        yield f"as true at {format_timestamp(cut.valid_at)}"
    if cut.known_at is not None:
        yield f"as known at {_known(cut.known_at)}"
    if cut.at_revision is not None:
        yield f"at revision {cut.at_revision}"


def _known(bound: datetime | int) -> str:
    if isinstance(bound, datetime):
        return format_timestamp(bound)
    return f"position {bound}"


def _completeness(completeness: Completeness) -> Text:
    if completeness.complete:
        return styled("yes")
    why = [] if completeness.create_seen else ["its create was not seen"]
    if completeness.missing_revisions:
        ranges = (
            str(a) if a == b else f"{a}-{b}" for a, b in completeness.missing_revisions
        )
        why.append(f"missing revisions {', '.join(ranges)}")
    for clash in completeness.clashes:
        ids = ", ".join(clash.event_ids)
        why.append(f"revision {clash.revision} is claimed by {ids}")
    return styled("no", f": {'; '.join(why)}")
