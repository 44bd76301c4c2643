"""An event as the log's columns have it, and what a fold needs of its text."""

from collections.abc import Collection
from enum import IntEnum
from typing import Any, NamedTuple, cast

import msgspec

from profilestore.domain.events import EVENT_TYPES, etag_of
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

    `occurred_at` is in microseconds since 1970-01-01T00:00:00Z. The event's id, which
    hardly ever decides, is left in the text: there are millions of rows.
    """

    occurred_at: int
    kind: int
    revision: int
    text: bytes
    stream_id: bytes
    position: int = 0
    version: int = 0
    """Both where they were asked for."""


class NamedRow(NamedTuple):
    """An event with its id: so these are in order of time where all else is equal."""

    occurred_at: int
    kind: int
    revision: int
    event_id: str
    text: bytes


class Said(msgspec.Struct, gc=False):
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
        return _read_many(_array(texts))
    except msgspec.ValidationError:
        return list(map(read, texts))


def with_ids(rows: Collection[Row]) -> list[NamedRow]:
    """Read the ids of events, and put these in order of time."""
    texts = [row[3] for row in rows]
    try:
        tags = _read_many_tags(_array(texts))
    except msgspec.ValidationError:
        tags = list(map(read_tags, texts))
    named = [(*row[:3], tag.id, row[3]) for row, tag in zip(rows, tags, strict=True)]
    return sorted(cast("list[NamedRow]", named))


class Tags(msgspec.Struct, gc=False):
    """The id of an event, and its entity tag, by either name."""

    id: str = msgspec.field(name="eventId")
    tag: str | msgspec.UnsetType | None = msgspec.field(
        default=msgspec.UNSET, name="etag"
    )
    eTag: str | None = None  # noqa: N815 - as it is sent

    @property
    def etag(self) -> str | None:
        """The entity tag."""
        return self.eTag if self.tag is msgspec.UNSET else self.tag


def read_tags(text: bytes) -> Tags:
    """Read what names the event of a text."""
    try:
        return _read_tags(text)
    except msgspec.ValidationError:  # what is not asked for, or was said again, is odd
        envelope = read_json(text)
        return Tags(envelope["eventId"], etag_of(envelope))


def _array(texts: Collection[bytes]) -> bytes:
    return b"[%b]" % b",".join(texts)


_read_one = msgspec.json.Decoder(Said).decode
_read_many = msgspec.json.Decoder(list[Said]).decode
_read_tags = msgspec.json.Decoder(Tags).decode
_read_many_tags = msgspec.json.Decoder(list[Tags]).decode
