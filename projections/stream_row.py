"""An event as the log's columns have it, and what a fold needs of its text."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from profilestore.domain.events import EVENT_TYPES
from profilestore.domain.json_values import read_json


class Kind(IntEnum):
    """The five events; a create comes before all that happened at the same time."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2
    UNDELETE = 3
    DEVICES = 4
    FOREIGN = 5
    """None of these."""


KINDS = dict(zip(EVENT_TYPES, Kind, strict=False))
"""By stored name."""


class Row(NamedTuple):
    """An event as the log's columns have it: as tuples these are in order of time.

    `occurred_at` is in microseconds since 1970-01-01T00:00:00Z.
    """

    occurred_at: int
    kind: int
    revision: int
    event_id: bytes
    text: bytes
    stream_id: bytes
    position: int = 0
    version: int = 0
    """Both where they were asked for."""


class Told(msgspec.Struct):
    """What an event says beside its columns, in either dialect."""

    payload: dict[str, Any]
    accountId: int | str | None = None  # noqa: N815 - as it is sent
    etag: str | msgspec.UnsetType | None = msgspec.UNSET
    eTag: str | None = None  # noqa: N815

    @property
    def entity_tag(self) -> str | None:
        """The etag, by either name."""
        return self.eTag if self.etag is msgspec.UNSET else self.etag


Read = Callable[[bytes], Told]

read_quickly = msgspec.json.Decoder(Told).decode
"""Decodes a text; msgspec.ValidationError for a number that only Decimal holds."""


def read_exactly(text: bytes) -> Told:
    """Decode a text with any number."""
    return msgspec.convert(read_json(text), Told)
