"""How a store is: whether it would take an append now, and what to watch of it."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import StoreOverloadedError, StoreUnavailableError

from .log.committer import Committer
from .log.database import Database
from .log.tables import heads, quarantine
from .readmodels.gaps import NONE, Gaps, find_gaps
from .readmodels.generation import Generation, Phase

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""Of the disk a SQLite store is on: as much as its WAL commonly takes."""


@dataclass(frozen=True)
class Measures:
    """What was measured of a store at one moment of it."""

    waiting: int
    """Events in this process's queue, beside those being written."""
    positions: dict[int, int]
    """The last position of each partition."""
    lag: dict[str, int]
    """By update policy: events that its read model does not have yet."""
    quarantine: dict[str, int]
    """By reason: entries that wait for a decision."""


class Vitals:
    """Looks at a store from beside it; cheap enough to be asked every few seconds."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        policies: Iterable[UpdatePolicy],
    ) -> None:
        self._database = database
        self._committer = committer
        self._policies = sorted(set(policies))

    def check(self) -> None:
        """Raise StorageError if an append would not be stored now.

        The database is reachable and has our schema, its disk takes a write and has 64
        MiB left (SQLite), it is no standby (PostgreSQL), the queue is not full.
        """
        self._database.ready(create=False)
        if self._committer.is_full:
            raise StoreOverloadedError(self._committer.waiting)
        if self._database.backend.url.get_backend_name() == "sqlite":
            if not self._database.backend.in_memory:
                _check_disk(Path(str(self._database.backend.url.database)).resolve())
        elif self._database.ask(text("SELECT 1 WHERE pg_is_in_recovery()")):
            raise StoreUnavailableError("the database is a standby: it takes no writes")

    def measure(self) -> Measures:
        """Measure; raise StorageError if the database does not answer."""
        with self._database.read() as connection:
            positions = {
                row.partition: row.position
                for row in connection.execute(
                    select(heads.c.partition, heads.c.position)
                )
            }
            waiting = select(quarantine.c.reason, func.count()).where(
                quarantine.c.settled.is_(None)
            )
            rows = connection.execute(waiting.group_by(quarantine.c.reason))
            return Measures(
                waiting=self._committer.waiting,
                positions=positions,
                lag={p.value: _lag(connection, positions, p) for p in self._policies},
                quarantine={reason: count for reason, count in rows},  # noqa: C416 - a row is no pair to a type checker
            )

    def gaps(self) -> Gaps | None:
        """Say what is missing now, as far as the read models are; None without any.

        What is missing does not depend on how updates are folded: any of them tells.
        Takes some 10 us for each profile that is incomplete.
        """
        with self._database.read() as connection:
            found = [
                self._live(connection, n) for n in range(self._database.partitions)
            ]
            if None in found:
                return None
            return sum((find_gaps(connection, each) for each in found if each), NONE)

    def _live(self, connection: Connection, partition: int) -> Generation | None:
        of_each = (
            Generation.find(connection, partition, policy, Phase.LIVE)
            for policy in self._policies
        )
        return next(filter(None, of_each), None)


def _check_disk(file: Path) -> None:
    """Write and sync a few bytes beside the store's file."""
    try:
        with tempfile.TemporaryFile(dir=file.parent) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        cause = error.strerror or "it cannot be written"
        raise StoreUnavailableError(f"the disk of the store: {cause}") from error
    if free < LEAST_FREE_BYTES:
        raise StoreUnavailableError(f"the disk of the store has {free:,} bytes left")


def _lag(
    connection: Connection, positions: dict[int, int], updates: UpdatePolicy
) -> int:
    found = {
        partition: Generation.find(connection, partition, updates, Phase.LIVE)
        for partition in positions
    }
    return sum(
        end - (live.position if (live := found[partition]) else 0)
        for partition, end in positions.items()
    )
