"""The event sourcing library with its own recorders, beside which we are measured."""

import json
import os
from collections.abc import Iterator, Sequence
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from workload import Figure, concurrently, timed

THREADS = 64


class Profile(Aggregate):
    """A profile as the library's documentation would have it."""

    @event("Created")
    def __init__(self, key: str, payload: dict) -> None:
        self.key = key
        self.data = payload

    @staticmethod
    def create_id(key: str) -> UUID:
        """Find a profile by what it is called."""
        return uuid5(NAMESPACE_URL, key)

    @event("Updated")
    def update(self, payload: dict) -> None:
        """Merge what is new."""
        self.data = {**self.data, **payload}


class Profiles(Application):
    """One aggregate loaded and saved for each event."""

    def receive(self, text: bytes) -> None:
        """Take one event."""
        told = json.loads(text)
        key = told["apiSpaceId"] + told["payload"]["id"]
        try:
            profile = self.repository.get(Profile.create_id(key))
        except AggregateNotFoundError:
            profile = Profile(key, told["payload"])
        else:
            profile.update(told["payload"])
        self.save(profile)


def figures(
    environment: dict[str, str], events: Sequence[bytes]
) -> Iterator[tuple[str, Figure]]:
    """Measure its way of doing it, then its recorder alone, which does much less."""
    # Its own connections wait for each other: as many as there are threads is its best.
    application = Profiles({**environment, "POSTGRES_POOL_SIZE": "64"})
    idiomatic = events[: len(events) // 10]
    yield (
        "an aggregate for each event",
        timed(
            len(idiomatic), lambda: [application.receive(text) for text in idiomatic]
        ),
    )
    recorder = application.recorder
    yield (
        "recorder, 500 events at once",
        timed(
            len(events),
            lambda: [
                recorder.insert_events([_stored(text) for text in events[n : n + 500]])
                for n in range(0, len(events), 500)
            ],
        ),
    )
    singles = events[: len(events) // 10]
    yield (
        f"recorder, single events, {THREADS} threads",
        concurrently(
            THREADS, singles, lambda text: recorder.insert_events([_stored(text)])
        ),
    )
    application.close()


def _stored(text: bytes) -> StoredEvent:
    return StoredEvent(uuid4(), 1, "profile.update", text)


def on_sqlite(path: str) -> dict[str, str]:
    """Give its settings for a file; it leaves `synchronous` as the build has it."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": path,
        "SQLITE_LOCK_TIMEOUT": "60",
    }


def on_postgresql(host: str, port: int, user: str, schema: str) -> dict[str, str]:
    """Give its settings for a schema of a server."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": "postgres",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": str(port),
        "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": os.environ.get("PGPASSWORD", "x"),
        "POSTGRES_SCHEMA": schema,
        "POSTGRES_POOL_TIMEOUT": "60",
        "POSTGRES_LOCK_TIMEOUT": "60",
        "POSTGRES_MAX_OVERFLOW": "8",
    }
