"""`copy-to`: the whole store in another database, of either engine, or nothing."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import Tracking
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select

from profilestore import (
    DamagedStoreError,
    ProfileStore,
    SchemaMismatchError,
    StorageError,
    blame,
    current_profile,
    deletion_status,
    device_push,
    history,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.schema import find
from profilestore.infrastructure.log.tables import events, streams
from profilestore.infrastructure.upkeep import copying
from profilestore.infrastructure.upkeep.copying import PAGES, Copied, copy_store
from tests.histories import as_json, deliveries_of, feeds
from tests.integration.appending import appender
from tests.integration.test_backup import Listener
from tests.integration.test_cli import Shell
from tests.postgresql import Server, plain
from tests.postgresql import find as find_server
from tests.simple_events import event

ANSWERS = (current_profile, deletion_status, device_push, history, blame)
BAD = [b"{", b"[1]", b'{"name": "profile.merge", "eventId": "\xff\\u0000"}']
OTHER = event(7) | {"name": "message.read\x00"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def fill(url: str, batches: list[Any]) -> None:
    """Deliver batches, and one of each kind of what stands beside the log."""
    with ProfileStore.open(url) as store:
        for batch in batches:
            store.append(as_json(batch))
        for bad in BAD:
            store.append(bad)
        store.append([OTHER, OTHER])
        entry = next(iter(store.quarantine.entries()))
        store.quarantine.discard(entry.id, by="ann", why="a test")
        for partition in range(store.partitions):
            store.recorder_of(partition).insert_tracking(Tracking("other", 7))


def copy(source: str, target: str) -> Copied:
    from_, to = Database.open(source), Database.connect(target)
    try:
        return copy_store(from_, to)
    finally:
        from_.close()
        to.close()


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that a store holds, but for caches."""
    database = Database.open(url)
    with database.read() as connection:
        found = {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    select(table).order_by(*table.primary_key.columns)
                )
            ]
            for table in PAGES
        }
    database.close()
    return found


def answers(url: str) -> dict[Any, list[bytes]]:
    """Every answer about every profile."""
    database = Database.open(url)
    with database.read() as connection:
        query = select(streams.c.api_space_id, streams.c.profile_id)
        keys = [tuple(row) for row in connection.execute(query)]
    database.close()
    with ProfileStore.open(url) as store:
        return {
            key: [answer(store.profile(*key)).to_json() for answer in ANSWERS]
            for key in keys
        }


def batches(count: int) -> list[Any]:
    """Some profiles' events as they may arrive, the same each time."""
    drawn: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(feeds().flatmap(deliveries_of))
    def draw(deliveries: Any) -> None:
        drawn.extend(deliveries)

    draw()
    return drawn


@pytest.mark.parametrize(
    "way",
    [
        ("file-1", "postgresql", "file"),
        ("postgresql-8", "file", "postgresql"),
        ("file-8", "file", "file"),
    ],
    ids="-to-".join,
)
def test_a_copy_and_its_copy_are_the_same_store(
    way: tuple[str, ...], new_url: Callable[[str], str]
) -> None:
    """Rows, order, chain, answers; and what was delivered is all duplicate there."""
    first, *others = map(new_url, way)
    deliveries = batches(30)
    fill(first, deliveries)
    was, told = contents(first), answers(first)
    assert len(was["events"]) > 50
    assert len(told) > 3

    here = first
    for there in others:
        done = copy(here, there)
        assert done.events == len(was["events"])
        assert done.quarantine == len(was["quarantine"]) >= 3
        assert contents(there) == was
        assert answers(there) == told
        here = there

    with ProfileStore.open(here) as store:
        assert sum(store.append(as_json(b)).accepted for b in deliveries) == 0
        assert store.append([event(99, "new")]).accepted == 1
    assert len(contents(first)["events"]) + 1 == len(contents(here)["events"])


def test_a_copy_of_a_busy_store_is_of_one_moment(
    new_url: Callable[[str], str], tmp_path: Path
) -> None:
    """All that was acknowledged before is in it, and no hole."""
    for source, target in (("file-1", "postgresql"), ("postgresql-8", "file")):
        url, there = new_url(source), new_url(target)
        listener = Listener(appender(url, 0, 20))
        try:
            while len(before := listener.told()) < 200:
                pass
            copied = copy(url, there)
        finally:
            listener.end()

        rows = contents(there)["events"]
        state = list(events.columns.keys()).index("state")
        assert before <= {json.loads(row[state])["payload"]["n"] for row in rows}
        assert copied.events == len(rows) < len(contents(url)["events"])


def keep_as_it_came(url: str) -> None:
    """Put U+0000 where schema 0001 kept it, beside a name that was escaped since."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as owner:
        owner.execute("UPDATE quarantine SET ingress = 'file:a' || char(0) || 'b'")
        owner.execute("INSERT INTO ignored VALUES (0, 'chat.' || char(0), 3)")
    owner.close()


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_what_an_older_schema_kept_as_it_came_is_escaped_in_a_copy(
    kind: str, store: ProfileStore, url: str, new_url: Callable[[str], str]
) -> None:
    store.append([event(1), {"name": "profile.merge"}, event(2, name="chat.\0")])
    keep_as_it_came(url)

    copy(url, there := new_url(kind))

    with ProfileStore.open(there) as other:
        assert other.stats()["ignored"] == {"chat.\\x00": 4}
        (entry,) = other.quarantine.entries()
        assert entry.ingress == "file:a\\x00b"


def test_as_it_came_it_cannot_be_copied_to_postgresql(
    store: ProfileStore,
    url: str,
    new_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control of the test above."""
    store.append([event(1), {"name": "profile.merge"}])
    keep_as_it_came(url)
    monkeypatch.setattr(copying, "storable", lambda text: text)

    with pytest.raises(StorageError):
        copy(url, new_url("postgresql"))


@pytest.mark.parametrize("kind", ["file", "postgresql"])
@pytest.mark.parametrize("taken", ["store", "foreign"])
def test_a_target_that_is_not_empty_is_refused(
    kind: str, taken: str, store: ProfileStore, url: str, new_url: Callable[[str], str]
) -> None:
    store.append([event(1)])
    there = new_url(f"{kind}-1" if taken == "store" else kind)
    if taken == "foreign":
        database = Database.connect(there)
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE events (name VARCHAR)")
        database.close()

    with pytest.raises(SchemaMismatchError, match=r"already|something else"):
        copy(url, there)
    with pytest.raises(SchemaMismatchError, match="already"):
        copy(url, url)
    if taken == "store":
        assert contents(there)["events"] == []


COPIER = """
import os, signal, sys
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.upkeep.copying import copy_store
def tell(done, total):
    if done >= total / 2:
        print("half", flush=True)
        if sys.argv[3] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("broken off")
copy_store(Database.open(sys.argv[1]), Database.connect(sys.argv[2]), tell)
"""


@pytest.mark.parametrize("kind", ["file", "postgresql"])
@pytest.mark.parametrize("ending", ["kill", "error"])
def test_a_copy_broken_off_leaves_an_empty_target(
    kind: str, ending: str, store: ProfileStore, url: str, new_url: Callable[[str], str]
) -> None:
    store.append([event(n, f"p{n}") for n in range(1000)])
    there = new_url(kind)

    done = subprocess.run(
        [sys.executable, "-c", COPIER, url, there, ending],
        check=False,
        capture_output=True,
    )

    assert done.stdout == b"half\n"
    assert done.returncode == (-signal.SIGKILL if ending == "kill" else 1)
    assert revision(there) is None
    assert copy(url, there).events == 1000


def test_without_its_transaction_a_copy_broken_off_leaves_half(
    store: ProfileStore, url: str, new_url: Callable[[str], str]
) -> None:
    """The control of the test above: each page on its own."""
    store.append([event(n, f"p{n}") for n in range(1000)])
    there = new_url("file")
    alone = COPIER.replace(
        "def tell",
        "from profilestore.infrastructure.upkeep import copying\n"
        "insert = copying.insert_rows\n"
        "def each(connection, *rows):\n"
        "    insert(connection, *rows)\n"
        "    connection.connection.driver_connection.commit()\n"
        "copying.insert_rows = each\n"
        "def tell",
    )

    subprocess.run(
        [sys.executable, "-c", alone, url, there, "kill"],
        check=False,
        capture_output=True,
    )

    assert revision(there) is not None


def revision(url: str) -> str | None:
    database = Database.connect(url)
    with database.read() as connection:
        found = find(connection)
    database.close()
    return found


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_a_copy_that_lacks_a_row_is_not_kept(
    kind: str,
    store: ProfileStore,
    url: str,
    new_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.append([event(n, f"p{n}") for n in range(10)])
    there = new_url(kind)
    insert = copying.insert_rows
    monkeypatch.setattr(
        copying,
        "insert_rows",
        lambda connection, table, rows: insert(
            connection, table, rows[1:] if table is events else rows
        ),
    )

    with pytest.raises(DamagedStoreError, match="events has 9 rows, not 10"):
        copy(url, there)
    assert revision(there) is None


def test_copy_to_says_what_it_did(
    shell: Shell, new_url: Callable[[str], str], published_events: bytes
) -> None:
    shell("append", stdin=published_events + b"[1]")

    said = shell.json("copy-to", there := new_url("postgresql"))
    again = shell("--database", there, "copy-to", "sqlite:///again.db")

    assert said == {"partitions": 1, "events": 5, "profiles": 3, "quarantine": 1}
    assert again.stdout == b"5 events of 3 profiles copied to sqlite:///again.db\n"
    assert again.stderr == b""
    first = shell.json("stats")
    assert shell.json("stats", PROFILESTORE_DATABASE=there) == first
    assert shell.json("stats", PROFILESTORE_DATABASE="sqlite:///again.db") == first
    assert "already" in shell.fails(6, "copy-to", there)
    assert "names no file" in shell.fails(2, "copy-to", "sqlite://")
    assert "sqlite:///FILE" in shell.fails(2, "copy-to", "again.db")


def test_a_dump_restored_in_another_server_hides_no_event(
    tmp_path: Path, new_url: Callable[[str], str]
) -> None:
    """A fresh server counts its transactions from the beginning; we count events."""
    binaries = find_server()
    if binaries is None:
        pytest.skip("pg_dump is not there")
    old, new = Server(binaries), Server(binaries)
    try:
        ProfileStore.init(old.url, partitions=8)
        fill(old.url, batches(10))
        was, told = contents(old.url), answers(old.url)
        dumped = subprocess.run(
            [binaries / "pg_dump", "--format=custom", plain(old.url)],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [binaries / "pg_restore", "--exit-on-error", "-d", plain(new.url)],
            input=dumped.stdout,
            check=True,
        )

        assert contents(new.url) == was
        assert answers(new.url) == told
        with ProfileStore.open(new.url) as store:
            read = sum(len(store.feed(partition=p).events) for p in range(8))
            assert read == len(was["events"])
            more = [event(n, f"more {n}") for n in range(20)]
            assert store.append(more).accepted == 20
            read = sum(len(store.feed(partition=p).events) for p in range(8))
            assert read == len(was["events"]) + 20
        database = Database.open(new.url)
        with pytest.raises(Exception, match="append-only"), database.write() as on:
            on.exec_driver_sql("DELETE FROM events")
        database.close()
    finally:
        old.close()
        new.close()
