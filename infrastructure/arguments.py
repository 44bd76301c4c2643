"""What callers of the store hand over, brought to our form or refused by name."""

import json
from collections.abc import Mapping

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
