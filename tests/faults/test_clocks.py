"""The clock of the machine jumps while events are stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from profilestore import ProfileStore
from tests.faults.sources import sources
from tests.simple_events import event, rows

HOUR = timedelta(hours=1)
JUMPS = [
    datetime(2026, 5, 3, 12, tzinfo=UTC),
    +HOUR,
    -2 * HOUR,
    +HOUR,
    datetime(2016, 12, 31, 23, 59, 59, 999999, UTC),  # before a leap second
    timedelta(microseconds=1),
    datetime(2038, 1, 19, 3, 14, 7, 999999, UTC),  # 2^31 seconds are over
    timedelta(microseconds=1),
    -HOUR,
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC),  # 2^32 seconds are over
    -HOUR,
]


@contextmanager
def jumping_clock() -> Iterator[FrozenDateTimeFactory]:
    """A clock that stands still until it is moved; how long to wait is real."""
    with freeze_time(JUMPS[0], ignore=["psycopg", "sqlalchemy", "tests"]) as clock:
        yield clock


def jump(clock: FrozenDateTimeFactory, to: datetime | timedelta) -> None:
    if isinstance(to, timedelta):
        clock.tick(to)
    else:
        clock.move_to(to)


def test_a_clock_that_jumps_changes_no_order_and_hides_no_event(
    either_url: str,
) -> None:
    """Positions are dense, times never decrease, and who follows sees every event."""
    with jumping_clock() as clock, sources(either_url) as delivering:
        for to in JUMPS:
            jump(clock, to)
            delivering.wait_for_more(5)

    query = "SELECT recorded_at FROM events ORDER BY position"
    times = [time for (time,) in rows(either_url, query)]
    assert times == sorted(times)
    assert datetime.fromtimestamp(times[0] / 1e6, UTC) == JUMPS[0]
    assert datetime.fromtimestamp(times[-1] / 1e6, UTC) == JUMPS[-2]


@pytest.mark.parametrize("remembered", [True, False])
def test_it_is_the_head_that_remembers_the_last_time(
    either_url: str, *, remembered: bool
) -> None:
    """The control of the test above: made to forget it, times do decrease."""
    with jumping_clock() as clock, ProfileStore.open(either_url) as store:
        store.append([event(1)])
        if not remembered:
            rows(either_url, "UPDATE heads SET recorded_at = 0")
        jump(clock, -HOUR)
        store.append([event(2)])

    query = "SELECT recorded_at FROM events ORDER BY position"
    (first,), (second,) = rows(either_url, query)
    assert (second >= first) == remembered
