"""Whether the profile can be pushed to, and if not, why (SPEC section 7)."""

from typing import Any

from profilestore.domain.events import DevicesUpdated
from profilestore.domain.profile import Profile

from .answer import Answer, Time
from .condition import Push, Unreachable
from .state import Status, next_status


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
    devices = event.devices if isinstance(event, DevicesUpdated) else None
    push = Push.of(devices)
    status = Status.UNKNOWN
    for recorded in life.events():
        status = next_status(status, recorded.event)
    reason = Unreachable.why(status, push)
    classes = devices or {}
    return DevicePush.about(
        profile,
        known=devices is not None,
        devices=classes,
        count=sum(device["count"] for device in classes.values()),
        push_enabled=sum(device["pushEnabled"] for device in classes.values()),
        push_capable=push is Push.ENABLED,
        reachable=reason is None,
        reason=reason,
        changed_at=event and event.occurred_at,
        event_id=event and event.event_id,
    )
