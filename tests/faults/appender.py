"""What the processes of these tests do: make stores and append to them."""

import random
from multiprocessing.connection import Connection
from typing import Any

from profilestore import ProfileStore
from profilestore.infrastructure.log import head, schema, sqlite
from tests.simple_events import event


def batch(first: int, size: int) -> list[dict[str, Any]]:
    return [event(n, f"p{n % 7}") for n in range(first, first + size)]


def append(url: str, first: int, count: int, size: int) -> None:
    """Append events with consecutive numbers, batch by batch."""
    with ProfileStore.open(url) as store:
        for start in range(first, first + count, size):
            store.append(batch(start, size))


def append_deferred(url: str, first: int, count: int, size: int) -> None:
    """Append to a file without taking its lock at the start of a transaction."""
    engine = sqlite._engine
    sqlite._engine = lambda url, _, busy, readonly: engine(
        url, "DEFERRED", busy, readonly=readonly
    )
    append(url, first, count, size)


def append_unlocked(url: str, first: int, count: int, size: int) -> None:
    """Append without waiting for the head of the log."""
    head._LOCKING = dict.fromkeys(head._LOCKING, "")
    append(url, first, count, size)


def make(url: str, partitions: int) -> None:
    ProfileStore.init(url, partitions=partitions)


def make_unlocked(url: str, partitions: int) -> None:
    """Make a store without waiting for others that do so."""
    schema._LOCK = f"{schema._LOCK}) WHERE (false"  # type: ignore[assignment]
    make(url, partitions)


def append_for_ever(
    connection: Connection,
    url: str,
    seed: float,
    delivered: dict[int, int],
    *options: str,
) -> None:
    """Say which batches are tried and which are stored, if `early` before they are.

    A batch has up to 500 events. 30 % are batches that were delivered before, also to
    others: `delivered` has their sizes by their first numbers.
    """
    seeded = random.Random(seed)
    with ProfileStore.open(url) as store:
        while True:
            if delivered and seeded.random() < 0.3:
                first = seeded.choice(list(delivered))
            else:
                first = sum(delivered.values())
                delivered[first] = seeded.randint(1, 500)
            connection.send(("tries", first, delivered[first]))
            if "early" in options:
                connection.send(("has", first, delivered[first]))
            store.append(batch(first, delivered[first]))
            connection.send(("has", first, delivered[first]))
