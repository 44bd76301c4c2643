"""An event as the log's columns have it, and what a fold needs of its text."""

from collections.abc import Collection
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


class Said(msgspec.Struct):
    """What an event says beside its columns, in either dialect."""

    payload: dict[str, Any]
    accountId: int | str | None = None  # noqa: N815 - as it is sent


def read(text: bytes) -> Said:
    """Read the text of an event."""
    try:
        return _read_one(text)
    except msgspec.ValidationError:  # it has a number that only Decimal holds
        return msgspec.convert(read_json(text), Said)


def read_all(texts: Collection[bytes]) -> list[Said]:
    """Read the texts of events as one: they lie apart, and that is what costs most."""
    try:
        return _read_many(b"[%b]" % b",".join(texts))
    except msgspec.ValidationError:
        return list(map(read, texts))


def read_entity_tag(text: bytes) -> str | None:
    """Read the etag in the text of an event, by either name."""
    tag = _read_tag(text)
    return tag.eTag if tag.etag is msgspec.UNSET else tag.etag


class _Tag(msgspec.Struct):
    etag: str | msgspec.UnsetType | None = msgspec.UNSET
    eTag: str | None = None  # noqa: N815 - as it is sent


_read_one = msgspec.json.Decoder(Said).decode
_read_many = msgspec.json.Decoder(list[Said]).decode
_read_tag = msgspec.json.Decoder(_Tag).decode
