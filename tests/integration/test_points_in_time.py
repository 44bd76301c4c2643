"""Two clocks: what was true then, and what was known then (SPEC section 6)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time

from profilestore import (
    InvalidArgumentError,
    ProfileNotFoundError,
    ProfileStore,
    current_profile,
    diff,
    explain,
    history,
)

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


def event(revision: int, at: datetime, **members: Any) -> dict[str, Any]:
    return {
        "eventId": f"e{revision}",
        "apiSpaceId": SPACE,
        "name": "profile.update" if revision else "profile.create",
        "payload": {"id": "joe", "n": revision},
        "revision": revision,
        "timestamp": at.isoformat(),
    } | members


def n_of(store: ProfileStore, **cut: Any) -> int:
    return (current_profile(store.profile(SPACE, "joe", **cut)).data or {})["n"]


def test_valid_at_is_inclusive_to_the_microsecond(store: ProfileStore) -> None:
    store.append([event(0, NOON - timedelta(days=1)), event(1, NOON)])

    assert n_of(store, valid_at=NOON - MICRO) == 0
    assert n_of(store, valid_at=NOON) == 1
    assert n_of(store, valid_at=NOON + MICRO) == 1


def test_events_at_the_same_time_are_in_or_out_together(store: ProfileStore) -> None:
    store.append([event(1, NOON), event(0, NOON), event(2, NOON)])

    assert n_of(store, valid_at=NOON) == 2
    with pytest.raises(ProfileNotFoundError):
        n_of(store, valid_at=NOON - MICRO)


@pytest.mark.parametrize("hours", [-11, 0, 5.75, 14])
def test_an_instant_is_the_same_in_every_offset(
    store: ProfileStore, hours: float
) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=hours)))
    store.append([event(0, NOON - timedelta(days=1)), event(1, elsewhere)])

    profile = store.profile(SPACE, "joe", valid_at=elsewhere)
    answer = current_profile(profile).document()
    assert answer["data"]["n"] == 1
    assert answer["cut"]["validAt"] == "2026-05-03T12:00:00.000Z"
    assert n_of(store, valid_at=elsewhere - MICRO) == 0


def test_the_hour_that_comes_twice_is_two_hours(store: ProfileStore) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    store.append([event(0, first.astimezone(UTC)), event(1, second.astimezone(UTC))])

    assert n_of(store, valid_at=first) == 0
    assert n_of(store, valid_at=second) == 1


def test_a_naive_time_is_refused(store: ProfileStore) -> None:
    naive = NOON.replace(tzinfo=None)
    for cut in ({"valid_at": naive}, {"known_at": naive}):
        with pytest.raises(InvalidArgumentError, match="has no offset"):
            store.profile(SPACE, "joe", **cut)


def test_what_was_true_and_what_was_known_are_two_questions(
    store: ProfileStore,
) -> None:
    """An update of the morning is known in the evening only."""
    with freeze_time(NOON) as clock:
        store.append([event(0, NOON - timedelta(days=1)), event(2, NOON)])
        asked = NOON + timedelta(hours=1)
        clock.move_to(NOON + timedelta(hours=8))
        morning = NOON - timedelta(hours=3)
        store.append([event(1, morning, payload={"id": "joe", "n": 1, "late": True})])

    def late(**cut: Any) -> bool:
        return "late" in (
            current_profile(store.profile(SPACE, "joe", **cut)).data or {}
        )

    assert not late(valid_at=morning, known_at=asked)
    assert late(valid_at=morning)
    assert not late(known_at=asked)
    assert not late(known_at=2)
    assert late(known_at=3)

    profile = store.profile(SPACE, "joe")
    (reason,) = explain(profile, known_from=asked, known_to=3).events
    assert reason.event_id == "e1"
    assert [(c.op, c.path) for c in reason.changes] == [("add", "/data/late")]
    assert [e.late for e in history(profile).events] == [False, True, False]
    whole = profile.cut
    from_, to = (type(whole)(known_at=asked), type(whole)())
    assert [c.path for c in diff(profile, from_, to).changes] == ["/data/late"]


def test_known_at_is_inclusive_to_the_microsecond(store: ProfileStore) -> None:
    with freeze_time(NOON):
        store.append([event(0, NOON)])

    assert n_of(store, known_at=NOON) == 0
    with pytest.raises(ProfileNotFoundError, match="known_at"):
        n_of(store, known_at=NOON - MICRO)
    with pytest.raises(ProfileNotFoundError, match="known_at 0"):
        n_of(store, known_at=0)


def test_at_revision_and_life_choose_in_a_profile_of_several_lives(
    store: ProfileStore,
) -> None:
    hour = timedelta(hours=1)
    store.append(
        [
            event(0, NOON),
            event(1, NOON + hour),
            event(2, NOON + 2 * hour, name="profile.delete", payload={"id": "joe"}),
            event(0, NOON + 3 * hour, eventId="again", payload={"id": "joe", "n": 10}),
            event(1, NOON + 4 * hour, eventId="more", payload={"id": "joe", "n": 11}),
        ]
    )

    assert n_of(store) == 11
    assert n_of(store, at_revision=0) == 10
    assert n_of(store, life=1) == 1
    assert n_of(store, life=1, at_revision=0) == 0
    assert store.profile(SPACE, "joe", life=1).life.number == 1
    for nothing in ({"life": 0}, {"life": 3}, {"life": 2, "valid_at": NOON}):
        with pytest.raises(ProfileNotFoundError):
            n_of(store, **nothing)


def test_what_a_cut_excludes_is_never_parsed(store: ProfileStore) -> None:
    hour = timedelta(hours=1)
    store.append([event(n, NOON + n * hour) for n in range(10)])

    profile = store.profile(SPACE, "joe", valid_at=NOON + 2 * hour)
    assert len(profile.events) == 3
    current_profile(store.profile(SPACE, "joe", valid_at=NOON + 2 * hour))
    whole = store.profile(SPACE, "joe")
    current_profile(whole.at(profile.cut))
    parsed = ["content" in vars(recorded.event) for recorded in whole.events]
    assert parsed == [True] * 3 + [False] * 7
