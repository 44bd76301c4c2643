"""How a profile stands at some time, kept so that later events can be put on top."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Self

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.events import DevicesUpdated, ProfileCreated, RecordedEvent
from profilestore.domain.json_values import read_json, write_json
from profilestore.domain.profile import Profile
from profilestore.domain.source_order import by_revision, by_time
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .completeness import Clash, Completeness, completeness
from .state import State, Status, evolve, fold

FOLD = 1
"""The version of the folds a standing is made by: another one makes it void."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The current life of a profile, folded: all there is until a time.

    It holds what the current profile is made of, and what tells whether more events
    simply come after: `until`, the latest time, and `largest`, the largest revision.
    """

    life: int
    state: State
    created_at: datetime | None
    account_id: int | None
    account_of_devices: bool
    revision: int | None
    etag: str | None
    event_id: str | None
    updated_at: datetime | None
    completeness: Completeness
    until: datetime
    largest: int

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Fold the current life of a profile."""
        life = profile.life
        last = life.lifecycle[-1].event if life.lifecycle else None
        account_id = _account_id(life.lifecycle)
        of_devices = account_id is None
        return cls(
            life=life.number,
            state=fold(life.events(), profile.cut.updates),
            created_at=life.create.event.occurred_at if life.create else None,
            account_id=_account_id(life.devices) if of_devices else account_id,
            account_of_devices=of_devices,
            revision=last.revision if last else None,
            etag=last.content.etag if last else None,
            event_id=last.event_id if last else None,
            updated_at=last.occurred_at if last else None,
            completeness=completeness(life),
            until=max(recorded.event.occurred_at for recorded in profile.events),
            largest=max((r.event.revision for r in life.lifecycle), default=-1),
        )

    def extended(
        self, events: Iterable[RecordedEvent], updates: UpdatePolicy
    ) -> "Standing | None":
        """Put later events on top; None where they do not simply come after.

        They do if they begin no life, are all later than `until`, and the lifecycle
        events have larger revisions: then their places in source order are at the end.
        """
        later = sorted(events, key=by_time)
        if not later:
            return self
        devices = [r for r in later if isinstance(r.event, DevicesUpdated)]
        lifecycle = [r for r in later if not isinstance(r.event, DevicesUpdated)]
        lifecycle.sort(key=by_revision)
        if (
            any(isinstance(r.event, ProfileCreated) for r in lifecycle)
            or later[0].event.occurred_at <= self.until
            or (lifecycle and lifecycle[0].event.revision <= self.largest)
        ):
            return None
        until = replace(self, until=later[-1].event.occurred_at)
        return _with_lifecycle(_with_devices(until, devices), lifecycle, updates)

    def to_json(self) -> bytes:
        """Write it down; `from_json` reads it again."""
        times = {name: getattr(self, name) for name in _TIMES}
        return write_json(
            {name: getattr(self, name) for name in _PLAIN}
            | {name: time and to_microseconds(time) for name, time in times.items()}
            | {
                "status": self.state.status,
                "data": self.state.data,
                "devices": self.state.devices,
                "missing": self.completeness.missing_revisions,
                "clashes": [
                    [clash.revision, clash.event_ids]
                    for clash in self.completeness.clashes
                ],
                "create_seen": self.completeness.create_seen,
            }
        )

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote."""
        body: dict[str, Any] = read_json(text)
        missing = [(a, b) for a, b in body["missing"]]
        clashes = [Clash(revision=r, event_ids=ids) for r, ids in body["clashes"]]
        times: dict[str, Any] = {
            name: None if body[name] is None else from_microseconds(body[name])
            for name in _TIMES
        }
        return cls(
            **{name: body[name] for name in _PLAIN},
            **times,
            state=State(Status(body["status"]), body["data"], body["devices"]),
            completeness=Completeness(
                complete=body["create_seen"] and not missing and not clashes,
                create_seen=body["create_seen"],
                missing_revisions=missing,
                clashes=clashes,
            ),
        )


_TIMES = ("created_at", "updated_at", "until")
_PLAIN = (
    "life",
    "account_id",
    "account_of_devices",
    "revision",
    "etag",
    "event_id",
    "largest",
)


def _account_id(events: Iterable[RecordedEvent]) -> int | None:
    """Take the last account id there is: not every delivery carries one."""
    ids = (recorded.event.content.account_id for recorded in reversed([*events]))
    return next((id_ for id_ in ids if id_ is not None), None)


def _with_devices(standing: Standing, devices: list[RecordedEvent]) -> Standing:
    if not devices:
        return standing
    account_id = _account_id(devices) if standing.account_of_devices else None
    return replace(
        standing,
        state=evolve(standing.state, devices[-1].event, UpdatePolicy.MERGE),
        account_id=standing.account_id if account_id is None else account_id,
    )


def _with_lifecycle(
    standing: Standing, lifecycle: list[RecordedEvent], updates: UpdatePolicy
) -> Standing:
    if not lifecycle:
        return standing
    state = standing.state
    for recorded in lifecycle:
        state = evolve(state, recorded.event, updates)
    last = lifecycle[-1].event
    account_id = _account_id(lifecycle)
    return replace(
        standing,
        state=state,
        account_id=standing.account_id if account_id is None else account_id,
        account_of_devices=standing.account_of_devices and account_id is None,
        revision=last.revision,
        etag=last.content.etag,
        event_id=last.event_id,
        updated_at=last.occurred_at,
        completeness=_completeness_with(standing, lifecycle),
        largest=last.revision,
    )


def _completeness_with(
    standing: Standing, lifecycle: list[RecordedEvent]
) -> Completeness:
    claims: dict[int, list[str]] = {}
    for recorded in lifecycle:
        event = recorded.event
        claims.setdefault(event.revision, []).append(event.event_id)
    first = next(iter(claims)) if standing.largest < 0 else standing.largest
    known = standing.completeness
    missing = [
        *known.missing_revisions,
        *((a + 1, b - 1) for a, b in pairwise([first, *claims]) if b - a > 1),
    ]
    clashes = [
        *known.clashes,
        *(Clash(revision=r, event_ids=i) for r, i in claims.items() if len(i) > 1),
    ]
    return Completeness(
        complete=known.create_seen and not missing and not clashes,
        create_seen=known.create_seen,
        missing_revisions=missing,
        clashes=clashes,
    )
