"""Readers follow a log while many processes write to it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import psycopg
import pytest

from profilestore import ProfileStore
from tests.faults.processes import GO, Child, child
from tests.faults.writers import hold, write
from tests.postgresql import plain
from tests.simple_events import event, rows

PATIENCE_SECONDS = 60


class Reader:
    """Reads positions in a thread from the start of the log until it is stopped."""

    def __init__(self, read: Callable[[Event], Iterator[int]]) -> None:
        self.seen: list[int] = []
        self._read = read
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for position in self._read(self._stop):
            self.seen.append(position)

    def has_come_to(self, position: int) -> bool:
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.seen or self.seen[-1] < position:
            if time.monotonic() > end or not self._thread.is_alive():
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def readers_of(store: ProfileStore) -> Iterator[list[Reader]]:
    """By each way there is to follow a log."""

    def follow(stop: Event) -> Iterator[int]:
        return (recorded.position for recorded in store.follow(stop=stop))

    def subscribe(stop: Event) -> Iterator[int]:
        with store.recorder_of(0).subscribe() as subscription:
            Thread(target=lambda: stop.wait() and subscription.stop()).start()
            for notification in subscription:
                yield notification.id

    def turn_pages(stop: Event) -> Iterator[int]:
        after = 0
        while not stop.is_set():
            page = store.feed(after=after, limit=100)
            yield from (recorded.position for recorded in page.events)
            if page.position == after:
                stop.wait(0.01)
            after = page.position

    readers = [Reader(read) for read in (follow, subscribe, turn_pages)]
    try:
        yield readers
    finally:
        for reader in readers:
            reader.close()


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_no_reader_skips_or_repeats_a_position(either_url: str, seconds: int) -> None:
    """32 writers in 4 processes, undone transactions, and one that is held open."""
    with (
        ProfileStore.open(either_url) as store,
        readers_of(store) as readers,
        ExitStack() as stack,
    ):
        store.append([event(0)])
        writers = [
            stack.enter_context(child(write, either_url, f"w{n}", seconds))
            for n in range(4)
        ]
        assert [writer.hear() for writer in writers] == ["ready"] * 4
        for writer in writers:
            writer.say(GO)
        holder = stack.enter_context(child(hold, either_url, min(seconds / 5, 5)))
        assert [holder.hear(), holder.hear()] == ["taken", "stored"]
        stored, undone = written(writers)
        store.append([event(1)])
        last = stored + 5
        came = [reader.has_come_to(last) for reader in readers]

    print(f"{stored:,} events by 32 writers, {undone:,} transactions undone")
    assert all(came)
    for reader in readers:
        assert reader.seen == list(range(1, last + 1))
    query = "SELECT min(position), max(position), count(*) FROM events"
    assert rows(either_url, query) == [(1, last, last)]
    assert undone > 0


def written(writers: list[Child]) -> tuple[int, int]:
    """Sum what the writers have stored and undone, when they are done."""
    counts = [count for writer in writers for count in writer.hear()]
    return sum(stored for stored, _ in counts), sum(undone for _, undone in counts)


def test_positions_from_a_sequence_are_skipped(new_url: Callable[[str], str]) -> None:
    """The control of the test above: it is the lock of the head that protects."""
    url = plain(new_url("postgresql"))
    stop = Event()

    def write_unlocked(number: int) -> None:
        seeded = random.Random(number)
        with psycopg.connect(url) as connection:
            while not stop.is_set():
                size = seeded.randint(1, 20)
                values = ", ".join(["(0, 'x')"] * size)
                connection.execute(
                    f"INSERT INTO loose (partition, state) VALUES {values}"
                )  # type: ignore[arg-type]
                if seeded.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()

    def read_on(_: Event) -> Iterator[int]:
        after = 0
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.is_set():
                page = connection.execute(
                    "SELECT position FROM loose WHERE partition = 0 AND position > %s "
                    "ORDER BY position LIMIT 1000",
                    [after],
                ).fetchall()
                for (after,) in page:
                    yield after

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE loose (partition integer, position bigserial, state bytea, "
            "PRIMARY KEY (partition, position))"
        )
        reader = Reader(read_on)
        threads = [Thread(target=write_unlocked, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        end, skipped = time.monotonic() + PATIENCE_SECONDS, set[int]()
        while not skipped and time.monotonic() < end:
            time.sleep(0.5)
            seen = reader.seen[:]
            query = "SELECT position FROM loose WHERE position <= %s"
            found = connection.execute(query, [max(seen, default=0)]).fetchall()
            skipped = {position for (position,) in found} - set(seen)
        stop.set()
        for thread in threads:
            thread.join()
        reader.close()

    print(f"{len(skipped):,} of {len(found):,} positions skipped")
    assert skipped, "nothing was ever skipped: the test above proves nothing"
