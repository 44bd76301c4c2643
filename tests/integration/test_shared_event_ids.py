"""An event id that many profiles share: an append reads what is its own profile's."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from profilestore import ProfileStore
from profilestore.infrastructure.log import bulk
from profilestore.infrastructure.log.tables import events
from tests.simple_events import event, rows

Work = Callable[[ProfileStore], object]
FEW, MANY = 10, 3000


def work_on_sqlite(url: str, work: Work) -> int:
    """Count the steps of SQLite's machine."""
    steps = [0]

    def step() -> None:
        steps[0] += 1

    def watch(driver: Any, *_: object) -> None:
        driver.set_progress_handler(step, 1)

    with ProfileStore.open(url) as store:
        sqlalchemy_event.listen(store._database.backend.writer, "checkout", watch)  # noqa: SLF001
        work(store)
    return steps[0]


def work_on_postgresql(url: str, work: Work) -> int:
    """Count the entries that were read of the indexes of events."""
    query = (
        "SELECT sum(idx_scan), sum(idx_tup_read) FROM pg_stat_user_indexes "
        "WHERE relname = 'events' AND schemaname = current_schema()"
    )
    ((scans, before),) = rows(url, query)
    with ProfileStore.open(url) as store:
        work(store)  # its session's counts are told when it ends
    deadline = time.monotonic() + 30
    now, after = scans, before
    while now == scans:
        assert time.monotonic() < deadline
        ((now, after),) = rows(url, query)
    return int(after - before)


def by_id_alone(store: ProfileStore) -> None:
    """Look an id up as if it were the key: the control."""
    with store._database.write() as connection:  # noqa: SLF001
        found = bulk.rows_by(
            connection, [events.c.position], [events.c.event_id], [(b"e0",)], 0
        )
        assert len(list(found)) >= FEW


@pytest.mark.parametrize("kind", ["file-1", "postgresql-1"])
def test_an_append_reads_no_more_where_many_profiles_share_an_event_id(
    kind: str, new_url: Callable[[str], str]
) -> None:
    count = work_on_sqlite if kind == "file-1" else work_on_postgresql

    def work(profiles: int, work: Work) -> int:
        url = new_url(kind)
        with ProfileStore.open(url) as store:
            store.append([event(0, f"p{n}") for n in range(profiles)])
        return count(url, work)

    def again(store: ProfileStore) -> None:
        assert store.append([event(0, "p7")]).duplicate == 1
        assert store.append([event(0, "new")]).accepted == 1

    assert work(MANY, again) <= work(FEW, again) + 50
    assert work(MANY, by_id_alone) > work(FEW, by_id_alone) + MANY / 2
