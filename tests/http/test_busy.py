"""While the store cannot keep up senders are told to come again, and soon."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest

from profilestore import ProfileStore
from tests.http.served import Served, signed_request, until
from tests.simple_events import SPACE, event

HURRIED = """
from profilestore.infrastructure.http import webhook
webhook.ANSWER_SECONDS = 0.5
"""
PATIENT = """
from profilestore.infrastructure.http import webhook
webhook.ANSWER_SECONDS = 1e6
"""
UNTOLD = """
from profilestore.infrastructure.http import problems
problems.OF_ERROR.clear()
"""
SMALL = """
from profilestore.infrastructure.log import committer
committer.QUEUE_BYTES = {}
"""
UNBOUNDED = SMALL.format(1 << 60)


def come_again(url: str, patched: str) -> None:
    """Deliver while another writes, and after."""
    with ProfileStore.open(url) as store, Served(url, patched=patched) as served:
        with store._database.write() as connection:
            connection.exec_driver_sql("UPDATE heads SET position = position")
            refused = served.deliver(event(1))
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) > 0
        answers = [served.deliver(event(n)).json for n in (1, 2)]
        assert [a["accepted"] + a["duplicate"] for a in answers] == [1, 1]
        assert len(store.profile(SPACE, "joe").events) == 2


@pytest.mark.parametrize("kind", ["file", "postgresql-1"])
def test_while_another_writes_the_sender_is_told_to_come_again(
    new_url: Callable[[str], str], kind: str
) -> None:
    come_again(new_url(kind), HURRIED)


def test_the_control_that_knows_no_such_error_says_that_it_failed(url: str) -> None:
    with pytest.raises(AssertionError, match="500 == 503"):
        come_again(url, HURRIED + UNTOLD)


def test_the_control_without_a_deadline_says_nothing(url: str) -> None:
    with (
        ProfileStore.open(url) as store,
        Served(url, patched=PATIENT) as served,
        store._database.write(),
        served.connected() as waiting,
    ):
        waiting.sendall(signed_request(b"{}"))
        waiting.settimeout(2)
        with pytest.raises(TimeoutError):
            waiting.recv(4096)


def fill_the_queue(url: str, patched: str) -> None:
    with ProfileStore.open(url) as store, Served(url, patched=patched) as served:
        with store._database.write():
            statuses = [served.deliver(event(n)).status for n in range(4)]
            assert statuses == [503] * 4
            assert served.get("/readyz").status == 503
        # As soon as what waited is stored.
        until(lambda: served.deliver(event(9)).status == 200)
        assert served.get("/readyz").status == 200


def test_a_full_queue_is_an_answer_too(url: str) -> None:
    fill_the_queue(url, HURRIED + SMALL.format(1))


def test_the_control_without_a_bound_is_ready_for_more(url: str) -> None:
    with pytest.raises(AssertionError, match="200 == 503"):
        fill_the_queue(url, HURRIED + UNBOUNDED)


SENDERS, BATCH, SINGLES = 64, 500, 5
QUEUE_EVENTS = 5000
LIVE = """
from profilestore.infrastructure.http import metrics
metrics.FRESH_SECONDS = metrics.REST = 0
"""


@dataclass
class Load:
    """Senders that deliver batches and single events, each until it is taken."""

    served: Served
    rounds: int
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        return SENDERS * self.rounds * (BATCH + SINGLES)

    def send(self, sender: int) -> None:
        """Deliver this sender's share of the numbers of all events."""
        share = self.rounds * (BATCH + SINGLES)
        at, end = sender * share, (sender + 1) * share
        while at < end:
            size = BATCH if at % (BATCH + SINGLES) == 0 else 1
            self._until_taken([event(at + n, f"p{n % 50}") for n in range(size)])
            at += size

    def _until_taken(self, batch: list[object]) -> None:
        while True:
            answer = self.served.deliver(batch)
            self.statuses[answer.status] += 1
            if answer.status == 200:
                return
            assert answer.status == 503
            Event().wait(0.2)

    def most_waiting(self) -> float:
        """Watch the queue until nothing more comes."""
        seen = [0.0] * 10
        while not seen[-1] or len(set(seen[-10:])) > 1:
            seen.append(self.served.metrics["profilestore_queue_events"])
            Event().wait(0.05)
        return max(seen)


def send_it_all(url: str, rounds: int, patched: str) -> None:
    """Send first while another writes, then while nobody does."""
    with ProfileStore.open(url) as store, Served(url, patched=patched) as served:
        load = Load(served, rounds)
        with ThreadPoolExecutor(SENDERS) as threads:
            with store._database.write():
                sending = [threads.submit(load.send, n) for n in range(SENDERS)]
                most = load.most_waiting()
            for each in sending:
                each.result()
        assert most <= QUEUE_EVENTS
        assert set(load.statuses) == {200, 503}
        stored: list[int] = []
        while (page := store.feed(after=len(stored), limit=10_000)).events:
            stored += [int(each.event.event_id[1:]) for each in page.events]
        assert sorted(stored) == list(range(load.events))
        assert not served.errors


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_of_64_senders_none_is_refused_for_good_and_the_queue_is_bounded(
    url: str, rounds: int
) -> None:
    smallest = len(json.dumps(event(0, "p0")))
    send_it_all(url, rounds, LIVE + SMALL.format(QUEUE_EVENTS * smallest))


def test_the_control_of_64_senders_and_no_bound_lets_all_wait(url: str) -> None:
    with pytest.raises(AssertionError, match="<= 5000"):
        send_it_all(url, 1, LIVE + UNBOUNDED)
