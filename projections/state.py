"""What the events of a life add up to: status, data, devices (SPEC section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.events import (
    DevicesUpdated,
    ProfileCreated,
    ProfileDeleted,
    ProfileEvent,
    ProfileUpdated,
    RecordedEvent,
)
from profilestore.domain.merge_patch import merge_patch
from profilestore.domain.profile import Profile


class Status(StrEnum):
    """Whether a profile is there; `unknown` while only device events tell of it."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class State:
    """One life, folded so far; None where nothing has been said yet."""

    status: Status | None = None
    data: dict[str, Any] | None = None
    devices: dict[str, dict[str, Any]] | None = None

    def document(self) -> dict[str, Any]:
        """Give what is there, as the object that changes are paths into."""
        members = {
            "status": self.status and self.status.value,
            "data": self.data,
            "devices": self.devices,
        }
        return {name: value for name, value in members.items() if value is not None}


def next_status(status: Status | None, event: ProfileEvent) -> Status:
    """Say the status after one more event of a life; None is before the first."""
    match event:
        case DevicesUpdated():
            return status or Status.UNKNOWN
        case ProfileDeleted():
            return Status.DELETED
        case ProfileUpdated():
            return Status.DELETED if status is Status.DELETED else Status.ACTIVE
        case _:
            return Status.ACTIVE


def evolve(state: State, event: ProfileEvent, updates: UpdatePolicy) -> State:
    """Fold one more event of the life, in source order."""
    data, devices = state.data, state.devices
    match event:
        case DevicesUpdated():
            devices = event.devices
        case ProfileUpdated() if updates is UpdatePolicy.MERGE:
            data = merge_patch(data, event.payload)
        case ProfileUpdated() | ProfileCreated():
            data = event.payload
    return State(next_status(state.status, event), data, devices)


def document(profile: Profile | None) -> dict[str, Any]:
    """Fold the current life of a profile to what changes are paths into."""
    if profile is None:
        return {}
    return fold(profile.life.events(), profile.cut.updates).document()


def fold(events: Iterable[RecordedEvent], updates: UpdatePolicy) -> State:
    """Fold the events of one life from nothing."""
    state = State()
    for recorded in events:
        state = evolve(state, recorded.event, updates)
    return state
