"""What is missing, over all profiles: since when the oldest is incomplete."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from profilestore import ProfileStore, current_profile
from profilestore.domain.timestamps import to_microseconds
from profilestore.infrastructure.readmodels.gaps import NONE, Gaps
from tests.read_models import mixed
from tests.simple_events import SPACE, event

OTHER = "0b5cf1e8-af5f-43d4-a38c-034535c0a385"
PROFILES = 25


@pytest.fixture(params=["file", "file-4", "postgresql-1", "postgresql-4"])
def store(
    request: pytest.FixtureRequest, new_url: Callable[[str], str]
) -> Iterator[ProfileStore]:
    with ProfileStore.open(new_url(request.param)) as opened:
        yield opened


def gaps(store: ProfileStore) -> Gaps | None:
    store.count(SPACE)  # which catches up
    return store.vitals.gaps()


def on(day: int) -> str:
    return f"2026-05-{day:02}T00:00:00Z"


def at(day: int) -> int:
    return to_microseconds(datetime(2026, 5, day, tzinfo=UTC))


def incomplete_since(store: ProfileStore, space: str, id_: str) -> int | None:
    """Ask a profile itself at each of its times, from the last back; None if complete."""
    since = None
    every = store.profile(space, id_).events
    for time in sorted({each.event.occurred_at for each in every}, reverse=True):
        then = current_profile(store.profile(space, id_, valid_at=time))
        if then.completeness.complete:
            break
        since = to_microseconds(time)
    return since


@pytest.mark.parametrize("seed", range(3))
def test_the_oldest_gap_is_that_of_the_profiles_themselves(
    store: ProfileStore, seed: int
) -> None:
    events = mixed(200, profiles=PROFILES, seed=seed)
    for number, each in enumerate(events):
        each["apiSpaceId"] = OTHER if number % PROFILES % 3 else SPACE
    for start in range(0, len(events), 50):  # what is missing comes later, or never
        store.append(events[start : start + 50 : 2])
        gaps(store)
    store.append(events[1::6])

    found = [
        incomplete_since(store, OTHER if n % 3 else SPACE, f"p{n}")
        for n in range(PROFILES)
    ]
    missing = [since for since in found if since is not None]

    assert 0 < len(missing) < PROFILES
    assert gaps(store) == Gaps(len(missing), min(missing))


def test_a_gap_begins_where_the_profile_was_complete_last(store: ProfileStore) -> None:
    store.append([event(0, name="profile.create", timestamp=on(1))])
    assert gaps(store) == NONE
    store.append([event(1, timestamp=on(2)), event(3, timestamp=on(4))])
    store.append([event(6, timestamp=on(8))])
    assert gaps(store) == Gaps(1, at(4))

    store.append([event(2, timestamp=on(3))])
    assert gaps(store) == Gaps(1, at(8))
    store.append([event(n, timestamp=on(n + 1)) for n in (4, 5)])
    assert gaps(store) == NONE


def test_a_profile_that_was_never_complete_has_a_gap_since_its_first_event(
    store: ProfileStore,
) -> None:
    store.append([event(1, timestamp=on(2)), event(2, timestamp=on(3))])

    assert gaps(store) == Gaps(1, at(2))


def test_of_what_is_not_folded_yet_nothing_is_said(store: ProfileStore) -> None:
    assert store.vitals.gaps() is None
    store.append([event(1, timestamp=on(2))])
    assert store.vitals.gaps() is None
    assert gaps(store) == Gaps(1, at(2))
