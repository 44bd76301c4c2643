"""Whether the profile can be pushed to, and if not, why (SPEC section 7)."""

from enum import StrEnum
from typing import Any

from profilestore.domain.events import DevicesUpdated
from profilestore.domain.profile import Profile

from .answer import Answer, Time
from .state import Status, next_status


class Unreachable(StrEnum):
    """Why a push would reach nobody; the first that holds."""

    DELETED = "deleted"
    UNKNOWN = "unknown"
    NO_DEVICES = "no-devices"
    PUSH_DISABLED = "push-disabled"


class DevicePush(Answer):
    """Device push capability; counts are 0 and times null while nothing is known."""

    known: bool
    devices: dict[str, dict[str, Any]]
    count: int
    push_enabled: int
    push_capable: bool
    reachable: bool
    reason: Unreachable | None
    changed_at: Time | None
    event_id: str | None


def device_push(profile: Profile) -> DevicePush:
    """Fold the device events of the current life, and its status."""
    life = profile.life
    event = life.devices[-1].event if life.devices else None
    devices = event.devices if isinstance(event, DevicesUpdated) else {}
    count = sum(device["count"] for device in devices.values())
    push_enabled = sum(device["pushEnabled"] for device in devices.values())
    status: Status | None = None
    for recorded in life.events():
        status = next_status(status, recorded.event)
    if status is Status.DELETED:
        reason = Unreachable.DELETED
    elif event is None:
        reason = Unreachable.UNKNOWN
    elif push_enabled:
        reason = None
    else:
        reason = Unreachable.PUSH_DISABLED if count else Unreachable.NO_DEVICES
    return DevicePush.about(
        profile,
        known=event is not None,
        devices=devices,
        count=count,
        push_enabled=push_enabled,
        push_capable=push_enabled > 0,
        reachable=reason is None,
        reason=reason,
        changed_at=event and event.occurred_at,
        event_id=event and event.event_id,
    )
