"""Which event set each member of the data (SPEC section 7)."""

from typing import Any

from profilestore.domain.events import RecordedEvent
from profilestore.domain.json_values import json_equal, sort_members
from profilestore.domain.profile import Profile

from .answer import Answer, Time, View
from .state import State, evolve


class Blamed(View):
    """A member of the data and the event that last made it what it is."""

    value: Any
    event_id: str
    revision: int
    occurred_at: Time
    recorded_at: Time


class Blame(Answer):
    """For each top-level member of the data, where its value comes from."""

    fields: dict[str, Blamed]


def blame(profile: Profile) -> Blame:
    """Find the origin of each member; setting it to an equal value does not count."""
    state, origins = State(), dict[str, RecordedEvent]()
    for recorded in profile.life.events():
        before = state.data or {}
        state = evolve(state, recorded.event, profile.cut.updates)
        after = state.data or {}
        origins = {
            name: origins[name]
            if name in before and _same(before[name], value)
            else recorded
            for name, value in after.items()
        }
    return Blame.about(
        profile,
        fields={
            name: Blamed(
                value=value,
                event_id=origins[name].event.event_id,
                revision=origins[name].event.revision,
                occurred_at=origins[name].event.occurred_at,
                recorded_at=origins[name].recorded_at,
            )
            for name, value in sort_members(state.data or {}).items()
        },
    )


def _same(before: Any, after: Any) -> bool:
    return before is after or json_equal(before, after)
