"""What a power cut leaves of a store, at the points of a log of calls."""

import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.exc import DBAPIError

from profilestore import ProfileStore, StorageError
from profilestore.infrastructure.log.logged_event import link
from profilestore.infrastructure.log.schema import GENESIS
from tests.faults.call_log import Call, Disk

MEMORY = next(filter(os.path.isdir, ("/dev/shm",)), None)
"""Where an image is made: there its own syncs cost nothing."""


@dataclass
class Found:
    """What was found in the images of a run."""

    calls: int = 0
    images: int = 0
    losing: int = 0
    """Images that lack acknowledged events."""
    lost: int = 0
    """The most that were lacking."""
    broken: int = 0
    """Images that are no sound store: damaged, or with half a batch."""

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {self.images} images: {self.losing} lack "
            f"acknowledged events (at most {self.lost}), {self.broken} are broken"
        )


def cut(
    calls: Sequence[Call], ends: Sequence[int], before: str, seeds: int = 0
) -> Found:
    """Cut the power before each call of these kinds; look at what is there then.

    An answer says how many events are acknowledged, `ends` how many there are after
    each batch. Without seeds only what was synced is there, and it changes by the calls
    `s`, `u` and `r` alone; with seeds about half of the rest is, too.
    """
    found = Found(calls=len(calls))
    disk, acknowledged = Disk(), 0
    with TemporaryDirectory(dir=MEMORY) as directory:
        image = Path(directory)
        for number, call in enumerate(calls):
            for seed in range(seeds or 1) if call.kind in before else ():
                luck = random.Random(f"{number} {seed}") if seeds else None
                disk.write(image, luck)
                _look(image, acknowledged, ends, found)
            if call.kind == "a":
                acknowledged = int(call.data)
            disk.do(call)
    return found


def _look(image: Path, acknowledged: int, ends: Sequence[int], found: Found) -> None:
    found.images += 1
    try:
        stored = _stored(image / "store.db")
    except (AssertionError, DBAPIError, sqlite3.DatabaseError, StorageError):
        found.broken += 1
        return
    found.broken += stored not in ends
    lost = max(0, acknowledged - stored)
    found.losing += lost > 0
    found.lost = max(found.lost, lost)


def _stored(file: Path) -> int:
    """Open what is left as a store, and verify it; say how many events it has."""
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with ProfileStore.open(f"sqlite:///{file}") as store:
        events = store.feed(limit=10_000).events
    with closing(sqlite3.connect(file)) as connection:
        ((position, chain),) = connection.execute("SELECT position, chain FROM heads")
        digests = connection.execute("SELECT digest FROM events ORDER BY position")
        assert reduce(link, (digest for (digest,) in digests), GENESIS) == chain
    assert [(event.position, event.event.event_id) for event in events] == [
        (n + 1, f"e{n}") for n in range(position)
    ]
    return int(position)
