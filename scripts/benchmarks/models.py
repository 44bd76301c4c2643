"""Read models: derived anew, caught up, and asked, beside the library and the floor."""

import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import psycopg
from library import Profile, Profiles
from workload import SPACE, Figure, timed

from profilestore import ProfileStore
from profilestore.domain.timestamps import parse_timestamp

PROGRAM = Path(sys.executable).with_name("profilestore")
THEN = parse_timestamp("2026-05-03T00:00:00Z")
COLUMNS = "stream_id, version, event_id, name, revision, occurred_at, state"


def figures(
    url: str, peer: dict[str, str], events: Sequence[bytes], more: Sequence[bytes]
) -> Iterator[tuple[str, str, Figure]]:
    """Measure on a new store that has the events; `more` come after."""
    yield "eventsourcing", "rebuild of each aggregate", _library(peer, events)
    with ProfileStore.open(url) as store:
        store.append_stream(io.BytesIO(b"\n".join(events)))
        read = _read_sqlite if url.startswith("sqlite") else _read_postgresql
        floor = timed(len(events), lambda: read(url))
        yield "floor", "the rows, read and parsed", floor
        yield "profilestore", "rebuild", timed(len(events), store.rebuild)
        yield "profilestore", "rebuild, 2 jobs", _processes(url, len(events))
        store.append_stream(io.BytesIO(b"\n".join(more)))
        yield (
            "profilestore",
            "catch-up after new events",
            timed(len(more), lambda: store.count(SPACE)),
        )


def answers(url: str) -> Iterator[tuple[str, float]]:
    """Measure the milliseconds that questions take, in a store that has been asked."""
    with ProfileStore.open(url) as store:
        for what, ask in _questions(store).items():
            ask()
            count = 20
            figure = timed(count, lambda: [ask() for _ in range(count)])  # noqa: B023
            yield what, 1000 / figure.rate


def _questions(store: ProfileStore) -> dict[str, Callable[[], object]]:
    return {
        "count": lambda: store.count(SPACE),
        "count --status --reachable": lambda: store.count(
            SPACE, status="active", reachable=True
        ),
        "count --where": lambda: store.count(SPACE, where="name=Joe Blogs 7"),
        "count --valid-at": lambda: store.count(SPACE, valid_at=THEN),
        "list, 100 profiles": lambda: list(store.profiles(SPACE, limit=100)),
        "list --status, 100 profiles": lambda: list(
            store.profiles(SPACE, status="deleted", limit=100)
        ),
        "list --valid-at, 100 profiles": lambda: list(
            store.profiles(SPACE, valid_at=THEN, limit=100)
        ),
        "show at the head": lambda: store.current(SPACE, "joe.blogs.7@example.com"),
    }


def _processes(url: str, events: int) -> Figure:
    """Rebuild as the command does; say how much memory its processes took at most."""
    command = [sys.executable, "-c", _WATCHED, PROGRAM, "--database", url, "rebuild"]
    command += ["--jobs", "2"]
    return timed(events, lambda: subprocess.run(command, check=True))


_WATCHED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"  the largest process of the next had {most:,.0f} MB")
"""


def _library(environment: dict[str, str], events: Sequence[bytes]) -> Figure:
    """Rebuild each aggregate through the repository, as the library has it."""
    application = Profiles(environment)
    profiles: dict[str, Profile] = {}
    for text in events:
        told = json.loads(text)
        key = told["payload"]["id"]
        if key in profiles:
            profiles[key].update(told["payload"])
        else:
            profiles[key] = Profile(key, told["payload"])
    for profile in profiles.values():
        application.save(profile)
    ids = [profile.id for profile in profiles.values()]
    figure = timed(len(events), lambda: [application.repository.get(i) for i in ids])
    application.close()
    return figure


def _read_sqlite(url: str) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    query = f"SELECT {COLUMNS} FROM events WHERE partition = 0 ORDER BY position"
    for row in connection.execute(query):
        orjson.loads(row[-1])
    connection.close()


def _read_postgresql(url: str) -> None:
    query = f"SELECT {COLUMNS} FROM events WHERE partition = 0 ORDER BY position"
    with (
        psycopg.connect(url.replace("+psycopg", "", 1)) as connection,
        connection.cursor("floor", binary=True) as cursor,
    ):
        cursor.itersize = 2000
        cursor.execute(query)
        for row in cursor:
            orjson.loads(row[-1])
