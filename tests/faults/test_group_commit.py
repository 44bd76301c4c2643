"""Many threads of one process append at once: what waits is committed as one group."""

import json
import random
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError
from sqlalchemy.exc import OperationalError

from profilestore import (
    ProfileStore,
    StorageError,
    StoreBusyError,
    StoreOverloadedError,
    StoreUnavailableError,
)
from profilestore.domain.admission import Outcome
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.log import committer as committer_module
from profilestore.infrastructure.log import group as group_module
from profilestore.infrastructure.log import ticket as ticket_module
from profilestore.infrastructure.log.committer import Committer
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.writer import LogWriter
from tests.faults.log import (
    committing,
    delivery,
    error_of,
    held_head,
    insertion,
    refuse,
    stored_numbers,
)
from tests.simple_events import event, rows

if TYPE_CHECKING:
    from profilestore.infrastructure.log.ticket import Ticket


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_64_threads_are_answered_once_and_stored_once(either_url: str) -> None:
    """Single events and small batches; each receipt tells of its own append only."""

    def append(thread: int) -> list[tuple[int, Receipt]]:
        seeded = random.Random(thread)
        first, answers = thread * 1000, []
        for _ in range(10):
            size = seeded.choice((1, 1, 1, 3, 9))
            batch = [event(n, f"p{n % 9}") for n in range(first, first + size)]
            answers.append((size, store.append(batch)))
            first += size
        return answers

    with ProfileStore.open(either_url) as store:
        answers = [answer for of in in_threads(64, append) for answer in of]

    assert len(answers) == 640
    assert all(r == Receipt(received=n, accepted=n) for n, r in answers)
    numbers = stored_numbers(either_url)
    assert len(set(numbers)) == len(numbers) == sum(size for size, _ in answers)


def test_what_makes_its_group_fail_fails_alone(either_url: str) -> None:
    """A version that is taken, one that no database holds, an event it refuses."""
    stream = uuid4().bytes
    with committing(either_url) as committer:
        committer.commit(insertion(1, stream))
        refuse(either_url, "profile.delete")
        with held_head(either_url):
            committer.submit(delivery(0))  # waits for the head; the rest for this one
            good, bad = [], []
            for n in range(1, 30, 3):
                good.append(committer.submit(delivery(n, n + 1, n + 2)))
                good.append(committer.submit(insertion(1)))
            bad.append(committer.submit(insertion(1, stream)))
            good.append(committer.submit(delivery(31)))
            bad.append(committer.submit(insertion(2**63)))
            good.append(committer.submit(insertion(2, stream)))
            bad.append(committer.submit(delivery(90, 91, name="profile.delete")))
            good.append(committer.submit(delivery(32)))

        assert [error_of(ticket) for ticket in good] == [None] * len(good)
        clash, too_large, refused = map(error_of, bad)

    assert isinstance(clash, IntegrityError)
    assert isinstance(too_large, StorageError | OverflowError)
    assert isinstance(refused, StorageError)
    assert "refused by its owner" in str(refused)
    found = rows(either_url, "SELECT position, event_id FROM events ORDER BY position")
    assert [position for position, _ in found] == list(range(1, len(found) + 1))
    numbers = [int(bytes(id_)[1:]) for _, id_ in found if id_ is not None]
    assert sorted(numbers) == [0, *range(1, 33)]
    assert len(found) == len(numbers) + 12


def test_what_makes_its_group_fail_is_found_in_few_steps(
    new_url: Callable[[str], str],
) -> None:
    url = new_url("postgresql-1")
    with committing(url) as committer:
        refuse(url, "profile.delete")
        with held_head(url):
            taken = [committer.submit(delivery(n)) for n in range(500)]
            refused = committer.submit(delivery(500, name="profile.delete"))
            taken += [committer.submit(delivery(n)) for n in range(501, 1000)]
        assert [error_of(ticket) for ticket in taken] == [None] * 999
        assert isinstance(error_of(refused), StorageError)

    assert len(stored_numbers(url)) == 999
    ((transactions,),) = rows(url, "SELECT count(DISTINCT xmin::text) FROM events")
    assert transactions < 20


def test_a_full_queue_is_said_and_the_same_append_succeeds_later(
    either_url: str,
) -> None:
    with committing(either_url, queue_events=20) as committer:
        with held_head(either_url):
            taken = [committer.submit(delivery(*range(10)))]
            while committer._queue:
                time.sleep(0.01)  # until it is being written, and waits for the head
            taken += [committer.submit(delivery(*range(n, n + 10))) for n in (10, 20)]
            refused = delivery(*range(30, 40))
            with pytest.raises(StoreOverloadedError, match="20 events wait") as error:
                committer.commit(refused)
            assert error.value.waiting == 20
        assert [error_of(ticket) for ticket in taken] == [None] * 3
        assert committer.commit(refused) == [Outcome.ACCEPTED] * 10

    assert stored_numbers(either_url) == list(range(40))


def test_what_was_taken_before_close_is_stored_and_nothing_after_it(
    either_url: str,
) -> None:
    database = Database.open(either_url)
    committer = Committer(LogWriter(database))
    taken: list[Ticket] = []
    with held_head(either_url):
        taken += [committer.submit(delivery(n)) for n in range(50)]
        closing = Thread(target=committer.close)
        closing.start()
        with pytest.raises(StoreUnavailableError, match="the store is closed"):
            while True:
                taken.append(committer.submit(delivery(len(taken))))
        assert closing.is_alive()
    closing.join()
    database.close()

    assert all(ticket.wait(0) for ticket in taken)
    assert sorted(stored_numbers(either_url)) == list(range(len(taken)))


def test_each_caller_of_a_group_that_fails_has_an_error_of_its_own(
    either_url: str,
) -> None:
    """What one adds to its error, a traceback or a note, no other sees."""
    with (
        committing(either_url, busy_seconds=0.2) as committer,
        held_head(either_url),
    ):
        tickets = [committer.submit(delivery(n)) for n in range(20)]
        errors = [error_of(ticket) for ticket in tickets]

    assert len({id(error) for error in errors}) == 20
    lengths = set()
    for error in errors:
        assert isinstance(error, StoreBusyError)
        assert error.waited_seconds == 0.2
        assert isinstance(error.__cause__, OperationalError)
        lengths.add(len(traceback.extract_tb(error.__traceback__)))
    assert len(lengths) <= 2  # two groups at most


def test_one_error_for_all_grows_with_each_caller(
    either_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: without a copy for each."""
    monkeypatch.setattr(ticket_module, "copy", lambda error: error)
    with (
        committing(either_url, busy_seconds=0.2) as committer,
        held_head(either_url),
    ):
        tickets = [committer.submit(delivery(n)) for n in range(20)]
        errors = [error_of(ticket) for ticket in tickets]

    assert len({id(error) for error in errors}) <= 2


@pytest.mark.parametrize("moment", [0.005, 3600])
def test_one_who_does_not_wake_the_next_holds_it_up_for_a_moment(
    moment: float, monkeypatch: pytest.MonkeyPatch, either_url: str
) -> None:
    """The control has a moment that does not end."""
    monkeypatch.setattr(committer_module, "LINGER_SECONDS", moment)
    with committing(either_url) as committer:
        with held_head(either_url):
            committer.submit(delivery(0))  # waits for the head; the rest for this one
            stopped, behind = (committer.submit(delivery(n)) for n in (1, 2))
            stopped._turn.waited_for = True  # by a thread that does not go on
        if moment < 1:
            assert behind.wait(60)
        else:
            with pytest.raises(StoreBusyError):
                behind.wait(1)
    assert stored_numbers(either_url) == [0, 1, 2]


def test_a_closed_store_takes_nothing_more(either_url: str) -> None:
    store = ProfileStore.open(either_url)
    store.append([event(1)])
    store.close()

    with pytest.raises(StoreUnavailableError, match="the store is closed"):
        store.append([event(2)])
    assert stored_numbers(either_url) == [1]


def redelivered(events: int, times: int) -> list[list[dict[str, Any]]]:
    """Deliver each event so many times, shuffled and batched anew."""
    seeded = random.Random(events)
    every = [event(n, f"p{n % 97}") for n in range(events)] * times
    seeded.shuffle(every)
    batches = []
    while every:
        size = seeded.choice((1, 5, 50, 500))
        batches.append(every[:size])
        every = every[size:]
    return batches


@pytest.mark.parametrize("events", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_delivered_five_times_by_16_threads_each_event_is_stored_once(
    either_url: str, events: int
) -> None:
    """Where the same id comes with other content, both contents are kept."""
    batches = redelivered(events, 5)
    others = [event(n, f"p{n % 97}", etag="other") for n in range(0, events, 100)]
    known = [event(n, f"p{n % 97}", etag="first") for n in range(0, events, 100)]
    with ProfileStore.open(either_url) as store:
        store.append(known)
        with ThreadPoolExecutor(16) as pool:
            tasks = [*batches, others, others]
            receipt = sum(pool.map(store.append, tasks), Receipt())
        conflicts = [entry.rejection for entry in store.quarantine.entries()]

    assert receipt.received == events * 5 + len(others) * 2
    assert receipt.accepted == events - len(known)
    assert receipt.quarantined == len(others) * 2
    assert receipt.duplicate == events * 4 + len(known)
    assert sorted(stored_numbers(either_url)) == list(range(events))
    assert {json.loads(c.text)["etag"] for c in conflicts} == {"other"}
    assert {c.event_id for c in conflicts} == {one["eventId"] for one in others}


def test_without_looking_the_ids_up_a_second_delivery_fails(
    either_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: the database itself would not take it twice."""
    monkeypatch.setattr(group_module, "_stored", lambda *_: {})
    with ProfileStore.open(either_url) as store:
        store.append([event(1)])

        with pytest.raises(StorageError, match=r"(?i)unique"):
            store.append([event(1)])


def test_ignoring_what_the_database_has_loses_what_is_different(url: str) -> None:
    """The control for conflicts: answered, and nowhere to be found."""
    rows(url, "CREATE TABLE plain (event_id TEXT PRIMARY KEY, etag TEXT)")
    for etag in ("first", "other"):
        rows(url, f"INSERT INTO plain VALUES ('e1', '{etag}') ON CONFLICT DO NOTHING")

    assert rows(url, "SELECT etag FROM plain") == [("first",)]
