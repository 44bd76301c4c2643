"""Answers for people: a screen at a time, colours on a terminal only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilestore.domain.receipt import Receipt
from profilestore.domain.timestamps import format_timestamp
from profilestore.infrastructure.log.quarantine import QuarantineEntry
from profilestore.projections.answer import Answer, CutView
from profilestore.projections.completeness import Completeness
from profilestore.projections.current import CurrentProfile
from profilestore.projections.deletion import DeletionStatus
from profilestore.projections.devices import DevicePush
from profilestore.projections.history import History

_STYLES = {
    "active": "bold green",
    "deleted": "bold red",
    "unknown": "bold yellow",
    "yes": "green",
    "no": "red",
}


@singledispatch
def render(answer: Answer) -> None:
    """Print an answer for people."""
    raise TypeError(f"no rendering of {type(answer).__name__}")


@render.register
def _(answer: CurrentProfile) -> None:
    rows = {
        "status": _styled(answer.status),
        "revision": answer.revision,
        "created": _when(answer.created_at),
        "updated": _when(answer.updated_at),
        "account": answer.account_id,
        "etag": answer.etag,
        "event": answer.event_id,
        "complete": _completeness(answer.completeness),
        "data": _json(answer.data),
    }
    _print(answer, rows)


@render.register
def _(answer: DeletionStatus) -> None:
    rows = {
        "status": _styled(answer.status),
        "since": _when(answer.since),
        "deleted at": _when(answer.deleted_at),
        "deleted by": answer.deleted_by,
        "restored at": _when(answer.restored_at),
        "event": answer.event_id,
    }
    periods = _table("life", "status", "from", "to", "event")
    for period in answer.periods:
        periods.add_row(
            str(period.life),
            _styled(period.status),
            _second(period.from_),
            _second(period.to) if period.to else "now",
            period.event_id,
        )
    _print(answer, rows, periods)


@render.register
def _(answer: DevicePush) -> None:
    why = f" ({answer.reason})" if answer.reason else ""
    rows = {
        "reachable": _styled("yes" if answer.reachable else "no", why),
        "push capable": _styled("yes" if answer.push_capable else "no"),
        "devices": f"{answer.count}, {answer.push_enabled} with push enabled"
        if answer.known
        else "not known",
        "changed": _when(answer.changed_at),
        "event": answer.event_id,
    }
    devices = _table("class", "count", "push enabled")
    for name, device in answer.devices.items():
        devices.add_row(Text(name), str(device["count"]), str(device["pushEnabled"]))
    _print(answer, rows, devices)


@render.register
def _(answer: History) -> None:
    events = _table("life", "happened", "event", "rev", "recorded", "position", "id")
    for event in answer.events:
        events.add_row(
            str(event.life),
            _second(event.occurred_at),
            event.name.removeprefix("profile."),
            str(event.revision),
            _second(event.recorded_at),
            str(event.position),
            Text(event.event_id),
        )
    _print(answer, {}, events)


def receipt_line(receipt: Receipt) -> str:
    """Say in one line what became of a delivery."""
    return (
        f"{receipt.received} received: {receipt.accepted} accepted, "
        f"{receipt.duplicate} duplicate, {receipt.quarantined} quarantined, "
        f"{receipt.ignored} ignored"
    )


def render_stats(counts: Mapping[str, Any]) -> None:
    """Print what a store holds."""
    table = Table.grid(padding=(0, 2))
    for name, value in counts.items():
        if not isinstance(value, Mapping):
            table.add_row(Text(name, "dim"), f"{value:,}")
            continue
        table.add_row(Text(name, "dim"), f"{sum(value.values()):,}")
        for key, number in value.items():
            table.add_row(Text(f"  {key}"), f"{number:,}")
    Console().print(table)


def render_quarantine(entries: Iterable[QuarantineEntry]) -> None:
    """Print the quarantine: what and whence in one line, why in the next."""
    console = Console()
    entry = None
    for entry in entries:
        times = f"{entry.deliveries} times, first" if entry.deliveries > 1 else "once,"
        line = Text.assemble(
            (entry.id[:12], "bold"),
            f"  {entry.rejection.reason:<17}  {times} ",
            f"{format_timestamp(entry.first_at)}  from {entry.ingress}",
        )
        console.print(line, soft_wrap=True)
        console.print(Text(f"    {_problems(entry)}", "dim"), soft_wrap=True)
    if entry is None:
        console.print("nothing is in quarantine")


def render_entry(entry: QuarantineEntry) -> None:
    """Print one quarantine entry with what was received."""
    rejection = entry.rejection
    space, profile_id = rejection.profile or (None, None)
    rows = {
        "id": entry.id,
        "reason": rejection.reason,
        "why": _problems(entry),
        "first": _when(entry.first_at),
        "last": _when(entry.last_at),
        "times": entry.deliveries,
        "from": entry.ingress,
        "space": space,
        "profile": profile_id,
        "event": rejection.event_id,
        "name": rejection.name,
        "size": f"{len(rejection.text):,} bytes",
    }
    console = Console()
    _print_rows(console, rows)
    console.print(Text(rejection.text.decode(errors="backslashreplace")))


def _print(
    answer: Answer, rows: Mapping[str, object], table: Table | None = None
) -> None:
    console = Console()
    title = Text.assemble(
        (_printable(answer.profile_id), "bold"),
        f"  life {answer.life}  in API space {answer.api_space_id}",
    )
    console.print(title, soft_wrap=True)
    if cut := ", ".join(_cut(answer.cut)):
        console.print(Text(cut, "cyan"))
    _print_rows(console, rows)
    if table is not None and table.row_count:
        console.print(table)


def _cut(cut: CutView) -> Iterator[str]:
    if cut.valid_at:
        yield f"as true at {format_timestamp(cut.valid_at)}"
    if isinstance(cut.known_at, datetime):
        yield f"as known at {format_timestamp(cut.known_at)}"
    elif cut.known_at is not None:
        yield f"as known at position {cut.known_at}"
    if cut.at_revision is not None:
        yield f"at revision {cut.at_revision}"


def _print_rows(console: Console, rows: Mapping[str, object]) -> None:
    """Print names and values; what is null is left out."""
    width = max(map(len, rows), default=0) + 2
    for name, value in rows.items():
        if value is None:
            continue
        text = value if isinstance(value, Text) else Text(str(value))
        lines = Text("\n" + " " * width).join(text.split("\n"))
        console.print(Text(f"{name:<{width}}", "dim") + lines, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        # On a narrow terminal the last column, an id, is what gives way.
        last = column == columns[-1]
        table.add_column(column, overflow="ellipsis", no_wrap=not last)
    return table


def _styled(word: str, rest: str = "") -> Text:
    return Text.assemble((str(word), _STYLES.get(word, "")), rest)


def _completeness(completeness: Completeness) -> Text:
    if completeness.complete:
        return _styled("yes")
    why = [] if completeness.create_seen else ["its create was not seen"]
    if completeness.missing_revisions:
        ranges = (
            str(a) if a == b else f"{a}-{b}" for a, b in completeness.missing_revisions
        )
        why.append(f"missing revisions {', '.join(ranges)}")
    for clash in completeness.clashes:
        ids = ", ".join(clash.event_ids)
        why.append(f"revision {clash.revision} is claimed by {ids}")
    return _styled("no", f": {'; '.join(why)}")


def _json(value: object) -> str:
    # `json` only lays it out for reading; `--json` has the exact document.
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _when(instant: datetime | None) -> str | None:
    """Write an instant and how long ago it was."""
    if instant is None:
        return None
    return f"{format_timestamp(instant)}  ({_ago(datetime.now(UTC) - instant)})"


def _second(instant: datetime) -> str:
    """Write an instant for a column: UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _ago(span: Any) -> str:
    seconds = abs(int(span.total_seconds()))
    for unit, length in (
        ("year", 31_556_952),
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
    ):
        if number := seconds // length:
            many = f"{number} {unit}{'s' if number > 1 else ''}"
            return f"{many} ago" if span.total_seconds() > 0 else f"in {many}"
    return "just now"


def _problems(entry: QuarantineEntry) -> str:
    return "; ".join(f"{p.pointer} {p.rule}".strip() for p in entry.rejection.problems)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
