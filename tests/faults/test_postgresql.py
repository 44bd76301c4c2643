"""A PostgreSQL server that crashes, ends sessions, loses answers, or is not durable."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Queue
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from psycopg.sql import SQL

from profilestore import (
    ProfileStore,
    StorageError,
    StoreBusyError,
    StoreUnavailableError,
)
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.log import postgresql as postgresql_module
from profilestore.infrastructure.log import writer as writer_module
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.head import Head
from tests.faults.appender import batch
from tests.faults.held import held_head
from tests.faults.proxy import Proxy
from tests.faults.sources import sources
from tests.postgresql import Server, plain, schema_url
from tests.simple_events import event, rows


@pytest.fixture
def url(server: Server) -> str:
    url = schema_url(server.url)
    ProfileStore.init(url)
    return url


@pytest.fixture
def owner(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(plain(server.url), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("crashes", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_what_was_answered_survives_a_crash_of_the_server(
    server: Server, url: str, crashes: int
) -> None:
    with sources(url) as delivering:
        for _ in range(crashes):
            delivering.wait_for_more()
            server.stop("immediate")
            server.start()
        delivering.wait_for_more()
    assert delivering.failures > 0


def test_answered_before_it_is_durable_it_is_lost_in_a_crash(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with the check of the settings off."""
    monkeypatch.setattr(postgresql_module, "_check", lambda _: None)
    with setting(server, "wal_writer_delay", "10s"), asynchronous(server):
        with ProfileStore.open(url) as store:
            store.append([event(1)])
        server.stop("immediate")
        server.start()

    assert rows(url, "SELECT position FROM events") == []


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_sessions_that_are_ended_lose_nothing(
    owner: psycopg.Connection, url: str, seconds: int
) -> None:
    ended = 0
    with sources(url) as delivering:
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


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as opened:
        yield opened


@pytest.fixture
def far_store(server: Server, url: str, proxy: Proxy) -> Iterator[ProfileStore]:
    """The store, beyond a network that loses what the proxy is armed to lose."""
    with ProfileStore.open(url.replace(f":{server.port}/", f":{proxy.port}/")) as store:
        store.append([event(0, name="message.sent")])  # a first connection commits more
        yield store


def test_a_commit_whose_answer_is_lost_is_found_to_be_stored(
    far_store: ProfileStore, proxy: Proxy, url: str
) -> None:
    """The delivery is repeated by itself, or by its sender if that fails, too."""
    for first in range(0, 200, 10):
        proxy.arm(1)
        stored_already = Receipt(received=10, duplicate=10)
        assert far_store.append(batch(first, 10)) == stored_already
    for first in range(200, 250, 10):
        proxy.arm(2)
        with pytest.raises(StorageError):
            far_store.append(batch(first, 10))
        assert far_store.append(batch(first, 10)) == stored_already

    assert proxy.cuts == 20 + 2 * 5
    assert stored_numbers(url) == list(range(250))


def test_a_commit_that_is_lost_on_its_way_is_repeated(
    far_store: ProfileStore, proxy: Proxy, url: str
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
    assert stored_numbers(url) == list(range(250))


def test_without_looking_the_ids_up_a_lost_answer_is_an_error(
    far_store: ProfileStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests above: it is the event ids that tell what is stored."""
    monkeypatch.setattr(writer_module, "_stored", lambda *_: {})
    proxy.arm(1)

    with pytest.raises(StorageError, match="unique"):
        far_store.append(batch(0, 10))


def test_an_insertion_whose_answer_is_lost_is_an_error_and_stored_once(
    far_store: ProfileStore, proxy: Proxy
) -> None:
    """The library's port has versions, which cannot be repeated but tell the same."""
    recorder = far_store.recorder_of(0)
    stored = [StoredEvent(uuid4(), 1, "topic", b"state")]
    proxy.arm(1)
    with pytest.raises(StorageError):
        recorder.insert_events(stored)
    with pytest.raises(IntegrityError):
        recorder.insert_events(stored)

    assert recorder.max_notification_id() == 1


def stored_numbers(url: str) -> list[int]:
    found = rows(url, "SELECT position, event_id FROM events ORDER BY position")
    assert [position for position, _ in found] == list(range(1, len(found) + 1))
    return [int(bytes(event_id)[1:]) for _, event_id in found]


def test_a_server_that_does_not_sync_is_refused(server: Server, url: str) -> None:
    with (
        setting(server, "fsync", "off"),
        pytest.raises(StoreUnavailableError, match=r"fsync = off.*postgresql\.conf"),
    ):
        ProfileStore.open(url)

    ProfileStore.open(url).close()


def test_a_role_that_does_not_wait_for_the_disk_is_refused(
    server: Server, url: str
) -> None:
    with asynchronous(server):
        refused = "synchronous_commit = off.*set it to on for this role"
        with pytest.raises(StoreUnavailableError, match=refused):
            ProfileStore.open(url)

    ProfileStore.open(url).close()


def test_commits_stay_durable_when_the_servers_settings_change(
    server: Server, url: str
) -> None:
    """A store that is open keeps what it was opened with."""
    with ProfileStore.open(url) as store:
        store.append([event(1)])
        with (
            setting(server, "synchronous_commit", "off"),
            setting(server, "wal_writer_delay", "10s"),
        ):
            store.append([event(2)])
            server.stop("immediate")
            server.start()

    assert stored_numbers(url) == [1, 2]


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
    url: str, busy_seconds: float
) -> None:
    """To the server no time is for ever."""
    database = Database.open(url, busy_seconds=busy_seconds)
    with database.write() as connection:
        (limit,) = connection.exec_driver_sql("SHOW lock_timeout").one()
    assert limit == ("250ms" if busy_seconds == 0.25 else "1ms")
    with held_head(url), pytest.raises(StoreBusyError), database.write() as connection:
        Head.lock(connection, 0)
    database.close()


def test_transactions_of_others_never_stall_a_reader(server: Server, url: str) -> None:
    seen, stop = Queue[int](), Event()
    with ProfileStore.open(url) as store:

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
