"""Every cut of every history is the naive fold of what the cut leaves (SPEC section 6)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore import (
    Profile,
    ProfileNotFoundError,
    ProfileStore,
    diff,
    explain,
    history,
)
from profilestore.projections.answer import View
from tests.histories import BASE, MICRO, STEPS, as_json, deliveries_of, histories
from tests.oracle import Oracle
from tests.oracle_answers import json_equal
from tests.property.test_order_does_not_matter import ANSWERS, NOW, without

instants = st.builds(
    lambda step, off: BASE + step + off,
    st.sampled_from(STEPS),
    st.sampled_from([timedelta(), MICRO, -MICRO]),
)
cuts = st.fixed_dictionaries(
    {"updates": st.sampled_from(["merge", "replace"])},
    optional={
        "valid_at": instants,
        "known_at": st.integers(0, 26),
        "at_revision": st.integers(0, 8),
        "life": st.integers(0, 3),
    },
)


@st.composite
def stored(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    return draw(deliveries_of(draw(histories())))


def fill(store: ProfileStore, deliveries: list[list[dict[str, Any]]]) -> Oracle:
    oracle = Oracle()
    for batch in deliveries:
        for event in batch:
            oracle.receive(event, NOW)
        store.append(as_json(batch))
    return oracle


def differences(got: View | None, expected: dict[str, Any] | None) -> dict[str, Any]:
    """What differs between an answer and the oracle's, clocks left out."""
    told = msgspec.json.decode(got.to_json()) if got else {}
    wanted = expected or {}
    for answer in (told, wanted):
        without(answer, ["recordedAt"])
    return {
        name: (told.get(name), wanted.get(name))
        for name in told | wanted
        if not json_equal(told.get(name), wanted.get(name))
    }


@settings(max_examples=500)
@given(stored(), st.lists(cuts, min_size=1, max_size=4))
def test_every_answer_at_every_cut(
    deliveries: list[list[dict[str, Any]]], asked: list[dict[str, Any]]
) -> None:
    with ProfileStore.open("sqlite://") as store:
        oracle = fill(store, deliveries)
        for space, profile_id in oracle.profiles():
            for cut in asked:
                profile: Profile | None
                try:
                    profile = store.profile(space, profile_id, **cut)
                except ProfileNotFoundError:
                    profile = None
                for name, project in ANSWERS.items():
                    answer = project(profile) if profile else None
                    expected = getattr(oracle, name)(space, profile_id, **cut)
                    assert not differences(answer, expected), (name, cut)


@settings(max_examples=300)
@given(stored(), instants, instants, st.integers(0, 26), st.integers(0, 26))
def test_diff_and_explain(
    deliveries: list[list[dict[str, Any]]],
    earlier: datetime,
    later: datetime,
    known: int,
    known_later: int,
) -> None:
    known, known_later = sorted((known, known_later))
    with ProfileStore.open("sqlite://") as store:
        oracle = fill(store, deliveries)
        for key in oracle.profiles():
            profile = store.profile(*key)
            for ends, expected in (
                (
                    ({"valid_at": earlier}, {"valid_at": later}),
                    oracle.diff(*key, from_=earlier, to=later),
                ),
                (
                    ({"known_at": known}, {"known_at": known_later}),
                    oracle.diff(*key, known_from=known, known_to=known_later),
                ),
            ):
                from_, to = (replace(profile.cut, **end) for end in ends)
                try:
                    answer: View | None = diff(profile, from_, to)
                except ProfileNotFoundError:
                    answer = None
                assert not differences(answer, expected)
            try:
                explained = explain(profile, known_from=known, known_to=known_later)
            except ProfileNotFoundError:
                explained = None
            expected = oracle.explain(*key, known_from=known, known_to=known_later)
            assert not differences(explained, expected)
            if explained:
                between = [
                    r for r in profile.events if known < r.position <= known_later
                ]
                assert len(explained.events) == len(between)


def apply(document: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Do to a document what changes say, by pointer."""
    document = msgspec.json.decode(msgspec.json.encode(document))
    for change in changes:
        *path, last = [
            part.replace("~1", "/").replace("~0", "~")
            for part in change["path"].split("/")[1:]
        ]
        place = document
        for part in path:
            place = place[part]
        if change["op"] == "remove":
            del place[last]
        else:
            place[last] = change["value"]
    return document


@settings(max_examples=300)
@given(stored())
def test_folding_the_changes_of_a_history_gives_the_current_document(
    deliveries: list[list[dict[str, Any]]],
) -> None:
    with ProfileStore.open("sqlite://") as store:
        for key in fill(store, deliveries).profiles():
            profile = store.profile(*key)
            document: dict[str, Any] = {}
            for event in history(profile).document()["events"]:
                document = apply(document, event["changes"])
            current = ANSWERS["current"](profile).document()
            devices = ANSWERS["devices"](profile).document()

            assert document["status"] == current["status"]
            assert json_equal(document.get("data"), current["data"])
            assert json_equal(document.get("devices", {}), devices["devices"])
