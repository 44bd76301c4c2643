"""A naive reading of SPEC sections 4, 5 and 7: from a set of events to answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

Json = Any
Answer = dict[str, Any]
Lives = dict[int, list["Event"]]

CREATE = "profile.create"
UPDATE = "profile.update"
DELETE = "profile.delete"
UNDELETE = "profile.undelete"
DEVICES = "profile.devicesUpdated"
SKEW = timedelta(seconds=5)
NOTHING: Any = object()


@dataclass(frozen=True)
class Event:
    """One accepted event in one form, with what the store gave it (SPEC 1, 2)."""

    space: str
    profile_id: str
    event_id: str
    name: str
    payload: dict[str, Json]
    revision: int
    etag: str | None
    account_id: int | None
    timestamp: datetime
    position: int
    version: int
    recorded_at: datetime

    @property
    def is_device(self) -> bool:
        """Tell a device event from a lifecycle event (SPEC 4)."""
        return self.name == DEVICES


@dataclass(frozen=True)
class State:
    """What the fold of the events of one life so far has made (SPEC 5)."""

    status: str | None = None
    data: Json = NOTHING
    devices: Json = NOTHING
    since: Event | None = None
    deleted_at: str | None = None
    deleted_by: str | None = None
    restored_at: str | None = None


@dataclass(frozen=True)
class View:
    """The lives of one profile that are in scope, and the cut that made them so."""

    space: str
    profile_id: str
    cut: Answer
    lives: Lives

    @property
    def life(self) -> int:
        """Return the current life: the highest in scope (SPEC 5)."""
        return max(self.lives)

    @property
    def events(self) -> list[Event]:
        """Return the events of the current life in source order."""
        return self.lives[self.life]

    @property
    def state(self) -> State:
        """Return the state after all events of the current life."""
        return fold(self.events, self.cut["updates"])[-1]

    def head(self) -> Answer:
        """Return the members every answer has (SPEC 7)."""
        return {
            "apiSpaceId": self.space,
            "profileId": self.profile_id,
            "life": self.life,
            "cut": self.cut,
        }


def time_text(moment: datetime) -> str:
    """Write a time in UTC, in milliseconds or where needed microseconds (SPEC 7)."""
    moment = moment.astimezone(UTC)
    seconds = f"{moment.year:04d}" + moment.strftime("-%m-%dT%H:%M:%S")
    if moment.microsecond % 1000 == 0:
        return f"{seconds}.{moment.microsecond // 1000:03d}Z"
    return f"{seconds}.{moment.microsecond:06d}Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time, cutting its fraction to microseconds (SPEC 1)."""
    text = text.upper().replace("Z", "+00:00")
    body, offset = text[:-6], text[-6:]
    whole, _, fraction = body.partition(".")
    micros = int((fraction + "000000")[:6])
    return datetime.fromisoformat(whole + offset).astimezone(UTC) + timedelta(
        microseconds=micros
    )


def json_equal(one: Json, other: Json) -> bool:
    """Compare JSON values: 1 equals 1.0, true is not 1, key order is nothing."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            json_equal(one[key], other[key]) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def life_of(event: Event, creates: list[Event]) -> int:
    """Say which life an event belongs to (SPEC 4, *Lives*)."""
    if event.name == CREATE:
        return 1 + [create.event_id for create in creates].index(event.event_id)
    begun = [create for create in creates if create.timestamp <= event.timestamp]
    if begun:
        return len(begun)
    if not creates or creates[0].timestamp - event.timestamp > SKEW:
        return 0
    return 1 if event.is_device or creates[0].revision < event.revision else 0


def listing(events: list[Event]) -> list[Event]:
    """Put the events of one life in source order (SPEC 4, *Within a life*)."""
    lifecycle = sorted(
        (event for event in events if not event.is_device),
        key=lambda e: (e.name != CREATE, e.revision, e.timestamp, e.event_id),
    )
    devices = sorted(
        (event for event in events if event.is_device),
        key=lambda e: (e.timestamp, e.revision, e.event_id),
    )
    after: list[list[Event]] = [[] for _ in range(len(lifecycle) + 1)]
    for device in devices:
        slot = 0
        for number, event in enumerate(lifecycle, 1):
            if event.timestamp <= device.timestamp:
                slot = number
        after[slot].append(device)
    listed = after[0]
    for number, event in enumerate(lifecycle, 1):
        listed = [*listed, event, *after[number]]
    return listed


def place(events: list[Event]) -> Lives:
    """Split events into lives, lowest first, each in source order (SPEC 4)."""
    creates = sorted(
        (event for event in events if event.name == CREATE),
        key=lambda e: (e.timestamp, e.revision, e.event_id),
    )
    lives: Lives = {}
    for event in events:
        lives.setdefault(life_of(event, creates), []).append(event)
    return {life: listing(lives[life]) for life in sorted(lives)}


def merge_patch(target: Json, patch: Json) -> Json:
    """Apply a JSON Merge Patch as RFC 7396 section 2 writes it (SPEC 5)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def next_data(data: Json, event: Event, updates: str) -> Json:
    """Return the data an event leaves behind (SPEC 5)."""
    if event.name == CREATE or (event.name == UPDATE and updates == "replace"):
        return event.payload
    if event.name == UPDATE:
        return merge_patch({} if data is NOTHING else data, event.payload)
    return data


def next_status(status: str | None, event: Event) -> str:
    """Return the status an event leaves behind (SPEC 5)."""
    status = status or "unknown"
    if event.name == DELETE:
        return "deleted"
    if event.name in (CREATE, UNDELETE):
        return "active"
    if event.name == UPDATE and status == "unknown":
        return "active"
    return status


def step(state: State, event: Event, updates: str) -> State:
    """Fold one event into the state of its life (SPEC 5)."""
    status = next_status(state.status, event)
    takes_effect = status != state.status
    state = replace(state, status=status, data=next_data(state.data, event, updates))
    if event.is_device:
        state = replace(state, devices=event.payload["devices"])
    if not takes_effect:
        return state
    state = replace(state, since=event)
    if event.name == DELETE:
        date, by = event.payload.get("date"), event.payload.get("by")
        moment = event.timestamp if date is None else parse_time(date)
        state = replace(state, deleted_at=time_text(moment), deleted_by=by)
        return replace(state, restored_at=None)
    if event.name == UNDELETE:
        return replace(state, restored_at=time_text(event.timestamp))
    return state


def fold(events: list[Event], updates: str) -> list[State]:
    """Return the state after each event of one life (SPEC 5)."""
    states: list[State] = []
    for event in events:
        states.append(step(states[-1] if states else State(), event, updates))
    return states


def document(state: State) -> Answer:
    """Return what changes are told over: status, data, devices (SPEC 7, History)."""
    members = {"status": state.status, "data": state.data, "devices": state.devices}
    return {
        key: value
        for key, value in members.items()
        if value is not NOTHING and value is not None
    }


def changes(before: Answer, after: Answer) -> list[Answer]:
    """List how one document became another, sorted by path (SPEC 7, Diff)."""
    return sorted(compare(before, after, ""), key=lambda change: str(change["path"]))


def compare(before: Answer, after: Answer, at: str) -> list[Answer]:
    """Compare two objects member by member, below the pointer of both (SPEC 7)."""
    found: list[Answer] = []
    for key in {**before, **after}:
        path = at + "/" + key.replace("~", "~0").replace("/", "~1")
        old, new = before.get(key, NOTHING), after.get(key, NOTHING)
        if new is NOTHING:
            found.append({"op": "remove", "path": path, "previous": old})
        elif old is NOTHING:
            found.append({"op": "add", "path": path, "value": new})
        elif isinstance(old, dict) and isinstance(new, dict):
            found.extend(compare(old, new, path))
        elif not json_equal(old, new):
            change = {"op": "replace", "path": path, "value": new, "previous": old}
            found.append(change)
    return found


def lifecycle_of(view: View) -> list[Event]:
    """Return the lifecycle events of the current life in source order."""
    return [event for event in view.events if not event.is_device]


def account_of(view: View) -> int | None:
    """Return the account of the last event that names one, lifecycle events first."""
    devices = [event for event in view.events if event.is_device]
    named = [e for e in [*devices, *lifecycle_of(view)] if e.account_id is not None]
    return named[-1].account_id if named else None


def completeness(events: list[Event]) -> Answer:
    """Tell what is missing or claimed twice among lifecycle events (SPEC 7)."""
    revisions = sorted({event.revision for event in events})
    missing = [
        [low + 1, high - 1] for low, high in pairwise(revisions) if high > low + 1
    ]
    claims = {
        revision: [e.event_id for e in events if e.revision == revision]
        for revision in revisions
    }
    clashes = [
        {"revision": revision, "eventIds": claims[revision]}
        for revision in revisions
        if len(claims[revision]) > 1
    ]
    seen = any(event.name == CREATE for event in events)
    return {
        "complete": seen and not missing and not clashes,
        "createSeen": seen,
        "missingRevisions": missing,
        "clashes": clashes,
    }


def current(view: View) -> Answer:
    """Answer what the profile is (SPEC 7, Current profile)."""
    events, state = lifecycle_of(view), view.state
    last = events[-1] if events else None
    created = [time_text(e.timestamp) for e in events if e.name == CREATE]
    return {
        **view.head(),
        "accountId": account_of(view),
        "status": state.status,
        "data": None if state.data is NOTHING else state.data,
        "revision": last.revision if last else None,
        "etag": last.etag if last else None,
        "eventId": last.event_id if last else None,
        "createdAt": created[0] if created else None,
        "updatedAt": time_text(last.timestamp) if last else None,
        "completeness": completeness(events),
    }


def periods(view: View) -> list[Answer]:
    """List the periods of equal status through all lives (SPEC 7, Deletion)."""
    found: list[Answer] = []
    for life, events in view.lives.items():
        status = None
        for event, state in zip(events, fold(events, view.cut["updates"]), strict=True):
            if state.status != status:
                status = state.status
                begun = time_text(event.timestamp)
                period = {"life": life, "status": status, "from": begun, "to": None}
                found.append({**period, "eventId": event.event_id})
    for period, following in pairwise(found):
        period["to"] = following["from"]
    return found


def deletion(view: View) -> Answer:
    """Answer whether the profile is deleted, since when and by whom (SPEC 7)."""
    state = view.state
    return {
        **view.head(),
        "status": state.status,
        "since": time_text(state.since.timestamp) if state.since else None,
        "deletedAt": state.deleted_at,
        "deletedBy": state.deleted_by,
        "restoredAt": state.restored_at,
        "eventId": state.since.event_id if state.since else None,
        "periods": periods(view),
    }


def unreachable_because(view: View, *, count: int, push: int) -> str | None:
    """Name the first reason why no push can arrive, if any (SPEC 7, Device)."""
    if view.state.status == "deleted":
        return "deleted"
    if view.state.devices is NOTHING:
        return "unknown"
    if push > 0:
        return None
    return "no-devices" if count == 0 else "push-disabled"


def devices(view: View) -> Answer:
    """Answer whether a push can reach the profile (SPEC 7, Device)."""
    seen = [event for event in view.events if event.is_device]
    last = seen[-1] if seen else None
    classes: dict[str, Any] = last.payload["devices"] if last else {}
    count = sum(each["count"] for each in classes.values())
    push = sum(each["pushEnabled"] for each in classes.values())
    reason = unreachable_because(view, count=count, push=push)
    return {
        **view.head(),
        "known": last is not None,
        "devices": classes,
        "count": count,
        "pushEnabled": push,
        "pushCapable": push > 0,
        "reachable": reason is None,
        "reason": reason,
        "changedAt": time_text(last.timestamp) if last else None,
        "eventId": last.event_id if last else None,
    }
