"""The short way to an event in the published form that is plainly valid.

`envelope` has the rules, and says what is wrong. Most events break none: for those this
answers the same in a fraction of the time, and of all others it says nothing.
"""

from typing import Annotated, Literal

import msgspec

from .events import EVENT_TYPES, ProfileEvent
from .identity import ProfileKey, normalise_api_space_id
from .timestamps import parse_timestamp

Scalar = str | int | float | bool | None
Flat = Scalar | list[Scalar] | dict[str, Scalar]
Nested = Scalar | list[Flat] | dict[str, Flat]
Value = Scalar | list[Nested] | dict[str, Nested]
"""What nests deeper than this is looked at more closely, how deep it may."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    api_space_id: str
    name: Literal["profile.create", "profile.update", "profile.undelete"]
    payload: dict[str, Value]
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    timestamp: str
    account_id: int | None = None
    etag: str | None = None


_decode = msgspec.json.Decoder(_Envelope).decode
_REFUSED = (msgspec.MsgspecError, ValueError, RecursionError)


def plain_event(text: bytes) -> ProfileEvent | None:
    """Read an event's exact JSON text; None if that takes a closer look.

    Of a duplicate key the last counts. The text is no longer than an event may be.
    """
    try:
        envelope = _decode(text)
        space = normalise_api_space_id(envelope.api_space_id)
        occurred_at = parse_timestamp(envelope.timestamp)
    except _REFUSED:
        return None
    profile_id = envelope.payload.get("id")
    if not isinstance(profile_id, str) or not 0 < len(profile_id) <= 1024:  # noqa: PLR2004
        return None
    if "\0" in profile_id:
        return None
    return EVENT_TYPES[envelope.name](
        profile=ProfileKey(space, profile_id),
        event_id=envelope.event_id,
        revision=envelope.revision,
        occurred_at=occurred_at,
        text=text,
    )
