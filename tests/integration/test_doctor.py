"""What the doctor finds: each unsafe state is made for real."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from freezegun import freeze_time
from sqlalchemy import Pool, event

from profilestore import InvalidArgumentError, ProfileStore, StoreUnavailableError
from profilestore.infrastructure.cli.main import profilestore
from profilestore.infrastructure.upkeep import doctor_postgresql, doctor_sqlite
from profilestore.infrastructure.upkeep.doctor import examine
from profilestore.infrastructure.upkeep.finding import Finding, Severity
from tests import simple_events
from tests.conftest import DATA
from tests.postgresql import Server, find, plain
from tests.simple_events import rows

KINDS = ["file", "postgresql-1"]


def found(url: str, subject: str) -> Finding:
    (finding,) = [f for f in examine(url) if f.subject == subject]
    return finding


def fault(url: str, subject: str, *words: str) -> None:
    """See that a finding is a fault, and that it says these words."""
    _bad(found(url, subject), Severity.FAULT, words)


def warning(url: str, subject: str, *words: str) -> None:
    _bad(found(url, subject), Severity.WARNING, words)


def _bad(finding: Finding, severity: Severity, words: tuple[str, ...]) -> None:
    assert finding.severity is severity, finding
    assert finding.remedy
    for word in words:
        assert word in f"{finding.found} {finding.remedy}", finding


def run(url: str, *options: str) -> Result:
    return CliRunner().invoke(profilestore, ["--database", url, "doctor", *options])


@pytest.fixture(params=KINDS)
def any_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """A good store with an event in it."""
    url = new_url(request.param)
    with ProfileStore.open(url) as store:
        store.append([simple_events.event(1)])
    return url


@pytest.fixture
def file(store: ProfileStore, url: str) -> Path:
    """The file of a good store that is open."""
    store.append([simple_events.event(1)])
    return Path(url.removeprefix("sqlite:///"))


def test_a_good_store_has_no_fault(any_url: str) -> None:
    findings = examine(any_url)

    assert len(findings) > 10
    assert [f for f in findings if f.severity is Severity.FAULT] == []
    assert [
        f for f in findings if (f.severity is Severity.OK) != (f.remedy is None)
    ] == []


def test_nothing_stored_is_changed(any_url: str) -> None:
    query = "SELECT position, chain, recorded_at FROM heads"
    before = rows(any_url, query)
    examine(any_url)

    assert rows(any_url, query) == before


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.46.1", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.0", True),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.52.0", False),
    ],
)
def test_a_sqlite_with_the_wal_reset_bug_is_told(
    version: str, *, has_bug: bool
) -> None:
    finding = doctor_sqlite.version(tuple(map(int, version.split("."))))

    if has_bug:
        _bad(finding, Severity.WARNING, (version, "3.51.3", "several processes"))
    else:
        assert finding == Finding(Severity.OK, "SQLite", f"version {version}")


def test_the_sqlite_that_is_linked_is_looked_at(store: ProfileStore, url: str) -> None:
    assert sqlite3.sqlite_version in found(url, "SQLite").found


def test_a_connection_that_does_not_sync_is_a_fault(
    store: ProfileStore, url: str
) -> None:
    """As by a library that sets its own on every connection of the process."""

    def hurry(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")

    event.listen(Pool, "checkout", hurry)
    try:
        for role in ("reader", "writer"):
            fault(url, f"{role} connection", "synchronous 1", "lost")
    finally:
        event.remove(Pool, "checkout", hurry)
    assert found(url, "writer connection").severity is Severity.OK


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_files_that_others_can_write_are_a_fault_and_read_a_warning(
    file: Path, url: str, end: str
) -> None:
    exposed = file.with_name(file.name + end)
    assert found(url, "permissions").severity is Severity.OK
    exposed.chmod(0o644)
    warning(url, "permissions", exposed.name, "read", "chmod o-rw")
    exposed.chmod(0o602)
    fault(url, "permissions", exposed.name, "write", "chmod o-rw")
    exposed.chmod(0o660)
    assert found(url, "permissions").severity is Severity.OK


def test_a_directory_where_others_can_replace_the_file_is_a_fault(
    file: Path, url: str
) -> None:
    file.parent.chmod(0o777)
    fault(url, "directory", "replace", "chmod o-w")
    file.parent.chmod(0o1777)
    assert found(url, "directory").severity is Severity.OK


def test_a_file_in_memory_is_told(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/store.db"
    ProfileStore.open(url).close()

    warning(url, "file system", "tmpfs", "restarts")


def test_a_disk_with_little_space_is_told(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/store.db"
    ProfileStore.open(url).close()

    warning(url, "disk space", "0.0 GiB", "free some space")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "a disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("path", "severity", "kind"),
    [
        ("/data/store.db", Severity.OK, "xfs"),
        ("/data/team/deep/store.db", Severity.WARNING, "nfs4"),
        ("/data/my team/store.db", Severity.WARNING, "fuse.sshfs"),
        ("/data/teams/store.db", Severity.OK, "xfs"),
        ("/run/store.db", Severity.WARNING, "tmpfs"),
        ("/home/store.db", Severity.OK, "ext4"),
    ],
)
def test_a_file_system_that_is_no_local_disk_is_told(
    path: str, severity: Severity, kind: str
) -> None:
    mounts = (
        "/dev/sda / ext4 rw 0 0\n/dev/sdb /data xfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
        "a:/b /data/team nfs4 rw 0 0\nx /data/my\\040team fuse.sshfs rw 0 0\n"
    )
    finding = doctor_sqlite.file_system(Path(path), mounts)

    assert finding.severity is severity
    assert kind in finding.found


def test_a_log_that_cannot_be_folded_in_is_told(file: Path, url: str) -> None:
    wal = file.with_name(f"{file.name}-wal")
    os.truncate(wal, 300 << 20)

    warning(url, "write-ahead log", "300 MiB", "end it")


def test_a_damaged_file_is_a_fault(url: str) -> None:
    with ProfileStore.open(url) as store:
        store.append([simple_events.event(n) for n in range(500)])
    with Path(url.removeprefix("sqlite:///")).open("r+b") as damaged:
        damaged.seek(0, os.SEEK_END)
        damaged.seek(damaged.tell() // 2)
        damaged.write(b"\xff" * 16384)

    fault(url, "file", "backup")
    assert run(url).exit_code == 5


def test_a_log_without_its_triggers_is_a_fault_until_the_remedy_is_done(
    any_url: str,
) -> None:
    assert found(any_url, "triggers").severity is Severity.OK
    name = "update" if any_url.startswith("sqlite") else "change ON events"
    rows(any_url, f"DROP TRIGGER events_refuse_{name}")

    fault(any_url, "triggers", "CREATE TRIGGER", "verify")
    remedy = found(any_url, "triggers").remedy
    assert remedy is not None
    _do(any_url, remedy.partition(": ")[2])
    assert found(any_url, "triggers").severity is Severity.OK


def _do(url: str, statements: str) -> None:
    if url.startswith("sqlite"):
        rows(url, statements)
        return
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(statements)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE events DISABLE TRIGGER events_refuse_change",
        "ALTER TABLE events ENABLE TRIGGER events_refuse_change",
        """CREATE OR REPLACE FUNCTION events_refuse_change() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$""",
    ],
)
def test_a_trigger_that_does_not_always_refuse_is_a_fault(
    new_url: Callable[[str], str], change: str
) -> None:
    url = new_url("postgresql-1")
    rows(url, change)

    fault(url, "triggers", "ENABLE ALWAYS")


def test_a_trigger_of_the_same_name_that_does_nothing_is_a_fault(
    store: ProfileStore, url: str
) -> None:
    rows(url, "DROP TRIGGER events_refuse_delete")
    rows(
        url,
        "CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events "
        "BEGIN SELECT 1; END",
    )

    fault(url, "triggers", "not as they were made")


def test_a_store_of_an_older_schema_is_told_the_command(url: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.executescript((DATA / "store-0001.sql").read_text())

    fault(url, "schema", "0001", f"profilestore --database {url} init")
    assert found(url, "triggers").severity is Severity.OK
    ProfileStore.init(url)
    assert found(url, "schema").severity is Severity.OK


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_an_empty_database_is_told_the_command(
    new_url: Callable[[str], str], kind: str
) -> None:
    url = new_url(kind)
    if kind == "file":
        Path(url.removeprefix("sqlite:///")).touch(0o600)

    fault(url, "schema", "no store", "init`")
    assert {f.subject for f in examine(url)} & {"triggers", "clock"} == set()


def test_a_store_of_a_newer_schema_is_a_fault(any_url: str) -> None:
    rows(any_url, "UPDATE alembic_version SET version_num = '0099'")

    fault(any_url, "schema", "0099", "newer profilestore")


def test_a_partition_without_its_head_is_a_fault(new_url: Callable[[str], str]) -> None:
    url = new_url("file-8")
    assert found(url, "schema").severity is Severity.OK
    rows(url, "DELETE FROM heads WHERE partition = 3")

    fault(url, "schema", "8 partitions", "has 7", "backup")


def test_a_clock_that_is_behind_the_log_is_told(any_url: str) -> None:
    assert found(any_url, "clock").severity is Severity.OK
    with freeze_time("2020-01-01"):
        warning(any_url, "clock", "in the future", "NTP")


def test_entries_that_wait_in_quarantine_are_told(any_url: str) -> None:
    assert found(any_url, "quarantine").severity is Severity.OK
    with ProfileStore.open(any_url) as store:
        store.append(b"[1, 2]")
        warning(any_url, "quarantine", "2 entries", "quarantine list")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of our own: its settings are changed."""
    binaries = find()
    if binaries is None:
        why = "to change a server's settings its binaries are needed"
        if "CI" in os.environ:
            pytest.fail(why)
        pytest.skip(why)
    server = Server(binaries)
    yield server
    server.close()


@pytest.fixture
def served(server: Server) -> Iterator[str]:
    """The URL of a store on a server whose settings go back to what they were."""
    ProfileStore.init(server.url)
    yield server.url
    _do(server.url, "ALTER SYSTEM RESET ALL")
    _do(server.url, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_can_lose_what_it_has_is_a_fault(served: str, name: str) -> None:
    """The store itself refuses some of them; the doctor tells, for what there is."""
    assert found(served, name).severity is Severity.OK
    _do(served, f"ALTER SYSTEM SET {name} = off")
    _do(served, "SELECT pg_reload_conf()")
    _wait_until(served, name, "off")

    fault(served, name, "off", f"ALTER SYSTEM SET {name} = on")
    assert found(served, "schema").severity is Severity.OK
    assert run(served).exit_code == 5


def _wait_until(url: str, name: str, value: str) -> None:
    """Each new session asks: the server reloads when it comes to it."""
    for _ in range(1000):
        with psycopg.connect(plain(url)) as connection:
            if connection.execute(f"SHOW {name}").fetchone() == (value,):
                return
    raise AssertionError(f"{name} stays")


def test_a_setting_of_the_connection_counts(served: str) -> None:
    url = f"{served}?options=-csynchronous_commit%3Doff"
    with pytest.raises(StoreUnavailableError, match="synchronous_commit"):
        ProfileStore.open(url)

    fault(url, "synchronous_commit", "off")


def test_a_database_that_is_not_unicode_is_a_fault(served: str) -> None:
    _do(
        served,
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 "
        "LC_COLLATE 'C' LC_CTYPE 'C'",
    )

    fault(
        served.removesuffix("postgres") + "latin", "server_encoding", "LATIN1", "UTF8"
    )
    assert found(served, "server_encoding").severity is Severity.OK


def test_pages_without_checksums_are_told(served: str) -> None:
    ((value,),) = rows(served, "SHOW data_checksums")
    if value == "off":
        warning(served, "data_checksums", "off", "pg_checksums --enable")
    else:
        assert found(served, "data_checksums").severity is Severity.OK


def test_few_free_connections_are_told(served: str) -> None:
    assert found(served, "max_connections").severity is Severity.OK
    held = [psycopg.connect(plain(served)) for _ in range(170)]
    try:
        warning(served, "max_connections", "170 of 197", "30")
    finally:
        for connection in held:
            connection.close()


def test_an_owner_or_superuser_is_told_how_to_use_a_lesser_role(served: str) -> None:
    """What the remedy says is enough for a store to work, and too little to tamper."""
    warning(served, "role", "superuser", "GRANT")
    _do(served, "CREATE ROLE owner LOGIN")
    _do(served, "ALTER TABLE events OWNER TO owner")
    _do(served, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO owner")
    warning(served.replace("postgres@", "owner@"), "role", "owns the tables")
    remedy = found(served, "role").remedy
    assert remedy is not None
    _do(served, remedy.partition("own: ")[2])

    url = served.replace("postgres@", "profilestore@")
    assert found(url, "role").severity is Severity.OK
    with ProfileStore.open(url) as store:
        receipt = store.append(json.dumps([simple_events.event(1), 1]).encode())
    assert (receipt.accepted, receipt.quarantined) == (1, 1)
    for attack in (
        "DROP TRIGGER events_refuse_change ON events",
        "UPDATE events SET version = 9",
        "DELETE FROM events",
        "TRUNCATE events",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _do(url, attack)


@pytest.mark.parametrize(
    ("client", "server_address", "ssl", "severity"),
    [
        (None, None, False, Severity.OK),
        ("127.0.0.1", "127.0.0.1", False, Severity.OK),
        ("::1", "::1", False, Severity.OK),
        ("10.0.0.1", "10.0.0.1", False, Severity.OK),
        ("10.0.0.1", "10.0.0.2", False, Severity.WARNING),
        ("2001:db8::1", "2001:db8::2", False, Severity.WARNING),
        ("10.0.0.1", "10.0.0.2", True, Severity.OK),
    ],
)
def test_a_way_over_a_network_in_clear_is_told(
    client: str | None, server_address: str | None, severity: Severity, *, ssl: bool
) -> None:
    """By addresses: one machine cannot connect to itself over a network."""
    finding = doctor_postgresql.encryption(client, server_address, ssl=ssl)

    assert finding.severity is severity


@pytest.mark.parametrize(("number", "bad"), [(140012, True), (150000, False)])
def test_a_server_that_is_too_old_is_a_fault(number: int, *, bad: bool) -> None:
    finding = doctor_postgresql.version(number)

    assert (finding.severity is Severity.FAULT) == bad


def test_the_command_prints_each_finding_and_what_to_do(any_url: str) -> None:
    printed = run(any_url)
    document = json.loads(run(any_url, "--json").stdout)

    assert printed.exit_code == 0
    assert {f["severity"] for f in document} <= {"ok", "warning"}
    for finding in document:
        assert list(finding) == ["severity", "subject", "found", "remedy"]
        assert finding["subject"] in printed.stdout
        assert (finding["remedy"] or "") in printed.stdout


def test_what_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database, but as long as one" * 99)
    for url in (
        f"sqlite:///{tmp_path}/none.db",
        f"sqlite:///{tmp_path}/x.db",
        "postgresql://nobody@127.0.0.1:1/none",
    ):
        with pytest.raises(StoreUnavailableError):
            examine(url)
    with pytest.raises(InvalidArgumentError):
        examine("sqlite://")
