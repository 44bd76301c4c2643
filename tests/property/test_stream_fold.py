"""Streams folded from columns are what the aggregate's own folds make of them."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.envelope import read_event
from profilestore.domain.events import ProfileEvent, RecordedEvent
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import to_microseconds
from profilestore.projections.current import current_from, current_profile
from profilestore.projections.spans import spans_of
from profilestore.projections.standing import Standing
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Row
from tests.histories import as_json, histories

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(recorded: RecordedEvent) -> Row:
    event = recorded.event
    return Row(
        to_microseconds(event.occurred_at),
        int(KINDS[event.name]),
        event.revision,
        event.event_id.encode(),
        event.text,
        b"",
    )


@settings(max_examples=500)
@given(histories(max_events=25), st.sampled_from(UpdatePolicy), st.randoms())
def test_standing_and_spans_are_those_of_the_aggregate(
    envelopes: list[dict[str, Any]], updates: UpdatePolicy, chance: Any
) -> None:
    chance.shuffle(envelopes)
    recorded = []
    for version, envelope in enumerate(envelopes, 1):
        event = read_event(as_json(envelope))
        assert isinstance(event, ProfileEvent)
        recorded.append(RecordedEvent(event, version, version, NOW))
    profile = Profile.project(None, recorded)
    if profile is None:
        return
    cut = Cut(updates=updates)
    profile = profile.at(cut)

    folded = fold_stream(profile.key.profile_id, [*map(row, recorded)], updates)

    kept = Standing.from_json(folded.standing.to_json())
    answer = current_from(profile.key, cut, kept)
    assert answer.to_json() == current_profile(profile).to_json()
    assert kept.to_json() == Standing.of(profile).to_json()
    assert folded.spans == spans_of(profile)
