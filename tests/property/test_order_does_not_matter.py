"""Arrival order, batching and duplication never change an answer (SPEC section 4)."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore import (
    Profile,
    ProfileStore,
    blame,
    current_profile,
    deletion_status,
    device_push,
    history,
)
from profilestore.domain.json_values import write_json
from profilestore.projections.answer import Answer
from tests.histories import Envelope, as_json, deliveries_of, feeds
from tests.oracle import Oracle
from tests.oracle_answers import json_equal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS: dict[str, Callable[[Profile], Answer]] = {
    "current": current_profile,
    "deletion": deletion_status,
    "devices": device_push,
    "history": history,
    "blame": blame,
}
OF_ARRIVAL = ("position", "version", "recordedAt", "late")


def told(store: ProfileStore, oracle: Oracle, updates: str) -> dict[str, bytes]:
    """All answers about all profiles, without what may depend on arrival."""
    answers = {}
    for space, profile_id in oracle.profiles():
        profile = store.profile(space, profile_id, updates=updates)
        for name, project in ANSWERS.items():
            document = project(profile).document()
            without(document, OF_ARRIVAL)
            answers[f"{name} {space} {profile_id}"] = write_json(document)
    return answers


def without(answer: dict[str, Any], members: Iterable[str]) -> None:
    """Take members out of the events, or blamed fields, of an answer."""
    for event in (*answer.get("events", ()), *answer.get("fields", {}).values()):
        for member in members:
            event.pop(member, None)


def oracle_of(events: list[Envelope], updates: str) -> Oracle:
    oracle = Oracle(updates)
    for event in events:
        oracle.receive(event, NOW)
    return oracle


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Envelope], list[list[Envelope]]]:
    events = draw(feeds())
    return events, draw(deliveries_of(events))


@settings(max_examples=300)
@given(arrivals(), st.sampled_from(["merge", "replace"]))
def test_any_order_batching_and_duplication_gives_the_same_bytes(
    arrival: tuple[list[Envelope], list[list[Envelope]]], updates: str
) -> None:
    events, deliveries = arrival
    oracle = oracle_of(events, updates)
    with ProfileStore.open("sqlite://") as plain, ProfileStore.open("sqlite://") as odd:
        assert plain.append(as_json(events)).accepted == len(events)
        accepted = sum(odd.append(as_json(batch)).accepted for batch in deliveries)

        assert accepted == len(events)
        assert told(odd, oracle, updates) == told(plain, oracle, updates)


@settings(max_examples=1000)
@given(arrivals(), st.sampled_from(["merge", "replace"]))
def test_answers_equal_the_naive_fold(
    arrival: tuple[list[Envelope], list[list[Envelope]]], updates: str
) -> None:
    _events, deliveries = arrival
    oracle = Oracle(updates)
    with ProfileStore.open("sqlite://") as store:
        for batch in deliveries:
            outcomes = [oracle.receive(event, NOW) for event in batch]
            receipt = store.append(as_json(batch))
            assert receipt.accepted == outcomes.count("accepted")
            assert receipt.duplicate == outcomes.count("duplicate")
        for space, profile_id in oracle.profiles():
            profile = store.profile(space, profile_id, updates=updates)
            for name, project in ANSWERS.items():
                got = msgspec.json.decode(project(profile).to_json())
                expected = getattr(oracle, name)(space, profile_id)
                without(expected, ["recordedAt"])
                without(got, ["recordedAt"])
                differ = {
                    k
                    for k in expected | got
                    if not json_equal(expected.get(k), got.get(k))
                }
                assert not differ, {k: (got.get(k), expected.get(k)) for k in differ}
