"""A PostgreSQL server that crashes, ends sessions, loses answers, or is not durable."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Queue
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from profilestore import (
    LeftUnstoredError,
    ProfileStore,
    StoreBusyError,
    StoreUnavailableError,
)
from profilestore.infrastructure.log import postgresql as postgresql_module
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.head import Head
from tests.faults.log import (
    delivery,
    error_of,
    held_head,
    stored_numbers,
)
from tests.faults.sources import sources
from tests.postgresql import Server, plain
from tests.simple_events import SPACE, event, rows


@pytest.fixture
def owner(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(plain(server.url), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("crashes", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_what_was_answered_survives_a_crash_of_the_server(
    server: Server, server_url: str, crashes: int
) -> None:
    with sources(server_url) as delivering:
        for _ in range(crashes):
            delivering.wait_for_more()
            server.stop("immediate")
            server.start()
        delivering.wait_for_more()
    assert delivering.failures > 0


def test_answered_before_it_is_durable_it_is_lost_in_a_crash(
    server: Server, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with the check of the settings off."""
    monkeypatch.setattr(postgresql_module, "_check", lambda _: None)
    with setting(server, "wal_writer_delay", "10s"), asynchronous(server):
        with ProfileStore.open(server_url) as store:
            store.append([event(1)])
        server.stop("immediate")
        server.start()

    assert rows(server_url, "SELECT position FROM events") == []


def test_a_restart_of_the_server_is_no_error_to_who_asks(
    server: Server, server_url: str
) -> None:
    """The connections that were kept are lost: the question is asked on another."""
    with ProfileStore.open(server_url) as store:
        store.append([event(1)])
        key = store.key(SPACE, "joe")
        questions: list[Callable[[], object]] = [
            lambda: store.current(*key).to_json(),
            lambda: store.profile(*key).version,
            lambda: store.feed().position,
            store.stats,
            lambda: list(store.quarantine.entries()),
        ]
        before = [ask() for ask in questions]
        for ask, answer in zip(questions, before, strict=True):
            server.stop("fast")
            server.start()
            assert ask() == answer
        server.stop("fast")
        server.start()
        assert store.append([event(2)]).accepted == 1


def test_asked_only_once_a_lost_connection_is_an_error(
    server: Server, server_url: str
) -> None:
    """The control of the test above, for a single query and for a transaction."""
    database = Database.open(server_url)
    server.stop("fast")
    server.start()
    with pytest.raises(StoreUnavailableError):
        database._ask(select(1), None)
    database.ask(select(1))
    server.stop("fast")
    server.start()
    with pytest.raises(OperationalError):
        database._begin(database.backend.reader, 0, again=False)
    database.close()


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_sessions_that_are_ended_lose_nothing(
    owner: psycopg.Connection, server_url: str, seconds: int
) -> None:
    ended = 0
    with sources(server_url) as delivering:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            delivering.wait_for_more(1)
            ended += owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'profilestore'"
            ).rowcount
            time.sleep(0.05)
    print(f"{ended:,} sessions ended")
    assert ended > seconds


def test_a_server_that_does_not_sync_is_refused(
    server: Server, server_url: str
) -> None:
    with (
        setting(server, "fsync", "off"),
        pytest.raises(StoreUnavailableError, match=r"fsync = off.*postgresql\.conf"),
    ):
        ProfileStore.open(server_url)

    ProfileStore.open(server_url).close()


def test_a_role_that_does_not_wait_for_the_disk_is_refused(
    server: Server, server_url: str
) -> None:
    with asynchronous(server):
        refused = "synchronous_commit = off.*set it to on for this role"
        with pytest.raises(StoreUnavailableError, match=refused):
            ProfileStore.open(server_url)

    ProfileStore.open(server_url).close()


def test_commits_stay_durable_when_the_servers_settings_change(
    server: Server, server_url: str
) -> None:
    """A store that is open keeps what it was opened with."""
    with ProfileStore.open(server_url) as store:
        store.append([event(1)])
        with (
            setting(server, "synchronous_commit", "off"),
            setting(server, "wal_writer_delay", "10s"),
        ):
            store.append([event(2)])
            server.stop("immediate")
            server.start()

    assert stored_numbers(server_url) == [1, 2]


@contextmanager
def hung(owner: psycopg.Connection) -> Iterator[None]:
    """Stop the server's processes that serve a store, so that they say nothing."""
    found = owner.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'profilestore'"
    ).fetchall()
    for (pid,) in found:
        os.kill(pid, signal.SIGSTOP)
    yield
    for (pid,) in found:
        os.kill(pid, signal.SIGCONT)


def test_a_store_closes_though_its_server_does_not_answer(
    owner: psycopg.Connection, server_url: str
) -> None:
    """And says how much may be lost by that; what waited is told, too."""
    store = ProfileStore.open(server_url)
    store.append([event(1)])
    committer = store._committer
    committer._wait_seconds = 0.5
    with hung(owner):
        writing = committer.submit(delivery(2, 3))
        while committer._queue:
            time.sleep(0.01)  # until it is being written
        waiting = committer.submit(delivery(4))
        with pytest.raises(LeftUnstoredError, match="3 events") as caught:
            store.close()
        assert caught.value.events == 3
        with pytest.raises(LeftUnstoredError, match="3 events"):
            waiting.wait(0)
    error_of(writing)

    assert stored_numbers(server_url) in ([1], [1, 2, 3])


def test_without_a_bound_a_store_is_never_closed(
    owner: psycopg.Connection, server_url: str
) -> None:
    """The control of the test above: closing ends when the server goes on."""
    store = ProfileStore.open(server_url)
    store.append([event(1)])
    store._committer._wait_seconds = 600
    with hung(owner):
        store._committer.submit(delivery(2))
        closing = Thread(target=store.close)
        closing.start()
        closing.join(1)
        assert closing.is_alive()
    closing.join()

    assert stored_numbers(server_url) == [1, 2]


@contextmanager
def asynchronous(server: Server) -> Iterator[None]:
    """Let new sessions not wait for the disk."""
    with psycopg.connect(plain(server.url), autocommit=True) as connection:
        connection.execute("ALTER ROLE postgres SET synchronous_commit = off")
    yield
    with psycopg.connect(plain(server.url), autocommit=True) as connection:
        connection.execute("ALTER ROLE postgres RESET synchronous_commit")


@contextmanager
def setting(server: Server, name: str, value: str) -> Iterator[None]:
    """Change a setting of the server and let all its sessions know."""

    def change(statement: str) -> None:
        with psycopg.connect(plain(server.url), autocommit=True) as connection:
            before = shown(connection)
            connection.execute(SQL(statement))  # type: ignore[arg-type]
            connection.execute("SELECT pg_reload_conf()")
            while shown(connection) == before:
                time.sleep(0.01)

    def shown(connection: psycopg.Connection) -> object:
        return connection.execute(SQL(f"SHOW {name}")).fetchone()  # type: ignore[arg-type]

    change(f"ALTER SYSTEM SET {name} = '{value}'")
    yield
    change(f"ALTER SYSTEM RESET {name}")


@contextmanager
def busy_server(server: Server) -> Iterator[None]:
    """Hold transactions open in another table and database, and 57 advisory locks."""
    with ExitStack() as stack:

        def session(database: str) -> psycopg.Connection:
            connection = psycopg.connect(plain(server.url), dbname=database)
            return stack.enter_context(connection)

        owner = session("postgres")
        owner.autocommit = True
        owner.execute("DROP DATABASE IF EXISTS other")
        owner.execute("CREATE DATABASE other")
        for database in ("postgres", "other"):
            writer = session(database)
            name = f"unrelated_{uuid4().hex}"
            writer.execute(SQL(f"CREATE TABLE {name} (number integer)"))  # type: ignore[arg-type]
            writer.execute(SQL(f"INSERT INTO {name} VALUES (1)"))  # type: ignore[arg-type]
        for number in range(57):
            session("postgres").execute("SELECT pg_advisory_lock(%s)", [number])
        yield


@pytest.mark.parametrize("busy_seconds", [0, 0.0001, 0.25])
def test_who_does_not_want_to_wait_does_not_wait_for_ever(
    server_url: str, busy_seconds: float
) -> None:
    """To the server no time is for ever."""
    database = Database.open(server_url, busy_seconds=busy_seconds)
    with database.write() as connection:
        (limit,) = connection.exec_driver_sql("SHOW lock_timeout").one()
    assert limit == ("250ms" if busy_seconds == 0.25 else "1ms")
    with (
        held_head(server_url),
        pytest.raises(StoreBusyError),
        database.write() as connection,
    ):
        Head.lock(connection, 0)
    database.close()


def test_transactions_of_others_never_stall_a_reader(
    server: Server, server_url: str
) -> None:
    seen, stop = Queue[int](), Event()
    with ProfileStore.open(server_url) as store:

        def follow() -> None:
            for recorded in store.follow(stop=stop):
                seen.put(recorded.position)

        reader = Thread(target=follow)
        reader.start()
        with busy_server(server):
            for position in range(1, 6):
                store.append([event(position)])
                assert seen.get(timeout=5) == position
        stop.set()
        reader.join()


def test_readers_by_transaction_id_stall(
    server: Server, owner: psycopg.Connection, new_url: Callable[[str], str]
) -> None:
    """The control of the test above: a log that is read as far as all have committed."""
    read = "SELECT count(*) FROM {} WHERE xid < pg_snapshot_xmin(pg_current_snapshot())"
    owner.execute(
        "CREATE TABLE by_xid (xid xid8 DEFAULT pg_current_xact_id(), n integer)"
    )
    with busy_server(server):
        owner.execute("INSERT INTO by_xid (n) VALUES (1)")
        assert owner.execute(SQL(read).format(SQL("by_xid"))).fetchone() == (0,)

    assert owner.execute(SQL(read).format(SQL("by_xid"))).fetchone() == (1,)
