"""A naive profile store to check answers against: SPEC sections 2, 3, 6 and 7."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from tests.oracle_answers import (
    CREATE,
    DELETE,
    DEVICES,
    NOTHING,
    UNDELETE,
    UPDATE,
    Answer,
    Event,
    Json,
    View,
    changes,
    current,
    deletion,
    devices,
    document,
    fold,
    json_equal,
    parse_time,
    place,
    time_text,
)

Known = datetime | int | None
KNOWN_NAMES = (CREATE, UPDATE, DELETE, UNDELETE, DEVICES)


class CutArgs(TypedDict, total=False):
    """The cut every question takes (SPEC 6)."""

    valid_at: datetime | None
    known_at: Known
    at_revision: int | None
    life: int | None
    updates: str | None


@dataclass(frozen=True)
class Cut:
    """The cut of one question, and the store's own update policy (SPEC 5, 6)."""

    policy: str
    valid_at: datetime | None = None
    known_at: Known = None
    at_revision: int | None = None
    life: int | None = None
    updates: str | None = None

    def told(self) -> Answer:
        """Return the cut as answers tell it (SPEC 7)."""
        return {
            "validAt": None if self.valid_at is None else time_text(self.valid_at),
            "knownAt": known_text(self.known_at),
            "atRevision": self.at_revision,
            "updates": self.updates or self.policy,
        }


def known_text(known: Known) -> str | int | None:
    """Return a known time in UTC, a position as it is (SPEC 6)."""
    return time_text(known) if isinstance(known, datetime) else known


def space_id(text: str) -> str:
    """Bring an API space id to lower-case dashed form (SPEC 2)."""
    return str(UUID(text))


def normalised(envelope: dict[str, Json]) -> Event:
    """Bring an envelope of either dialect to one form (SPEC 1); no place yet."""
    payload = deepcopy(envelope["payload"])
    payload.setdefault("id", envelope.get("profileId"))
    etag, account = envelope.get("etag"), envelope.get("accountId")
    moment = envelope.get("timestamp") or envelope["publishedOn"]
    return Event(
        space=space_id(envelope["apiSpaceId"]),
        profile_id=payload["id"],
        event_id=envelope["eventId"],
        name=envelope["name"],
        payload=payload,
        revision=envelope["revision"],
        etag=envelope.get("eTag") if etag is None else etag,
        account_id=None if account is None else int(account),
        timestamp=parse_time(moment),
        position=0,
        version=0,
        recorded_at=datetime.min,  # noqa: DTZ901 - replaced once it is accepted
    )


def same_event(one: Event, other: Event) -> bool:
    """Compare the content of two events with one id (SPEC 2, duplicate)."""
    optional = [(one.etag, other.etag), (one.account_id, other.account_id)]
    return (
        one.name == other.name
        and json_equal(one.payload, other.payload)
        and one.revision == other.revision
        and one.timestamp == other.timestamp
        and all(a == b for a, b in optional if a is not None and b is not None)
    )


def is_known(event: Event, known_at: Known) -> bool:
    """Tell whether an event was known at a time or log position (SPEC 6)."""
    if known_at is None:
        return True
    if isinstance(known_at, datetime):
        return event.recorded_at <= known_at
    return event.position <= known_at


def up_to_revision(events: list[Event], revision: int) -> list[Event]:
    """Keep of one life what `at_revision` leaves (SPEC 6)."""
    kept = [e for e in events if not e.is_device and e.revision <= revision]
    if not kept:
        return []
    end = kept[-1].timestamp
    return kept + [e for e in events if e.is_device and e.timestamp <= end]


def in_scope(events: list[Event], cut: Cut) -> list[Event]:
    """Return the events a cut leaves (SPEC 6), in no order that matters."""
    events = [event for event in events if is_known(event, cut.known_at)]
    if cut.valid_at is not None:
        events = [event for event in events if event.timestamp <= cut.valid_at]
    lives = place(events)
    if cut.life is not None:
        lives = {life: lives[life] for life in lives if life <= cut.life}
    if cut.at_revision is not None and lives:
        last = max(lives) if cut.life is None else cut.life
        lives[last] = up_to_revision(lives.get(last, []), cut.at_revision)
    return [event for life in lives.values() for event in life]


def shown(event: Event, life: int) -> Answer:
    """Return the members of one event that History and Explain share (SPEC 7)."""
    return {
        "life": life,
        "position": event.position,
        "version": event.version,
        "recordedAt": time_text(event.recorded_at),
        "occurredAt": time_text(event.timestamp),
        "name": event.name,
        "eventId": event.event_id,
        "revision": event.revision,
    }


def history(view: View) -> Answer:
    """Answer what happened, in source order, and what it did (SPEC 7, History)."""
    entries: list[Answer] = []
    before: Answer = {}
    rest = [event for events in view.lives.values() for event in events]
    for life, events in view.lives.items():
        for event, state in zip(events, fold(events, view.cut["updates"]), strict=True):
            rest = rest[1:]
            entry = {**shown(event, life), "etag": event.etag}
            entry["late"] = any(later.position < event.position for later in rest)
            entry["changes"] = changes(before, document(state))
            entry["payload"] = event.payload
            entries.append(entry)
            before = document(state)
    return {**view.head(), "events": entries}


def blame(view: View) -> Answer:
    """Answer which event last set each member of data (SPEC 7, Blame)."""
    setters: dict[str, Event] = {}
    data: dict[str, Json] = {}
    for event, state in zip(
        view.events, fold(view.events, view.cut["updates"]), strict=True
    ):
        before, data = data, {} if state.data is NOTHING else state.data
        for key in data:
            if key not in before or not json_equal(before[key], data[key]):
                setters[key] = event
    fields = {key: blamed(setters[key], data[key]) for key in data}
    return {**view.head(), "fields": fields}


def blamed(event: Event, value: Json) -> Answer:
    """Return a value and the event that set it (SPEC 7, Blame)."""
    return {
        "value": value,
        "eventId": event.event_id,
        "revision": event.revision,
        "occurredAt": time_text(event.timestamp),
        "recordedAt": time_text(event.recorded_at),
    }


class Oracle:
    """All profiles of one store, held as plain lists (SPEC 2, 3)."""

    def __init__(self, updates: str = "merge") -> None:
        self.updates = updates
        self.log: list[Event] = []

    def receive(self, envelope: dict[str, Json], recorded_at: datetime) -> str:
        """Take one envelope with valid fields and tell its outcome (SPEC 2)."""
        name = envelope["name"]
        if name not in KNOWN_NAMES:
            return "quarantined" if name.startswith("profile.") else "ignored"
        event = normalised(envelope)
        stream = self._stream(event.space, event.profile_id)
        for first in stream:
            if first.event_id == event.event_id:
                return "duplicate" if same_event(first, event) else "quarantined"
        event = replace(event, position=len(self.log) + 1, version=len(stream) + 1)
        self.log.append(replace(event, recorded_at=recorded_at))
        return "accepted"

    def profiles(self) -> list[tuple[str, str]]:
        """List the profiles that have an accepted event, sorted (SPEC 3)."""
        return sorted({(event.space, event.profile_id) for event in self.log})

    def current(self, space: str, pid: str, **cut: Unpack[CutArgs]) -> Answer | None:
        """Answer the current profile, None for not found (SPEC 7)."""
        view = self._view(space, pid, cut)
        return current(view) if view else None

    def deletion(self, space: str, pid: str, **cut: Unpack[CutArgs]) -> Answer | None:
        """Answer the deletion status, None for not found (SPEC 7)."""
        view = self._view(space, pid, cut)
        return deletion(view) if view else None

    def devices(self, space: str, pid: str, **cut: Unpack[CutArgs]) -> Answer | None:
        """Answer the push capability, None for not found (SPEC 7)."""
        view = self._view(space, pid, cut)
        return devices(view) if view else None

    def history(self, space: str, pid: str, **cut: Unpack[CutArgs]) -> Answer | None:
        """Answer the history, None for not found (SPEC 7)."""
        view = self._view(space, pid, cut)
        return history(view) if view else None

    def blame(self, space: str, pid: str, **cut: Unpack[CutArgs]) -> Answer | None:
        """Answer the blame, None for not found (SPEC 7)."""
        view = self._view(space, pid, cut)
        return blame(view) if view else None

    def diff(  # noqa: PLR0913 - both ends of two axes
        self,
        space: str,
        pid: str,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        known_from: Known = None,
        known_to: Known = None,
        **cut: Unpack[CutArgs],
    ) -> Answer | None:
        """Answer the difference between two cuts (SPEC 7, Diff)."""
        sides = []
        for valid, known in ((from_, known_from), (to, known_to)):
            side = CutArgs(**cut)
            side["valid_at"] = cut.get("valid_at") if valid is None else valid
            side["known_at"] = cut.get("known_at") if known is None else known
            sides.append(side)
        before, after = (self._view(space, pid, side) for side in sides)
        if before is None and after is None:
            return None
        return {
            "apiSpaceId": space_id(space),
            "profileId": pid,
            "life": after.life if after else None,
            "from": Cut(self.updates, **sides[0]).told(),
            "to": Cut(self.updates, **sides[1]).told(),
            "changes": changes(whole(before), whole(after)),
        }

    def explain(  # noqa: PLR0913 - as the question is asked
        self,
        space: str,
        pid: str,
        *,
        known_from: Known,
        known_to: Known,
        valid_at: datetime | None = None,
        updates: str | None = None,
    ) -> Answer | None:
        """Answer why a past answer is no longer the same (SPEC 7, Explain)."""
        asked = CutArgs(valid_at=valid_at, updates=updates)
        final = self._view(space, pid, CutArgs(**asked, known_at=known_to))
        if final is None:
            return None
        found = [(e, life) for life, events in final.lives.items() for e in events]
        entries: list[Answer] = []
        for event, life in sorted(found, key=lambda pair: pair[0].position):
            if known_from is not None and is_known(event, known_from):
                continue
            before, after = (
                self._view(space, pid, CutArgs(**asked, known_at=position))
                for position in (event.position - 1, event.position)
            )
            made = changes(whole(before), whole(after))
            entries.append({**shown(event, life), "changes": made})
        return {
            **final.head(),
            "cut": Cut(self.updates, **asked).told(),
            "knownFrom": known_text(known_from),
            "knownTo": known_text(known_to),
            "events": entries,
        }

    def _stream(self, space: str, pid: str) -> list[Event]:
        """Return the accepted events of one profile in arrival order (SPEC 3)."""
        key = (space_id(space), pid)
        return [e for e in self.log if (e.space, e.profile_id) == key]

    def _view(self, space: str, pid: str, args: CutArgs) -> View | None:
        """Cut first, then place what is left into lives anew (SPEC 6)."""
        cut = Cut(self.updates, **args)
        lives = place(in_scope(self._stream(space, pid), cut))
        if not lives or (cut.life is not None and max(lives) != cut.life):
            return None
        return View(space_id(space), pid, cut.told(), lives)


def whole(view: View | None) -> dict[str, Any]:
    """Return the document of one side, empty when nothing is in scope (SPEC 7)."""
    return document(view.state) if view else {}
