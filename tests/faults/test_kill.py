"""Processes that append are killed at any moment, with no time to clean up."""

import random
import time
from collections import Counter

import pytest

from profilestore import ProfileStore
from tests.faults.appender import append_for_ever
from tests.faults.log import held_head
from tests.faults.processes import child
from tests.simple_events import rows


class Deliveries:
    """What a source has delivered and was answered, by receivers that die."""

    def __init__(self, url: str, *options: str) -> None:
        self.url = url
        self.tried: dict[int, int] = {}
        self.answered: set[int] = set()
        self._options = options
        self._seeded = random.Random(url.count("/"))

    def receive_and_die(self) -> None:
        """Let a process append some batches, and kill it while it appends one more."""
        work = (append_for_ever, self.url, self._seeded.random(), self.tried)
        with child(*work, *self._options) as receiver:
            for _ in range(self._seeded.randint(1, 20)):
                self._hear(*receiver.hear())
            time.sleep(self._seeded.random() / 50)
            receiver.kill()
            for words in receiver.last_words():
                self._hear(*words)

    def _hear(self, word: str, first: int, size: int) -> None:
        self.tried[first] = size
        if word == "has":
            self.answered.add(first)

    def stored(self) -> Counter[int]:
        """Count what is stored of each batch: dense, and nothing twice."""
        query = "SELECT position, event_id FROM events ORDER BY position"
        with held_head(self.url):  # a server ends a transaction also without its client
            found = rows(self.url, query)
        assert [position for position, _ in found] == list(range(1, len(found) + 1))
        numbers = {int(bytes(event_id)[1:]) for _, event_id in found}
        assert len(numbers) == len(found)
        return Counter(
            {
                first: len(numbers.intersection(range(first, first + size)))
                for first, size in self.tried.items()
            }
        )


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_while_appending_what_was_answered_is_there_once(
    either_url: str, kills: int
) -> None:
    """No answered batch is lost, none is there twice, none is there in half."""
    deliveries = Deliveries(either_url)
    for _ in range(kills):
        deliveries.receive_and_die()

        stored = deliveries.stored()
        assert all(stored[b] == deliveries.tried[b] for b in deliveries.answered)
        assert all(stored[b] in (0, size) for b, size in deliveries.tried.items())
        with ProfileStore.open(either_url) as store:
            assert store.stats()["positions"] == {0: stored.total()}
    print(
        f"{kills} kills, {len(deliveries.answered):,} batches answered, "
        f"{stored.total():,} events stored"
    )
    assert len(deliveries.answered) > kills


def test_answered_before_it_is_stored_it_can_be_lost(either_url: str) -> None:
    """The control of the test above: it is the answer after the commit that protects."""
    deliveries = Deliveries(either_url, "early")
    for _ in range(100):
        deliveries.receive_and_die()
        stored = deliveries.stored()
        if any(stored[b] < deliveries.tried[b] for b in deliveries.answered):
            return
    raise AssertionError("nothing was ever lost: the test above proves nothing")
