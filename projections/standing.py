"""How a profile stands at some time, kept so that later events can be put on top."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import msgspec

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.events import DevicesUpdated, ProfileCreated, RecordedEvent
from profilestore.domain.json_values import read_json, write_sorted_json
from profilestore.domain.profile import Profile
from profilestore.domain.source_order import by_revision, by_time
from profilestore.domain.timestamps import to_microseconds

from .completeness import Clashes, Completeness, Ranges, completeness, gaps_and_clashes
from .condition import Condition, Push
from .state import State, Status, evolve, fold


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The current life of a profile, folded: all there is until a time.

    It holds what the current profile is made of, and what tells whether more events
    simply come after: `until`, the latest time, and `largest`, the largest revision.
    Times are microseconds since 1970-01-01T00:00:00Z.
    """

    life: int
    status: Status
    data: dict[str, Any] | None
    devices: dict[str, dict[str, Any]] | None
    created_at: int | None
    account_id: int | None
    account_of_devices: bool
    revision: int | None
    etag: str | None
    event_id: str | None
    updated_at: int | None
    create_seen: bool
    missing: Ranges
    clashes: Clashes
    until: int
    largest: int

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Fold the current life of a profile."""
        life = profile.life
        last = life.lifecycle[-1].event if life.lifecycle else None
        account_id = _account_id(life.lifecycle)
        of_devices = account_id is None
        state = fold(life.events(), profile.cut.updates)
        seen = completeness(life)
        return cls(
            life=life.number,
            status=state.status or Status.UNKNOWN,
            data=state.data,
            devices=state.devices,
            created_at=_microseconds(life.create),
            account_id=_account_id(life.devices) if of_devices else account_id,
            account_of_devices=of_devices,
            revision=last.revision if last else None,
            etag=last.content.etag if last else None,
            event_id=last.event_id if last else None,
            updated_at=_microseconds(life.lifecycle[-1]) if last else None,
            create_seen=seen.create_seen,
            missing=seen.missing_revisions,
            clashes=[(clash.revision, clash.event_ids) for clash in seen.clashes],
            until=max(map(_microseconds, profile.events)),
            largest=max((r.event.revision for r in life.lifecycle), default=-1),
        )

    @property
    def completeness(self) -> Completeness:
        """What of the life was seen."""
        return Completeness.of(self.missing, self.clashes, create_seen=self.create_seen)

    @property
    def complete(self) -> bool:
        """Whether all of the life was seen, and nothing twice."""
        return self.create_seen and not self.missing and not self.clashes

    @property
    def condition(self) -> Condition:
        """What lists and counts ask of it."""
        return Condition(self.status, Push.of(self.devices), self.complete)

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
            or _microseconds(later[0]) <= self.until
            or (lifecycle and lifecycle[0].event.revision <= self.largest)
        ):
            return None
        until = msgspec.structs.replace(self, until=_microseconds(later[-1]))
        return _with_lifecycle(_with_devices(until, devices), lifecycle, updates)

    def to_json(self) -> bytes:
        """Write it down in one form, members in order of name; `from_json` reads it."""
        return write_sorted_json(self)

    @classmethod
    def from_json(cls, text: bytes) -> "Standing":
        """Read what `to_json` wrote."""
        try:
            return _decode(text)
        except msgspec.ValidationError:  # it has a number that only Decimal holds
            return msgspec.convert(read_json(text), Standing)


_decode = msgspec.json.Decoder(Standing).decode


def _microseconds(recorded: RecordedEvent | None) -> Any:
    return recorded and to_microseconds(recorded.event.occurred_at)


def _account_id(events: Sequence[RecordedEvent]) -> int | None:
    """Take the last account id there is: not every delivery carries one."""
    ids = (recorded.event.content.account_id for recorded in reversed(events))
    return next((id_ for id_ in ids if id_ is not None), None)


def _with_devices(standing: Standing, devices: list[RecordedEvent]) -> Standing:
    if not devices:
        return standing
    account_id = _account_id(devices) if standing.account_of_devices else None
    last = evolve(State(standing.status), devices[-1].event, UpdatePolicy.MERGE)
    return msgspec.structs.replace(
        standing,
        devices=last.devices,
        account_id=standing.account_id if account_id is None else account_id,
    )


def _with_lifecycle(
    standing: Standing, lifecycle: list[RecordedEvent], updates: UpdatePolicy
) -> Standing:
    if not lifecycle:
        return standing
    state = State(standing.status, standing.data)
    for recorded in lifecycle:
        state = evolve(state, recorded.event, updates)
    last = lifecycle[-1].event
    account_id = _account_id(lifecycle)
    # The largest revision so far stands for all before it: nothing is missing there.
    before = [] if standing.largest < 0 else [(standing.largest, "")]
    seen = [(r.event.revision, r.event.event_id) for r in lifecycle]
    missing, clashes = gaps_and_clashes([*before, *seen])
    return msgspec.structs.replace(
        standing,
        status=state.status,
        data=state.data,
        account_id=standing.account_id if account_id is None else account_id,
        account_of_devices=standing.account_of_devices and account_id is None,
        revision=last.revision,
        etag=last.content.etag,
        event_id=last.event_id,
        updated_at=_microseconds(lifecycle[-1]),
        missing=[*standing.missing, *missing],
        clashes=[*standing.clashes, *clashes],
        largest=last.revision,
    )
