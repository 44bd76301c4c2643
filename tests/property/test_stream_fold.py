"""Streams folded from columns are what the aggregate's own folds make of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.envelope import read_event
from profilestore.domain.events import ProfileEvent, RecordedEvent
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import to_microseconds
from profilestore.projections.current import current_from, current_profile
from profilestore.projections.orderly_fold import NOTHING, fold_orderly
from profilestore.projections.spans import spans_of
from profilestore.projections.standing import Standing
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Row
from tests.histories import (
    BASE,
    CREATE,
    DELETE,
    DEVICES,
    MICRO,
    UPDATE,
    as_json,
    as_time,
    histories,
)
from tests.simple_events import SPACE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(one: RecordedEvent) -> Row:
    event = one.event
    return Row(
        to_microseconds(event.occurred_at),
        int(KINDS[event.name]),
        event.revision,
        event.text,
        b"",
    )


def recorded(envelopes: list[dict[str, Any]]) -> list[RecordedEvent]:
    events = [read_event(as_json(envelope)) for envelope in envelopes]
    return [
        RecordedEvent(event, version, version, NOW)
        for version, event in enumerate(events, 1)
        if isinstance(event, ProfileEvent)
    ]


@st.composite
def orderly(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a create and updates without a gap, sometimes with one event of another kind.

    Times never go back, but may stand still.
    """
    told = [CREATE, *[UPDATE] * draw(st.integers(0, 7))]
    if draw(st.booleans()):
        other = draw(st.sampled_from([CREATE, DELETE, DEVICES]))
        told.insert(draw(st.integers(0, len(told))), other)
    first = draw(st.integers(0, 3))
    drawn = draw(histories(told=told))
    moment = BASE
    for revision, envelope in enumerate(drawn, first):
        moment += draw(st.sampled_from([timedelta(), MICRO, timedelta(days=1)]))
        for name in ("timestamp", "publishedOn"):
            if name in envelope:
                envelope[name] = as_time(moment, 0, 6)
        if envelope["name"] != DEVICES:
            envelope["revision"] = revision
    return drawn


@settings(max_examples=500)
@given(
    histories(max_events=25) | orderly(), st.sampled_from(UpdatePolicy), st.randoms()
)
def test_standing_and_spans_are_those_of_the_aggregate(
    envelopes: list[dict[str, Any]], updates: UpdatePolicy, chance: Any
) -> None:
    chance.shuffle(envelopes)
    events = recorded(envelopes)
    profile = Profile.project(None, events)
    if profile is None:
        return
    cut = Cut(updates=updates)
    profile = profile.at(cut)

    folded = fold_stream(profile.key.profile_id, [*map(row, events)], updates)

    kept = Standing.from_json(folded.standing.to_json())
    answer = current_from(profile.key, cut, kept)
    assert answer.to_json() == current_profile(profile).to_json()
    assert kept.to_json() == Standing.of(profile).to_json()
    assert folded.spans == spans_of(profile)


@settings(max_examples=300)
@given(
    histories(max_events=12) | orderly(),
    st.sampled_from(UpdatePolicy),
    st.integers(0, 12),
)
def test_later_events_put_on_top_come_to_a_fold_of_all(
    envelopes: list[dict[str, Any]], updates: UpdatePolicy, size: int
) -> None:
    rows = sorted(map(row, recorded(envelopes)))
    first, later = rows[:size], rows[size:]
    if not first or not later:
        return
    before = fold_stream("joe", first, updates)
    base = Standing.from_json(before.standing.to_json())

    on_top = fold_orderly(base, before.spans[-1:], "joe", later, updates)

    if on_top is not None:
        all_at_once = fold_stream("joe", rows, updates)
        assert on_top.standing.to_json() == all_at_once.standing.to_json()
        assert before.spans[:-1] + on_top.spans == all_at_once.spans


@given(orderly(), st.sampled_from(UpdatePolicy))
def test_events_in_order_of_time_and_revision_are_never_folded_as_if_they_were_not(
    envelopes: list[dict[str, Any]], updates: UpdatePolicy
) -> None:
    rows = sorted(map(row, recorded(envelopes)))
    names = [envelope["name"] for envelope in envelopes]
    stands_still = len({one[0] for one in rows}) < len(rows)
    if CREATE in names[1:] or stands_still:
        return

    assert fold_orderly(NOTHING, [], "joe", rows, updates) is not None


ODD = [
    (b'"eventId": "1"', b'"eventId": 5, "eventId": "1"'),
    (b'"eventId": "1"', b'"eventId": null, "eventId": "1"'),
    (b'"etag": "a"', b'"etag": "a", "eTag": 5'),
    (b'"etag": "a"', b'"etag": 1e999, "etag": "a"'),
    (b'"etag": "a"', b'"etag": null, "eTag": {}'),
    (b'"n": 0', b'"n": 1e999'),
    (b'"n": 0', b'"n": 1%b' % (b"0" * 5000)),
    (b'"n": 0', b'"n": 0, "etag": 5, "eventId": 6'),
]


@pytest.mark.parametrize("second", [2, 4])
@pytest.mark.parametrize(("usual", "odd"), ODD)
def test_what_is_odd_and_accepted_is_folded(
    usual: bytes, odd: bytes, second: int
) -> None:
    envelopes = [
        {
            "eventId": str(number + 1),
            "apiSpaceId": SPACE,
            "name": UPDATE,
            "payload": {"id": "joe", "n": number},
            "revision": number,
            "etag": "a",
            "timestamp": f"2026-05-0{day}T00:00:00Z",
        }
        for number, day in enumerate([3, second])
    ]
    text = json.dumps(envelopes[0]).encode()
    assert usual in text
    events = [read_event(text.replace(usual, odd)), read_event(as_json(envelopes[1]))]
    recorded = [
        RecordedEvent(one, n, n, NOW)
        for n, one in enumerate(events, 1)
        if isinstance(one, ProfileEvent)
    ]
    profile = Profile.project(None, recorded)
    assert profile is not None
    assert len(recorded) == 2

    for some in (recorded, recorded[:1]):
        folded = fold_stream("joe", [*map(row, some)], UpdatePolicy.MERGE)
        wanted = Standing.of(replace(profile, events=tuple(some)))
        assert folded.standing.to_json() == wanted.to_json()


@pytest.mark.parametrize("ids", ["ab", "ba"])
def test_of_device_events_with_one_time_and_revision_that_of_the_larger_id_is_last(
    ids: str,
) -> None:
    classes = {"a": "tablet", "b": "mobile"}  # in order of text the other is last
    rows = [
        Row(
            occurred_at=5,
            kind=int(KINDS[DEVICES]),
            revision=1,
            text=as_json(
                {
                    "payload": {
                        "devices": {classes[id_]: {"count": 1, "pushEnabled": 1}}
                    },
                    "eventId": id_,
                }
            ),
            stream_id=b"",
        )
        for id_ in ids
    ]

    folded = fold_stream("joe", rows, UpdatePolicy.MERGE)

    assert folded.standing.devices is not None
    assert list(folded.standing.devices) == ["mobile"]
