"""What a store holds, for people: receipts, numbers, the quarantine."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilestore.domain.receipt import Receipt
from profilestore.domain.timestamps import format_timestamp
from profilestore.infrastructure.log.quarantine import QuarantineEntry

from .layout import add_row, console, print_rows, printable, when

SHOWN = 4000
"""Characters of a quarantined event that are shown."""


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
        if name == "readModels":
            continue
        if not isinstance(value, Mapping):
            table.add_row(Text(name, "dim"), f"{value:,}")
            continue
        table.add_row(Text(name, "dim"), f"{sum(value.values()):,}")
        for key, number in value.items():
            add_row(table, f"  {key}", f"{number:,}")
    out = console()
    out.print(table)
    for model in counts["readModels"]:
        _print_read_model(out, model)


def _print_read_model(out: Console, model: Mapping[str, Any]) -> None:
    state = model["phase"]
    if model["fold"] == "stale":
        state = "of another version: not read, `profilestore rebuild` drops it"
    line = (
        f"read model ({model['updates']}), {state}; profiles: {model['profiles']:,}, "
        f"events behind: {model['eventsBehind']:,}, set aside: {model['setAside']:,}"
    )
    out.print(line, soft_wrap=True)
    for aside in model["errors"]:
        told = f"    {aside['profileId']}  in {aside['apiSpaceId']}: {aside['error']}"
        out.print(Text(printable(told), "red"), soft_wrap=True)


def render_quarantine(entries: Iterable[QuarantineEntry]) -> None:
    """Print the quarantine: what and whence in one line, why in the next."""
    out = console()
    entry = None
    for entry in entries:
        times = f"{entry.deliveries} times, first" if entry.deliveries > 1 else "once,"
        line = Text.assemble(
            (entry.id[:12], "bold"),
            f"  {entry.rejection.reason:<17}  {times} ",
            f"{format_timestamp(entry.first_at)}  from {printable(entry.ingress)}",
            f"  {entry.settlement.settled}" if entry.settlement else "",
        )
        out.print(line, soft_wrap=True)
        out.print(Text(f"    {printable(_problems(entry))}", "dim"), soft_wrap=True)
    if entry is None:
        out.print("nothing is in quarantine")


def render_entry(entry: QuarantineEntry) -> None:
    """Print one quarantine entry with what was received."""
    rejection = entry.rejection
    space, profile_id = rejection.profile or (None, None)
    rows = {
        "id": entry.id,
        "reason": rejection.reason,
        "why": _problems(entry),
        "first": when(entry.first_at),
        "last": when(entry.last_at),
        "times": entry.deliveries,
        "from": entry.ingress,
        "space": space,
        "profile": profile_id,
        "event": rejection.event_id,
        "name": rejection.name,
        "size": f"{len(rejection.text):,} bytes",
        "settled": _settled(entry),
    }
    out = console()
    print_rows(out, rows)
    text = rejection.text.decode(errors="backslashreplace")
    out.print(Text("\n".join(map(printable, text[:SHOWN].split("\n")))), soft_wrap=True)
    if len(text) > SHOWN:
        out.print(Text("... (--raw prints all of it)", "dim"))


def _problems(entry: QuarantineEntry) -> str:
    return "; ".join(f"{p.pointer} {p.rule}".strip() for p in entry.rejection.problems)


def _settled(entry: QuarantineEntry) -> str | None:
    if entry.settlement is None:
        return None
    how = entry.settlement
    return f"{how.settled} by {how.by}, {when(how.at)}: {how.why}"
