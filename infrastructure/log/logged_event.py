"""An event as the log stores it, and the digest that guards it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from eventsourcing.persistence import StoredEvent

from profilestore.domain.identity import ProfileKey


@dataclass(frozen=True, eq=False)
class LoggedEvent(StoredEvent):
    """A stored event with the columns beside its state; times in microseconds.

    The columns are None for events that came through the library's port and are no
    profile events; `position` and `recorded_at` until the log has taken it.
    """

    profile: ProfileKey | None = None
    event_id: str | None = None
    revision: int | None = None
    occurred_at: int | None = None
    position: int | None = None
    recorded_at: int | None = None

    def __eq__(self, other: object) -> bool:
        """Compare as the library does: the same stored event, whatever we add to it."""
        return isinstance(other, StoredEvent) and _library_fields(
            self
        ) == _library_fields(other)

    def __hash__(self) -> int:
        return hash(_library_fields(self))


def _library_fields(event: StoredEvent) -> tuple[object, ...]:
    return (
        event.originator_id,
        event.originator_version,
        event.topic,
        event.state,
    )


def digest(fields: Iterable[bytes | str | int | None]) -> bytes:
    """Hash stored fields: SHA-256 over each field's length (4 bytes) and bytes.

    Numbers are hashed as decimal text, text as UTF-8, None as length 2^32-1. The log
    gives partition, position, stream id (16 bytes), version, event id, name, revision,
    occurred_at, recorded_at, state, in this order, for ever.
    """
    framed = [
        len(field).to_bytes(4) + field if type(field) is bytes else _framed(field)
        for field in fields
    ]
    return sha256(b"".join(framed)).digest()


@lru_cache(maxsize=4096)
def _framed(field: str | int | None) -> bytes:
    """Frame a field that is no bytes: mostly one that many events share."""
    if field is None:
        return b"\xff\xff\xff\xff"
    data = b"%d" % field if isinstance(field, int) else field.encode()
    return len(data).to_bytes(4) + data


def link(chain: bytes, event_digest: bytes) -> bytes:
    """Extend the chain of a partition by one event."""
    return sha256(chain + event_digest).digest()
