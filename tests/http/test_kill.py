"""A server that dies at any moment has stored, once, all that it answered."""

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from threading import Lock, Timer

import pytest

from profilestore import ProfileStore
from tests.http.served import WEBHOOK, Served, sign
from tests.simple_events import event

SENDERS = 8
LONG = pytest.param(100, marks=pytest.mark.slow)
EARLY = """
import asyncio
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.intake import Intake
store = Intake.append
running = set()
async def early(self, body, **named):
    running.add(asyncio.ensure_future(store(self, body, **named)))
    return Receipt()
Intake.append = early
"""


class Senders:
    """Deliver from several connections until the server is gone.

    `tried` has the event ids of each batch, `answered` the numbers of those that were
    answered 200. Nearly a third are batches that were tried before.
    """

    def __init__(self, seed: int) -> None:
        self._lock = Lock()
        self._random = random.Random(seed)
        self._events = 0
        self.tried: list[list[int]] = []
        self.answered: set[int] = set()

    def send_until_dead(self, served: Served) -> None:
        with ThreadPoolExecutor(SENDERS) as threads:
            list(threads.map(self._send, [served] * SENDERS))

    def _send(self, served: Served) -> None:
        connection = HTTPConnection(*served.address, timeout=20)
        try:
            while True:
                number, batch = self._next()
                body = json.dumps([event(n, f"p{n % 7}") for n in batch]).encode()
                headers = {"X-Comapi-Signature": sign(body)}
                connection.request("POST", WEBHOOK, body, headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.answered.add(number)
        except (OSError, HTTPException):
            connection.close()

    def _next(self) -> tuple[int, list[int]]:
        with self._lock:
            if self.tried and self._random.random() < 0.3:
                number = self._random.randrange(len(self.tried))
                return number, self.tried[number]
            size = self._random.choice((1, 1, 1, 50, 500))
            batch = list(range(self._events, self._events + size))
            self._events += size
            self.tried.append(batch)
            return len(self.tried) - 1, batch


def stored(url: str) -> list[int]:
    """List the numbers of all stored events, in order of position."""
    found: list[int] = []
    with ProfileStore.open(url) as store:
        after = 0
        while (page := store.feed(after=after, limit=10_000)).events:
            after = page.position
            found += [int(each.event.event_id[1:]) for each in page.events]
    return found


def kill_under_load(url: str, times: int, patched: str = "") -> tuple[int, int]:
    """Answer how many answered events were lost, and how many are stored twice."""
    senders = Senders(times)
    for kill in range(times):
        with Served(url, patched=patched) as served:
            served.get("/healthz")  # it is up: there will be answers before it dies
            delay = random.Random(kill).uniform(0.05, 0.6)
            Timer(delay, served.process.kill).start()
            senders.send_until_dead(served)
    got = stored(url)
    answered = {n for number in senders.answered for n in senders.tried[number]}
    assert answered
    halves = [b for b in senders.tried if 0 < len(set(b) & set(got)) < len(b)]
    assert not halves  # a batch is stored whole or not at all
    return len(answered - set(got)), len(got) - len(set(got))


@pytest.mark.parametrize("kind", ["file", "postgresql-1"])
@pytest.mark.parametrize("times", [10, LONG])
def test_what_was_answered_is_stored_once(
    new_url: Callable[[str], str], kind: str, times: int
) -> None:
    assert kill_under_load(new_url(kind), times) == (0, 0)


def test_the_control_that_answers_early_loses_some(
    new_url: Callable[[str], str],
) -> None:
    lost, twice = kill_under_load(new_url("file"), 4, EARLY)

    assert lost > 0
    assert twice == 0
