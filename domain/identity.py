"""Who a profile is: its API space and its id in it (SPEC section 3)."""

import re
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID, uuid5

_UUID = re.compile(
    r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)


@lru_cache(maxsize=1024)
def normalise_api_space_id(text: str) -> str:
    """Bring an API space id to lower-case dashed form, or raise ValueError."""
    if _UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID, with or without dashes")
    return str(UUID(text))


class ProfileKey(NamedTuple):
    """One profile: the API space in lower-case dashed form, the id exactly as given."""

    api_space_id: str
    profile_id: str

    @property
    def stream_id(self) -> UUID:
        """The id of its stream: RFC 9562 version 5, the API space as namespace.

        It is stored with each event, so this derivation never changes.
        """
        return _stream_id(self)

    @property
    def stream_bytes(self) -> bytes:
        """The 16 bytes of that id, as the log has it."""
        return _stream_bytes(self)


@lru_cache(maxsize=65536)
def _stream_id(key: ProfileKey) -> UUID:
    return uuid5(UUID(key.api_space_id), key.profile_id)


@lru_cache(maxsize=65536)
def _stream_bytes(key: ProfileKey) -> bytes:
    return _stream_id(key).bytes


def partition_of(profile: ProfileKey, partitions: int) -> int:
    """Say where a profile lives: its stream id as a number, modulo the partitions.

    The streams that exist were placed by this, so it never changes.
    """
    return home_of(profile.stream_id, partitions)


def home_of(stream_id: UUID, partitions: int) -> int:
    """Say where a stream lives."""
    return stream_id.int % partitions
