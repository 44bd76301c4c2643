"""Real processes that make a store and append to it at once."""

from collections.abc import Callable

import pytest

from profilestore import ProfileStore
from tests.faults.appender import (
    append,
    append_deferred,
    append_unlocked,
    make,
    make_unlocked,
)
from tests.faults.processes import together
from tests.simple_events import rows


def test_processes_that_append_at_once_lose_nothing(either_url: str) -> None:
    """Half of it is the same; in a file they make the store together, too."""
    errors = together(append, *((either_url, n, 600, 20) for n in (0, 0, 600, 300)))

    assert errors == [""] * 4
    stored = rows(either_url, "SELECT position, event_id FROM events ORDER BY 1")
    assert [position for position, _ in stored] == list(range(1, 1201))
    numbers = sorted(int(bytes(event_id)[1:]) for _, event_id in stored)
    assert numbers == list(range(1200))


def test_without_the_immediate_lock_processes_lose_each_others_place(url: str) -> None:
    """The control in a file: with deferred transactions appends fail."""
    ProfileStore.open(url).close()
    errors = together(append_deferred, *((url, n, 3000, 20) for n in (0, 3000)))

    assert any("StoreBusyError" in error for error in errors)


def test_without_the_lock_of_the_head_processes_take_each_others_place(
    new_url: Callable[[str], str],
) -> None:
    """The control on PostgreSQL: who does not wait for the head, fails."""
    url = new_url("postgresql-1")
    errors = together(append_unlocked, *((url, n, 3000, 20) for n in (0, 3000)))

    assert any("duplicate key" in error for error in errors)


@pytest.mark.parametrize("partitions", [1, 8])
@pytest.mark.parametrize("engine", ["file", "postgresql"])
def test_a_store_that_six_processes_make_at_once_is_made_once(
    new_url: Callable[[str], str], engine: str, partitions: int
) -> None:
    url = new_url(engine)
    errors = together(make, *([(url, partitions)] * 6))

    assert errors == [""] * 6
    assert rows(url, "SELECT partitions FROM store") == [(partitions,)]
    made = rows(url, "SELECT partition, position FROM heads ORDER BY 1")
    assert made == [(n, 0) for n in range(partitions)]
    with ProfileStore.open(url) as store:
        assert store.partitions == partitions


@pytest.mark.parametrize("engine", ["file", "postgresql"])
def test_of_processes_that_want_other_partitions_one_is_right(
    new_url: Callable[[str], str], engine: str
) -> None:
    url = new_url(engine)
    errors = together(make, *((url, n) for n in range(1, 7)))

    ((partitions,),) = rows(url, "SELECT partitions FROM store")
    assert len(rows(url, "SELECT 1 FROM heads")) == partitions
    assert errors[partitions - 1] == ""
    said = f"InvalidArgumentError: partitions: the store has {partitions}"
    assert sum(error.startswith(said) for error in errors) == 5


def test_without_the_lock_of_the_schema_some_processes_fail_to_make_it(
    new_url: Callable[[str], str],
) -> None:
    """The control of the tests above, on PostgreSQL."""
    for _ in range(20):
        if any(together(make_unlocked, *([(new_url("postgresql"), 1)] * 6))):
            return
    raise AssertionError("nobody ever failed: the tests above prove nothing")
