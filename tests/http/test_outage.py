"""While the database is away senders are told to come again, and nothing is lost."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from profilestore import ProfileStore
from tests.http.served import Served, until
from tests.postgresql import Server, find, installed, schema_url
from tests.simple_events import SPACE, event

SENDERS, BATCHES = 8, 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    own = Server(find() or installed())
    yield own
    own.close()


EARLY = """
import asyncio
from contextlib import suppress
from profilestore import StorageError
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.intake import Intake
store = Intake.append
running = set()
async def in_time(self, body, named):
    with suppress(StorageError):
        await store(self, body, **named)
async def early(self, body, **named):
    running.add(asyncio.ensure_future(in_time(self, body, named)))
    return Receipt()
Intake.append = early
"""


def stop_under_load(
    server: Server, seconds: int, patched: str = ""
) -> tuple[set[int], set[int]]:
    """Stop the database while senders deliver; give what they heard, and what is lost.

    Each sender delivers each batch until it is taken, as the platform does.
    """
    url = schema_url(server.url)
    ProfileStore.init(url)
    statuses: list[int] = []
    begun, stopped = threading.Event(), threading.Event()

    def send(sender: int) -> None:
        for number in range(BATCHES):
            first = (sender * BATCHES + number) * 10
            batch = [event(n, f"p{n % 7}") for n in range(first, first + 10)]
            while True:
                answer = served.deliver(batch)
                statuses.append(answer.status)
                if answer.status == 200:
                    break
                assert int(answer.headers["Retry-After"]) > 0
                assert json.loads(answer.body)["status"] == 503
                threading.Event().wait(0.1)
            if number == 3:
                begun.set()
                stopped.wait(60)  # most of it comes while the database is away

    with Served(url, patched=patched) as served:
        with ThreadPoolExecutor(SENDERS) as threads:
            sending = [threads.submit(send, n) for n in range(SENDERS)]
            begun.wait(60)
            server.stop()
            stopped.set()
            assert served.get("/healthz").status == 200
            assert served.get("/readyz").status == 503
            threading.Event().wait(seconds)
            server.start()
            for each in sending:
                each.result(60)
        assert served.get("/readyz").status == 200
        assert served.stop() == 0
    with ProfileStore.open(url) as store:
        events = store.feed(limit=10_000).events
    ids = [int(each.event.event_id[1:]) for each in events]
    assert len(ids) == len(set(ids))
    return set(statuses), set(range(SENDERS * BATCHES * 10)) - set(ids)


@pytest.mark.parametrize("seconds", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_nothing_is_lost_while_the_database_is_stopped(
    server: Server, seconds: int
) -> None:
    assert stop_under_load(server, seconds) == ({200, 503}, set())


def test_the_control_that_answers_before_it_stores_loses_some(server: Server) -> None:
    statuses, lost = stop_under_load(server, 1, EARLY)

    assert statuses == {200}
    assert lost


HURRIED = """
from profilestore.infrastructure.http import service, webhook
webhook.ANSWER_SECONDS = service.ANSWER_SECONDS = 1
"""


def test_a_database_that_hangs_is_an_outage_too(server: Server) -> None:
    url = schema_url(server.url)
    ProfileStore.init(url)
    with Served(url, patched=HURRIED) as served:
        assert served.deliver(event(0)).status == 200
        with server.paused(), ThreadPoolExecutor(SENDERS) as threads:
            refused = list(threads.map(served.deliver, map(event, range(SENDERS))))
            assert {answer.status for answer in refused} == {503}
            assert served.get("/healthz").status == 200
            assert served.get("/readyz").status == 503
            path = f"/v1/spaces/{SPACE}/profiles/joe"
            assert served.get(path).status == 503
        for n in range(SENDERS):
            until(lambda n=n: served.deliver(event(n)).status == 200)
        assert len(served.get("/v1/feed").json["events"]) == SENDERS
        assert served.stop() == 0
