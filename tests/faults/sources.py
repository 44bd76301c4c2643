"""Sources that deliver to a store until told to stop, and again what was not answered."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from profilestore import ProfileStore, StorageError
from tests.faults.appender import batch
from tests.simple_events import rows

PATIENCE_SECONDS = 120


class Sources:
    """Threads that each deliver batches of their own, and one that follows the log."""

    def __init__(self, store: ProfileStore, count: int = 4) -> None:
        self.answered: list[int] = []
        self.failures = 0
        self.seen: list[int] = []
        self._store = store
        self._stop = Event()
        self._stop_following = Event()
        self._sources = [Thread(target=self._deliver, args=(n,)) for n in range(count)]
        self._follower = Thread(target=self._follow)
        for thread in (*self._sources, self._follower):
            thread.start()

    def wait_for_more(self, batches: int = 10) -> None:
        """Wait until so many more batches are answered."""
        wanted = len(self.answered) + batches
        self._wait(lambda: len(self.answered) >= wanted)

    def close(self) -> None:
        """Wait until all is answered that was ever tried, and read."""
        self._stop.set()
        for thread in self._sources:
            thread.join()
        last = sum(self.answered)
        self._wait(lambda: len(self.seen) >= last)
        self._stop_following.set()
        self._follower.join()

    def _deliver(self, source: int) -> None:
        seeded = random.Random(source)
        first = source * 1_000_000
        while not self._stop.is_set():
            size = seeded.choice((1, 5, 50))
            while True:
                try:
                    receipt = self._store.append(batch(first, size))
                except StorageError:
                    self.failures += 1
                    time.sleep(0.02)
                else:
                    break
            assert receipt.accepted + receipt.duplicate == size
            self.answered.append(size)
            first += size

    def _follow(self) -> None:
        while not self._stop_following.is_set():
            after = self.seen[-1] if self.seen else 0
            try:
                for recorded in self._store.follow(
                    after=after, stop=self._stop_following
                ):
                    self.seen.append(recorded.position)
            except StorageError:
                time.sleep(0.02)

    @staticmethod
    def _wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, "nothing more is answered"
            time.sleep(0.01)


@contextmanager
def sources(url: str) -> Iterator[Sources]:
    """Deliver; at the end all that was answered is there once, and was read once."""
    with ProfileStore.open(url) as store:
        of_store = Sources(store)
        try:
            yield of_store
        finally:
            of_store.close()
    found = rows(url, "SELECT position, event_id FROM events ORDER BY position")
    assert len({bytes(event_id) for _, event_id in found}) == len(found)
    assert len(found) == sum(of_store.answered)
    assert [position for position, _ in found] == list(range(1, len(found) + 1))
    assert of_store.seen == list(range(1, len(found) + 1))
    print(
        f"{len(of_store.answered):,} batches answered, {len(found):,} events stored, "
        f"{of_store.failures:,} failures"
    )
