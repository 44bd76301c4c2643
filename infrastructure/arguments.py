"""What callers of the store hand over, brought to our form or refused by name."""

import json
import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import normalise_api_space_id

Event = bytes | Mapping[str, object] | ProfileEvent


def event_text(event: Event) -> bytes:
    """Give the JSON text of an event; raise InvalidArgumentError if it has none."""
    match event:
        case ProfileEvent():
            return event.text
        case bytes():
            return event
        case Mapping():
            return _encoded(event)
    rule = f"an event is bytes, a mapping or a ProfileEvent, not {type(event).__name__}"
    raise InvalidArgumentError("delivery", rule)


def _encoded(event: Mapping[str, object]) -> bytes:
    try:
        text = json.dumps(dict(event), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        rule = f"an event has what is not JSON: {error}"
        raise InvalidArgumentError("delivery", rule) from None
    return text.encode("utf-8", "surrogatepass")


def space_id(text: str) -> str:
    """Read an API space id; raise InvalidArgumentError if it is none."""
    try:
        return normalise_api_space_id(text)
    except ValueError as error:
        raise InvalidArgumentError("API space", f"{text!r} {error}") from None


def space_ids(ids: str | Collection[str] | None) -> set[str] | None:
    """Read one API space id or several; None stands for all."""
    if ids is None:
        return None
    return {space_id(text) for text in ([ids] if isinstance(ids, str) else ids)}


_ALL_YEARS = timedelta(days=date.max.toordinal())
# ISO 8601 has a T before hours, minutes and seconds: its P1M is a month.
_SPAN = re.compile(
    r"(?:|P(?=\d+[wd])|PT(?=\d+[hms]))0*([1-9]\d{0,8})([wdhms])",
    re.IGNORECASE | re.ASCII,
)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def span(text: str) -> timedelta:
    """Read a span of time: `1d`, `6h`, `15m`, `1w`, or of ISO 8601 `P1D`, `PT6H`.

    A whole number of one unit, more than none, and no more than all years that times
    have. Raise ValueError with the rule.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError("is no span; write 1d, 6h, 15m, 30s or 1w")
    try:
        found = timedelta(**{_UNITS[match[2].lower()]: int(match[1])})
    except OverflowError:
        found = timedelta.max
    if found > _ALL_YEARS:
        raise ValueError("is longer than the years 1 to 9999")
    return found
