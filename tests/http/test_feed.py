"""The feed: every event of the log once, in order, page by page and live."""

import json
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from profilestore import ProfileStore
from tests.http.served import TOKEN, Served
from tests.simple_events import SPACE, event

OTHERS = "0b5cf1e8-af5f-43d4-a38c-034535c0a385"
MINE = "a-token-for-one-space"
TOKENS = {TOKEN: ["*"], MINE: [SPACE]}
SENDERS, EACH = 4, 30


@pytest.fixture(params=["file", "postgresql-2"])
def served(
    request: pytest.FixtureRequest, new_url: Callable[[str], str]
) -> Iterator[Served]:
    with Served(new_url(request.param), tokens=TOKENS) as server:
        yield server


def follow(
    served: Served, after: int, token: str = TOKEN, partition: int = 0
) -> Generator[tuple[int, Any]]:
    """Read a stream as a browser would: id and data of each message that has data."""
    connection = HTTPConnection(*served.address, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": str(after)}
    path = f"/v1/feed/stream?partition={partition}"
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    try:
        fields: dict[str, str] = {}
        while line := answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield int(fields["id"]), json.loads(fields["data"])
                fields = {}
    finally:
        connection.close()


def load(served: Served, senders: int = SENDERS, each: int = EACH) -> None:
    """Deliver from several senders, every third event into another API space."""

    def send(sender: int) -> None:
        for n in range(sender * each, (sender + 1) * each):
            space = OTHERS if n % 3 == 0 else SPACE
            one = event(n, f"p{n % 10}", apiSpaceId=space)
            assert served.deliver(one).status == 200

    with ThreadPoolExecutor(senders) as threads:
        list(threads.map(send, range(senders)))


def log(
    served: Served, partition: int, token: str = TOKEN, limit: int = 7
) -> list[Any]:
    """Read a whole partition, page by page."""
    after, events = 0, []
    while True:
        path = f"/v1/feed?after={after}&limit={limit}&partition={partition}"
        page = served.get(path, token).json
        events += page["events"]
        if page["position"] == after:
            return events
        after = page["position"]


def read_to_the_end(
    served: Served, partition: int, token: str = TOKEN, messages: int = 1000
) -> list[tuple[int, str]]:
    """Read a stream until `load` has ended, coming again after so many messages."""
    got: list[tuple[int, str]] = []
    while True:
        after = got[-1][0] if got else 0
        for number, (position, document) in enumerate(
            follow(served, after, token, partition), start=1
        ):
            got.append((position, document["event"]["eventId"]))
            if document["event"]["payload"].get("last"):
                return got
            if number == messages:
                break


def read_while_loading(served: Served, token: str, messages: int) -> list[Any]:
    partitions = range(served.get("/v1/feed").json["partitions"])
    with ThreadPoolExecutor(len(partitions)) as threads:
        reading = [
            threads.submit(read_to_the_end, served, partition, token, messages)
            for partition in partitions
        ]
        load(served)
        for n in range(40):  # some in each partition
            last = {"id": f"end{n}", "last": True}
            assert served.deliver(event(1000 + n, payload=last)).status == 200
        return [each.result(60) for each in reading]


def break_off_again_and_again(served: Served) -> None:
    for partition, got in enumerate(read_while_loading(served, TOKEN, 7)):
        positions = [position for position, _ in got]
        assert positions == list(range(1, len(positions) + 1))
        told = [(e["position"], e["event"]["eventId"]) for e in log(served, partition)]
        assert got == told[: len(got)]


def test_a_reader_that_breaks_off_again_and_again_misses_nothing(
    served: Served,
) -> None:
    break_off_again_and_again(served)


@pytest.mark.parametrize("off_by", [1, -1], ids=["skipping", "repeating"])
def test_the_control_that_goes_on_elsewhere_is_found_out(url: str, off_by: int) -> None:
    elsewhere = "from profilestore.infrastructure.http import feed\n"
    elsewhere += f"feed._position = lambda text: max(0, int(text) + {off_by})"
    with (
        Served(url, tokens=TOKENS, patched=elsewhere) as served,
        pytest.raises(AssertionError, match=r"assert \["),
    ):
        break_off_again_and_again(served)


def test_a_stream_tells_of_what_comes(served: Served) -> None:
    found = read_while_loading(served, MINE, 1000)

    for partition, got in enumerate(found):
        mine = log(served, partition, MINE)
        assert got == [(e["position"], e["event"]["eventId"]) for e in mine][: len(got)]
        assert len(got) > 10
    others = {f"e{n}" for n in range(0, SENDERS * EACH, 3)}
    assert not {event_id for got in found for _, event_id in got} & others


def test_events_are_the_text_that_was_received(served: Served) -> None:
    text = (
        b'{ "eventId":"\\u0065x",\r\n "apiSpaceId" : "%b",\n "name":"profile.create",'
    )
    text += b'"payload":{"id":"exact","n":1.50,"big":123456789012345678901234567890},'
    text += b'"revision":0,"timestamp":"2017-05-31T15:26:58Z"}'
    text %= SPACE.encode()
    assert served.deliver(text).json["accepted"] == 1

    for partition in range(served.get("/v1/feed").json["partitions"]):
        page = served.get(f"/v1/feed?partition={partition}")
        if page.json["events"]:
            assert text in page.body
            _, document = next(follow(served, 0, partition=partition))
            break
    assert document["event"] == json.loads(text)


def test_a_bad_place_to_begin_is_named(served: Served) -> None:
    for query, name in (
        ("after=-1", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("partition=7", "partition"),
        ("space=x", "space"),
        (f"after={2**63}", "after"),
    ):
        got = served.get(f"/v1/feed?{query}")
        assert (got.status, got.json["errors"][0]["parameter"]) == (400, name)
    got = served.get("/v1/feed/stream", Last_Event_ID="x")
    assert got.json["errors"][0]["parameter"] == "Last-Event-ID"
    assert served.get("/v1/feed/stream?partition=9").status == 400


def test_a_stream_ends_when_its_reader_is_gone(url: str) -> None:
    silent = "from profilestore.infrastructure.http import feed\n"
    silent += "feed.HEARTBEAT_SECONDS = 1e6"
    with Served(url, patched=silent) as served:
        served.deliver(event(1))
        next(stream := follow(served, 0))
        stream.close()
        waiting = threading.Event()
        while "/v1/feed/stream" not in [line.get("route") for line in served.logged]:
            waiting.wait(0.05)


def test_streams_end_when_the_server_stops(served: Served) -> None:
    served.deliver([event(n, f"p{n}") for n in range(20)])  # some in each partition
    next(stream := follow(served, 0))
    reading = threading.Thread(target=lambda: list(stream))
    reading.start()

    assert served.stop() == 0
    reading.join(30)
    assert not reading.is_alive()


def test_the_store_behind_it_has_the_same_log(new_url: Callable[[str], str]) -> None:
    url = new_url("file")
    with Served(url, tokens=TOKENS) as served:
        load(served, senders=2, each=20)
        told = [(e["position"], e["event"]["eventId"]) for e in log(served, 0)]
    with ProfileStore.open(url) as store:
        events = store.feed().events
    assert told == [(e.position, e.event.event_id) for e in events]
