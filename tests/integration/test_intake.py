"""Bodies that come over a network, from an event loop into the log."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilestore import ProfileStore, StoreOverloadedError
from profilestore.domain.json_values import MalformedJsonError, read_json
from profilestore.domain.rejection import Rejection
from profilestore.infrastructure.ingress.delivery import read_delivery
from profilestore.infrastructure.ingress.webhook import read_webhook
from tests.simple_events import SPACE, event, rows


def body(*numbers: int) -> bytes:
    return json.dumps([event(number) for number in numbers]).encode()


async def deliver(
    store: ProfileStore, *bodies: bytes, seconds: float = 60
) -> list[int]:
    async with asyncio.timeout(seconds):
        receipts = await asyncio.gather(
            *(store.intake.append(each, ingress="test") for each in bodies)
        )
    return [receipt.accepted for receipt in receipts]


@pytest.fixture(params=["file", "postgresql-3"])
def either(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    return new_url(request.param)


def test_bodies_that_wait_together_are_all_answered(either: str) -> None:
    with ProfileStore.open(either) as store:
        assert asyncio.run(deliver(store, *map(body, range(300)))) == [1] * 300
        assert store.profile(SPACE, "joe").events[-1].version == 300


def test_a_body_of_several_batches_has_one_receipt(store: ProfileStore) -> None:
    assert asyncio.run(deliver(store, body(*range(4321)))) == [4321]


def test_a_body_that_nobody_waits_for_any_more_may_be_stored_and_come_again(
    store: ProfileStore, url: str
) -> None:
    async def held() -> None:
        other = store._database.write()  # noqa: SLF001 - somebody else writes
        with other, pytest.raises(TimeoutError):
            await deliver(store, body(1), seconds=0.1)
        assert await deliver(store, body(1), body(2)) == [0, 1]

    asyncio.run(held())
    assert rows(url, "SELECT count(*) FROM events") == [(2,)]


def test_what_is_too_much_is_refused_while_others_wait(url: str) -> None:
    async def held(store: ProfileStore) -> None:
        with store._database.write():  # noqa: SLF001
            first = asyncio.create_task(deliver(store, body(1)))
            await asyncio.sleep(0.1)  # it is being written
            second = asyncio.create_task(deliver(store, body(2, 3)))
            await asyncio.sleep(0)
            with pytest.raises(StoreOverloadedError):
                await deliver(store, body(*range(4, 6000)))
        assert [await first, await second] == [[1], [2]]

    with ProfileStore.open(url, queue_events=3) as store:
        asyncio.run(held(store))


@given(st.binary(min_size=1) | st.text(min_size=1).map(str.encode))
def test_a_body_without_an_event_that_is_no_json_is_kept_whole(text: bytes) -> None:
    try:
        read_json(text)
    except MalformedJsonError:
        kept = [item for batch in read_webhook(text) for item in batch]
        assert [type(item) for item in kept] == [Rejection] or not text.strip()
        assert all(item.text == text for item in kept if isinstance(item, Rejection))


@given(
    st.dictionaries(st.text(), st.integers() | st.text()),
    st.sampled_from([{}, event(1), {"name": "message.sent"}, {"revision": None}]),
    st.sampled_from([b"", b" ", b"\n{}", b"}", b","]),
)
def test_a_body_of_one_event_is_read_as_among_others(
    members: dict[str, object], base: dict[str, Any], behind: bytes
) -> None:
    text = json.dumps(members | base).encode() + behind
    read = [item for batch in read_webhook(text) for item in batch]
    cut = [item for batch in read_delivery(text) for item in batch]
    assert read == cut or [item.text for item in read] == [text]  # kept whole


def test_of_a_broken_body_the_events_are_taken() -> None:
    good = json.dumps(event(1)).encode()
    (batch,) = read_webhook(b"[" + good + b",\n{broken\n" + good + b"]")

    assert [isinstance(item, Rejection) for item in batch] == [False, True, False]
