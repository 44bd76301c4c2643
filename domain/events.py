"""The five source events (SPEC section 1), frozen, each with its stored name.

The names are what the log holds: they and the reading of `text` never change meaning.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import msgspec

from .identity import ProfileKey
from .json_values import read_json, sort_members
from .timestamps import parse_timestamp


class Content(NamedTuple):
    """What an event says beside its place in the order, the same in both dialects."""

    account_id: int | None
    etag: str | None
    payload: dict[str, Any]


def etag_of(envelope: dict[str, Any]) -> str | None:
    """Take the entity tag by the name it has in either dialect."""
    return envelope["etag"] if "etag" in envelope else envelope.get("eTag")


class ProfileEvent(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One thing that happened to a profile, as its source told it.

    `text` is the exact JSON received; everything else is read from it. `occurred_at` is
    in UTC, cut to microseconds. A Struct, as a dataclass takes ten times as long to
    make.
    """

    name: ClassVar[str]

    profile: ProfileKey
    event_id: str
    revision: int
    occurred_at: datetime
    text: bytes

    @cached_property
    def content(self) -> Content:
        """Decoded on first use: order and cuts never need it."""
        envelope = read_json(self.text)
        account_id = envelope.get("accountId")
        return Content(
            account_id=None if account_id is None else int(account_id),
            etag=etag_of(envelope),
            payload=sort_members(envelope["payload"] | {"id": self.profile.profile_id}),
        )

    @property
    def payload(self) -> dict[str, Any]:
        """The payload with its `id`, members in order of name."""
        return self.content.payload


class LifecycleEvent(ProfileEvent, frozen=True):
    """An event of the profile itself; `revision` counts these."""


class ProfileCreated(LifecycleEvent, frozen=True):
    """A life begins."""

    name = "profile.create"


class ProfileUpdated(LifecycleEvent, frozen=True):
    """Data changed."""

    name = "profile.update"


class ProfileDeleted(LifecycleEvent, frozen=True):
    """The profile was deleted, softly."""

    name = "profile.delete"

    @property
    def deleted_at(self) -> datetime:
        """When the source says it was deleted, else when the event happened."""
        date = self.payload.get("date")
        return self.occurred_at if date is None else parse_timestamp(date)

    @property
    def deleted_by(self) -> str | None:
        """Who deleted it, in the source's words."""
        return self.payload.get("by")


class ProfileUndeleted(LifecycleEvent, frozen=True):
    """The deletion was undone."""

    name = "profile.undelete"


class DevicesUpdated(ProfileEvent, frozen=True):
    """The devices changed; `revision` is a counter of their own."""

    name = "profile.devicesUpdated"

    @property
    def devices(self) -> dict[str, dict[str, Any]]:
        """Device class -> its `count` and `pushEnabled` and what else was sent."""
        devices: dict[str, dict[str, Any]] = self.payload["devices"]
        return devices


EVENT_TYPES: dict[str, type[ProfileEvent]] = {
    event.name: event
    for event in (
        ProfileCreated,
        ProfileUpdated,
        ProfileDeleted,
        ProfileUndeleted,
        DevicesUpdated,
    )
}


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event in its profile's stream: the library's domain event.

    `version` is the place in the stream, `position` that in the log, both from 1;
    `recorded_at` is the store's clock when the write began, in UTC.
    """

    event: ProfileEvent
    version: int
    position: int
    recorded_at: datetime

    @property
    def originator_id(self) -> UUID:
        """The stream, in the library's words."""
        return self.event.profile.stream_id

    @property
    def originator_version(self) -> int:
        """The version, in the library's words."""
        return self.version
