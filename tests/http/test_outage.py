"""While the database is away senders are told to come again, and nothing is lost."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from profilestore import ProfileStore
from tests.http.served import Served
from tests.postgresql import Server, find, installed, schema_url
from tests.simple_events import event

SENDERS, BATCHES = 8, 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    own = Server(find() or installed())
    yield own
    own.close()


@pytest.mark.parametrize("seconds", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_nothing_is_lost_while_the_database_is_stopped(
    server: Server, seconds: int
) -> None:
    url = schema_url(server.url)
    ProfileStore.init(url)
    statuses: list[int] = []
    stopped = threading.Event()

    def send(sender: int) -> None:
        """Deliver each batch until it is taken, as the platform does."""
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
            if sender == 0 and number == 3:
                stopped.set()

    with Served(url) as served:
        with ThreadPoolExecutor(SENDERS) as threads:
            sending = [threads.submit(send, n) for n in range(SENDERS)]
            stopped.wait(60)
            server.stop()
            assert served.get("/healthz").status == 200
            assert served.get("/readyz").status == 503
            threading.Event().wait(seconds)
            server.start()
            for each in sending:
                each.result(60)
        assert set(statuses) == {200, 503}
        assert served.get("/readyz").status == 200
        with ProfileStore.open(url) as store:
            events = store.feed(limit=10_000).events
        ids = sorted(int(each.event.event_id[1:]) for each in events)
        assert ids == list(range(SENDERS * BATCHES * 10))
        assert served.stop() == 0
