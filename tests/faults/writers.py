"""Processes that write to one log, by all ways there are, in many threads."""

import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from profilestore import ProfileStore
from profilestore.domain.envelope import read_event
from profilestore.domain.events import ProfileEvent
from profilestore.domain.timestamps import to_microseconds
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.head import Head, NewEvent
from tests.simple_events import event

THREADS = 8


class UndoneError(Exception):
    """Ends a transaction that is not to be committed."""


def write(connection: Connection, url: str, name: str, seconds: float) -> None:
    """Write for a while; say how many events were stored and transactions undone.

    Half of the threads append; the others take the head of the log themselves, and
    undo 10 % of what they do.
    """
    database, store = Database.open(url), ProfileStore.open(url)
    connection.send("ready")
    connection.recv()
    end = time.monotonic() + seconds

    def work(thread: int) -> tuple[int, int]:
        seeded = random.Random(f"{name}-{thread}")
        stored = undone = 0
        for number in count():
            if time.monotonic() > end:
                return stored, undone
            batch = batch_of(f"{name}-{thread}-{number}", seeded.randint(1, 20))
            if thread % 2:
                stored += store.append(batch).accepted
                continue
            with suppress(UndoneError), putting(database, batch):
                if seeded.random() < 0.1:
                    undone += 1
                    raise UndoneError
                stored += len(batch)
            time.sleep(seeded.random() / 100)  # others of this process get a turn
        raise AssertionError

    with ThreadPoolExecutor(THREADS) as pool:
        connection.send(list(pool.map(work, range(THREADS))))
    store.close()
    database.close()


def hold(connection: Connection, url: str, seconds: float) -> None:
    """Hold a transaction open that has taken positions, then commit it."""
    database = Database.open(url)
    with putting(database, batch_of("held", 3)):
        connection.send("taken")
        time.sleep(seconds)
    database.close()
    connection.send("stored")


def batch_of(profile: str, size: int) -> list[dict[str, Any]]:
    """Make events of a profile of their own."""
    return [event(n, profile) for n in range(size)]


@contextmanager
def putting(database: Database, batch: list[dict[str, Any]]) -> Iterator[None]:
    """Write a batch without the committer, in a transaction that is still open."""
    read = [read_event(json.dumps(one).encode()) for one in batch]
    events = [one for one in read if isinstance(one, ProfileEvent)]
    profiles = {one.profile.stream_id.bytes: one.profile for one in events}
    with database.write() as transaction:
        head = Head.lock(transaction, 0)
        head.append([_new(e, n) for n, e in enumerate(events, 1)], profiles)
        yield


def _new(of: ProfileEvent, version: int) -> NewEvent:
    return NewEvent(
        of.profile.stream_id.bytes,
        version,
        of.event_id.encode(),
        of.name,
        of.revision,
        to_microseconds(of.occurred_at),
        of.text,
    )
