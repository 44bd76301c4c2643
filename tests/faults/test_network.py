"""A network before PostgreSQL that loses a commit, its answer, or the server."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from profilestore import ProfileStore, StorageError, StoreUnavailableError
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.log import group as group_module
from profilestore.infrastructure.log.commit import Commit
from profilestore.infrastructure.log.head import Head, Place
from tests.faults.appender import batch
from tests.faults.log import delivery, held_head, stored_numbers
from tests.faults.proxy import Proxy
from tests.postgresql import Server
from tests.simple_events import event


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as opened:
        yield opened


@pytest.fixture
def far_store(server: Server, server_url: str, proxy: Proxy) -> Iterator[ProfileStore]:
    """The store, beyond a network that loses what the proxy is armed to lose."""
    with ProfileStore.open(
        server_url.replace(f":{server.port}/", f":{proxy.port}/")
    ) as store:
        store.append([event(0, name="message.sent")])  # a first connection commits more
        yield store


def test_a_commit_whose_answer_is_lost_is_found_to_be_stored(
    far_store: ProfileStore, proxy: Proxy, server_url: str
) -> None:
    """The server is asked what became of it; if that fails, its sender repeats it."""
    for first in range(0, 200, 10):
        proxy.arm(1)
        assert far_store.append(batch(first, 10)).accepted == 10
    for first in range(200, 250, 10):
        proxy.arm(2)
        with pytest.raises(StorageError):
            far_store.append(batch(first, 10))
        assert far_store.append(batch(first, 10)).duplicate == 10

    assert proxy.cuts == 20 + 2 * 5
    assert stored_numbers(server_url) == list(range(250))


def deliver_what_is_counted(store: ProfileStore, proxy: Proxy, before: bool) -> None:  # noqa: FBT001
    """Five deliveries of an event that is refused and one that is ignored."""
    for _ in range(5):
        proxy.arm(1, before=before)
        receipt = store.append([event(1, revision=-1), event(2, name="chat.x")])
        assert receipt == Receipt(received=2, quarantined=1, ignored=1)


def counted(store: ProfileStore) -> tuple[int, object]:
    (entry,) = store.quarantine.entries()
    return entry.deliveries, store.stats()["ignored"]


@pytest.mark.parametrize("before", [True, False])
def test_what_is_counted_is_counted_once_whatever_is_lost_of_its_commit(
    far_store: ProfileStore, proxy: Proxy, *, before: bool
) -> None:
    """Though no event id and no position tells whether it was stored."""
    deliver_what_is_counted(far_store, proxy, before)

    assert counted(far_store) == (5, {"chat.x": 5, "message.sent": 1})


def test_without_asking_what_became_of_it_what_is_counted_is_counted_twice(
    far_store: ProfileStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(Commit, "happened", lambda *_: False)
    deliver_what_is_counted(far_store, proxy, before=False)

    assert counted(far_store) == (10, {"chat.x": 10, "message.sent": 1})


def test_a_commit_that_is_lost_on_its_way_is_repeated(
    far_store: ProfileStore, proxy: Proxy, server_url: str
) -> None:
    for first in range(0, 200, 10):
        proxy.arm(1, before=True)
        assert far_store.append(batch(first, 10)).accepted == 10
    for first in range(200, 250, 10):
        proxy.arm(2, before=True)
        with pytest.raises(StorageError):
            far_store.append(batch(first, 10))
        assert far_store.append(batch(first, 10)).accepted == 10

    assert proxy.cuts == 20 + 2 * 5
    assert stored_numbers(server_url) == list(range(250))


def test_a_commit_that_another_server_does_not_know_is_repeated(
    far_store: ProfileStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that took over gives the same ids anew, but its log ends earlier."""
    noted = Commit.of

    def of_another(heads: dict[int, Head]) -> Commit:
        (place,) = noted(heads).places.values()
        return replace(noted(heads), places={0: Place(place.position + 1, b"")})

    monkeypatch.setattr(Commit, "of", of_another)
    proxy.arm(1)

    receipt = far_store.append(batch(0, 10))
    assert receipt.duplicate == 10  # for it is this server after all


def test_without_looking_the_ids_up_a_lost_answer_is_an_error(
    far_store: ProfileStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control for the sender's repetition: it is event ids that tell what is stored."""
    monkeypatch.setattr(group_module, "_stored", lambda *_: {})
    monkeypatch.setattr(Commit, "happened", lambda *_: False)
    proxy.arm(1)

    with pytest.raises(StorageError, match="unique"):
        far_store.append(batch(0, 10))


@pytest.mark.parametrize("before", [True, False])
def test_an_insertion_is_stored_once_whatever_is_lost_of_its_commit(
    far_store: ProfileStore, proxy: Proxy, *, before: bool
) -> None:
    recorder = far_store.recorder_of(0)
    stored = [StoredEvent(uuid4(), 1, "topic", b"state")]
    proxy.arm(1, before=before)

    assert recorder.insert_events(stored) == [1]
    with pytest.raises(IntegrityError):
        recorder.insert_events(stored)
    assert recorder.max_notification_id() == 1


def test_a_server_that_is_away_is_asked_once_for_all_that_wait(
    far_store: ProfileStore, proxy: Proxy, server_url: str
) -> None:
    """Were each to find out for itself, none would be answered in time."""
    submit = far_store._committer.submit
    with held_head(server_url):
        waiting = [submit(delivery(n)) for n in range(100)]
        proxy.arm(1, before=True)
        proxy.refusing = True
    for ticket in waiting:
        with pytest.raises(StoreUnavailableError):
            ticket.wait(60)
    assert 1 <= proxy.refused <= 8

    proxy.refusing = False
    assert far_store.append(batch(0, 100)).accepted == 100
