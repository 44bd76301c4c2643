"""How output for people is laid out: rows, tables, times."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilestore.domain.timestamps import format_timestamp

STYLES = {
    "active": "bold green",
    "deleted": "bold red",
    "unknown": "bold yellow",
    "yes": "green",
    "no": "red",
}
_UNITS = {"year": 31_556_952, "day": 86_400, "hour": 3_600, "minute": 60}


def console() -> Console:
    """Make a console; what is piped is as wide as it needs to be."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return _Console(width=1000 if wide else None, markup=False, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command, for which it is no error."""
        raise BrokenPipeError


def print_rows(console: Console, rows: Mapping[str, object]) -> None:
    """Print names and values; what is null is left out."""
    width = max(map(len, rows), default=0) + 2
    for name, value in rows.items():
        if value is None:
            continue
        text = value if isinstance(value, Text) else Text(_lines(str(value)))
        lines = Text("\n" + " " * width).join(text.split("\n"))
        label = (f"{name:<{width}}", "dim")
        console.print(Text.assemble(label, lines), soft_wrap=True)


def table(*columns: str) -> Table:
    """Make a table of which, on a narrow terminal, the last column gives way."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        made.add_column(column, overflow="ellipsis", no_wrap=column != columns[-1])
    return made


def styled(word: str, rest: str = "") -> Text:
    """Colour a word by what it says."""
    return Text.assemble((str(word), STYLES.get(word, "")), rest)


def indented(value: object) -> str:
    """Lay JSON out for reading; `--json` has the exact document."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return _lines(text)


def add_row(to: Table, *cells: str | Text) -> None:
    """Add a row whose strings are text and nothing else to the terminal."""
    to.add_row(*(c if isinstance(c, Text) else Text(printable(c)) for c in cells))


def inline(value: object) -> str:
    """Write JSON in one line, for reading."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def second(instant: datetime) -> str:
    """Write an instant for a column: UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def when(instant: datetime | None) -> str | None:
    """Write an instant and how long ago it was."""
    if instant is None:
        return None
    return f"{format_timestamp(instant)}  ({_ago(datetime.now(UTC) - instant)})"


def _ago(span: timedelta) -> str:
    seconds = int(abs(span).total_seconds())
    for unit, length in _UNITS.items():
        if number := seconds // length:
            many = f"{number} {unit}{'s' if number > 1 else ''}"
            return f"{many} ago" if span > timedelta() else f"in {many}"
    return "just now"


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def printable(text: str) -> str:
    """Escape what a terminal would act upon."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
