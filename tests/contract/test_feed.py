"""The log by position: page by page and live, of all API spaces or of one."""

from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from profilestore import InvalidArgumentError, ProfileStore
from profilestore.infrastructure.log import feed
from tests.simple_events import event

OTHER = str(uuid4())


def fill(store: ProfileStore, events: int = 60) -> None:
    """Append events of two API spaces, two of three in the first."""
    for number in range(events):
        space = {"apiSpaceId": OTHER} if number % 3 == 0 else {}
        store.append([event(number, f"p{number % 7}", **space)])


def read(store: ProfileStore, partition: int, limit: int, **space: Any) -> list[int]:
    """Read a partition to its end, page by page."""
    positions: list[int] = []
    after = -1
    page = store.feed(partition=partition, limit=limit, **space)
    while page.position != after:
        positions += [recorded.position for recorded in page.events]
        after = page.position
        page = store.feed(partition=partition, after=after, limit=limit, **space)
    return positions


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_of_any_size_give_every_position_once_in_order(
    store: ProfileStore, limit: int
) -> None:
    fill(store)

    counts = [len(read(store, p, limit)) for p in range(store.partitions)]
    assert sum(counts) == 60
    for partition, count in enumerate(counts):
        assert read(store, partition, limit) == list(range(1, count + 1))


def test_what_is_read_is_what_was_appended(store: ProfileStore) -> None:
    fill(store)

    for partition in range(store.partitions):
        for recorded in store.feed(partition=partition).events:
            key = recorded.event.profile
            assert recorded in store.profile(*key).events
            assert recorded.event.content.payload["id"] == key.profile_id


@pytest.mark.parametrize("scanned", [1, 4, 20_000])
def test_of_one_api_space_nothing_of_another_is_read(
    store: ProfileStore, scanned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when pages end before they are full, for they look at some positions only."""
    monkeypatch.setattr(feed, "SCANNED", scanned)
    fill(store)

    of_other = {
        (partition, position)
        for partition in range(store.partitions)
        for position in read(store, partition, 5, api_space_id=OTHER.upper())
    }
    expected = {
        (partition, position)
        for partition in range(store.partitions)
        for position in read(store, partition, 500)
        for recorded in store.feed(partition=partition, after=position - 1).events[:1]
        if recorded.event.profile.api_space_id == OTHER
    }
    assert len(expected) == 20
    assert of_other == expected


def test_a_follower_sees_what_was_there_and_what_comes(store: ProfileStore) -> None:
    fill(store, 10)
    stop = Event()
    seen: list[tuple[int, int]] = []

    def follow(partition: int) -> None:
        seen.extend(
            (partition, recorded.position)
            for recorded in store.follow(partition=partition, stop=stop)
        )

    followers = [Thread(target=follow, args=(p,)) for p in range(store.partitions)]
    for follower in followers:
        follower.start()
    for number in range(10, 60):
        store.append([event(number, f"p{number % 7}")])
    expected = {
        (partition, position)
        for partition in range(store.partitions)
        for position in read(store, partition, 500)
    }
    while len(seen) < len(expected):
        stop.wait(0.01)
    stop.set()
    for follower in followers:
        follower.join()

    assert len(seen) == len(expected) == 60
    assert set(seen) == expected
    for partition in range(store.partitions):
        of_it = [position for p, position in seen if p == partition]
        assert of_it == sorted(of_it)


@pytest.mark.parametrize(
    "bad",
    [
        {"partition": 99},
        {"partition": -1},
        {"after": -1},
        {"limit": 0},
        {"limit": 10**9},
    ],
)
def test_a_page_out_of_bounds_is_refused(
    store: ProfileStore, bad: dict[str, int]
) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(bad))):
        store.feed(**bad)  # type: ignore[arg-type]
