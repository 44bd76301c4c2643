"""A store of an older schema becomes what a fresh one is, with all that it held."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from eventsourcing.persistence import Tracking
from sqlalchemy import create_engine

from profilestore import ProfileStore, SchemaMismatchError
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.logged_event import digest, link
from profilestore.infrastructure.log.tables import SCHEMA, metadata
from tests.integration.test_cli import SPACE, Shell
from tests.simple_events import event, rows

OLD = (Path(__file__).parent.parent / "data" / "store-0001.sql").read_text()
STORY_SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
JOE = "joe.blogs@example.com"
ANSWERS = ("show", "deletion", "devices", "history", "blame")


@pytest.fixture
def old(tmp_path: Path) -> str:
    """A store as it was made before there were migrations."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD)
    connection.close()
    return f"sqlite:///{path}"


def master(url: str) -> list[tuple[str, ...]]:
    """All that SQLite has of a schema, without white space that differs."""
    found = rows(url, "SELECT type, name, tbl_name, sql FROM sqlite_master")
    return sorted(
        (*names, re.sub(r"\s+|(?<=\()\s+", "", sql or "")) for *names, sql in found
    )


def columns(url: str) -> dict[str, Any]:
    tables = [name for kind, name, *_ in master(url) if kind == "table"]
    return {name: rows(url, f"PRAGMA table_xinfo({name})") for name in tables}


def test_an_upgraded_store_has_the_schema_of_a_fresh_one(old: str, url: str) -> None:
    done = ProfileStore.init(old)
    ProfileStore.init(url)

    assert (done.upgraded_from, done.schema, done.created) == ("0001", SCHEMA, False)
    assert columns(old) == columns(url)
    assert [m for m in master(old) if m[0] != "table"] == [
        m for m in master(url) if m[0] != "table"
    ]
    assert master(old) == master(url)


def test_an_upgrade_changes_no_event(old: str) -> None:
    """Each text, place, time, digest and link of the chain is what it was."""
    kept = (
        "SELECT partition, position, version, name, revision, occurred_at, "
        "recorded_at, state, digest, chain, {} FROM events ORDER BY position"
    )
    before = rows(old, kept.format("lower(stream_id), event_id"))

    ProfileStore.init(old)

    after = rows(old, kept.format("lower(hex(stream_id)), CAST(event_id AS TEXT)"))
    assert after == before
    assert len(after) == 6
    chain = schema.GENESIS
    fields = (
        "partition, position, stream_id, version, event_id, name, revision, "
        "occurred_at, recorded_at, state"
    )
    for *of, was, link_ in rows(old, f"SELECT {fields}, digest, chain FROM events"):
        assert digest(of) == was
        chain = link(chain, was)
        assert chain == link_
    assert rows(old, "SELECT position, chain FROM heads") == [(6, chain)]


def test_an_upgraded_store_answers_like_a_fresh_one(old: str, url: str) -> None:
    texts = [row[0] for row in rows(old, "SELECT state FROM events ORDER BY position")]
    ProfileStore.init(old)
    with ProfileStore.open(url) as fresh:
        assert fresh.append(b"\n".join(texts)).accepted == 6

    path = Path(old.removeprefix("sqlite:///")).parent
    shell = Shell(path)
    for answer in ANSWERS:
        documents = [
            shell.json("--database", u, answer, STORY_SPACE, JOE) for u in (old, url)
        ]
        assert _timeless(documents[0]) == _timeless(documents[1])


def _timeless(document: Any) -> Any:
    """Leave out when we came to know, which is the only thing that may differ."""
    if isinstance(document, list):
        return [_timeless(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {k: _timeless(v) for k, v in document.items() if k != "recordedAt"}


def test_an_upgrade_keeps_what_stands_beside_the_log(old: str) -> None:
    bad = rows(old, "SELECT id, reason, text, first_at, deliveries FROM quarantine")
    made = rows(old, "SELECT id, partitions, created_at FROM store")

    ProfileStore.init(old)

    kept = rows(old, "SELECT id, reason, text, first_at, deliveries FROM quarantine")
    assert (len(kept), kept) == (1, bad)
    assert rows(old, "SELECT * FROM store") == made
    with ProfileStore.open(old) as store:
        assert store.stats()["ignored"] == {"message.delivered": 1}
        assert store.recorder_of(0).max_tracking_id("other") == 7
        (entry,) = store.quarantine.entries()
        assert entry.rejection.text == bad[0][2]


def test_an_upgraded_store_goes_on(old: str) -> None:
    texts = [row[0] for row in rows(old, "SELECT state FROM events")]
    ProfileStore.init(old)

    with ProfileStore.open(old) as store:
        assert store.append(b"\n".join(texts)).duplicate == 6
        more = event(50, JOE, apiSpaceId=STORY_SPACE)
        assert store.append([more, event(1, "new")]).accepted == 2
        assert store.profile(STORY_SPACE, JOE).events[-1].position == 7
        assert store.stats()["positions"] == {0: 8}
        store.recorder_of(0).insert_tracking(Tracking("other", 8))
    with pytest.raises(Exception, match="append-only"):
        rows(old, "DELETE FROM events")


def test_a_quarantined_event_is_still_found_by_its_profile(old: str) -> None:
    rows(
        old,
        "INSERT INTO quarantine SELECT partition, 'ab', 'invalid-field', '[]', ingress,"
        f" 1, 1, 1, '{STORY_SPACE}', '{JOE}', 'e', 'n', text, NULL, NULL, NULL, NULL"
        " FROM quarantine",
    )
    ProfileStore.init(old)

    with ProfileStore.open(old) as store:
        naming = store.quarantine.naming(store.key(STORY_SPACE, JOE))
        assert [entry.id for entry in naming] == ["ab"]


@pytest.mark.parametrize("command", [("show", SPACE, "joe"), ("append",), ("stats",)])
def test_an_older_store_is_refused_with_the_command_that_upgrades_it(
    old: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = master(old)

    line = Shell(tmp_path).fails(6, *command, PROFILESTORE_DATABASE=old)

    assert f"has schema 0001, this profilestore needs {SCHEMA}" in line
    assert f"run `profilestore --database {old} init`" in line
    assert master(old) == before


def test_a_newer_store_is_refused_and_left_alone(url: str) -> None:
    ProfileStore.init(url)
    rows(url, "UPDATE alembic_version SET version_num = '0099'")

    for attempt in (ProfileStore.open, ProfileStore.init):
        with pytest.raises(SchemaMismatchError, match=r"0099, newer .* use a newer"):
            attempt(url)
    assert rows(url, "SELECT version_num FROM alembic_version") == [("0099",)]


UPGRADER = """
import signal, os, sys
from alembic import op
from profilestore import ProfileStore
execute, kind, left = op.execute, sys.argv[2], [int(sys.argv[3])]
def until(statement):
    if not left[0]:
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("broken off")
    left[0] -= 1
    execute(statement)
op.execute = until
ProfileStore.init(sys.argv[1])
"""
STATEMENTS = 35
"""Of the migration: the upgrade is broken off before some of them."""


def upgrade(
    url: str, kind: str, after: int, code: str = UPGRADER
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code, url, kind, str(after)],
        check=False,
        capture_output=True,
    )


@pytest.mark.parametrize("kind", ["kill", "error"])
@pytest.mark.parametrize("after", [1, 5, 12, 19, 30, STATEMENTS - 1])
def test_an_upgrade_broken_off_leaves_the_old_store(
    old: str, kind: str, after: int
) -> None:
    before = dump(old)

    done = upgrade(old, kind, after)

    assert done.returncode == (-signal.SIGKILL if kind == "kill" else 1)
    assert dump(old) == before
    assert ProfileStore.init(old).upgraded_from == "0001"


def test_the_last_statement_is_the_one_that_is_thought(old: str) -> None:
    assert upgrade(old, "kill", STATEMENTS).returncode == 0


def test_without_its_transaction_an_upgrade_broken_off_harms(old: str) -> None:
    """The control of the test above: each statement on its own."""
    before = dump(old)
    alone = UPGRADER.replace(
        "    execute(statement)\n",
        "    execute(statement)\n"
        "    op.get_bind().connection.driver_connection.commit()\n",
    )

    upgrade(old, "kill", 12, alone)

    assert dump(old) != before


def dump(url: str) -> list[str]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


TOGETHER = """
import sys
from profilestore import ProfileStore
sys.stdin.readline()
print(ProfileStore.init(sys.argv[1]).upgraded_from)
"""


def test_processes_that_upgrade_at_once_do_it_once(old: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, old],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)

    assert said == ["0001", "None", "None", "None"]
    with ProfileStore.open(old) as store:
        assert len(store.profile(STORY_SPACE, JOE).events) == 6


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_alembic_finds_a_fresh_store_at_its_head(
    kind: str, new_url: Callable[[str], str]
) -> None:
    url = new_url(kind)
    ProfileStore.init(url)

    assert differences(url) == (SCHEMA, [])


def test_alembic_finds_an_upgraded_store_at_its_head(old: str) -> None:
    ProfileStore.init(old)

    assert differences(old) == (SCHEMA, [])


BACK_TO_0002 = (
    "DROP TABLE read_models",
    "DROP TABLE read_parts",
    "DROP TABLE read_profiles",
    "DROP TABLE read_spans",
    "DROP TABLE checkpoints",
    """CREATE TABLE checkpoints (partition INTEGER NOT NULL, stream_id {} NOT NULL,
    updates VARCHAR NOT NULL, fold INTEGER NOT NULL, until BIGINT NOT NULL,
    version BIGINT NOT NULL, body {} NOT NULL,
    PRIMARY KEY (partition, stream_id, updates, fold, until))""",
    "UPDATE alembic_version SET version_num = '0002'",
)


@pytest.mark.parametrize("kind", ["file", "postgresql", "postgresql-4"])
def test_a_store_without_read_models_is_upgraded_on_either_engine(
    kind: str, new_url: Callable[[str], str]
) -> None:
    url = new_url(kind)
    ProfileStore.init(url)
    with ProfileStore.open(url) as store:
        store.append([event(n, f"p{n}") for n in range(9)])
    for statement in BACK_TO_0002:
        rows(url, statement.replace("{}", "BLOB" if kind == "file" else "BYTEA"))
    with pytest.raises(SchemaMismatchError, match="0002"):
        ProfileStore.open(url)

    done = ProfileStore.init(url)

    assert (done.upgraded_from, done.created) == ("0002", False)
    assert differences(url) == (SCHEMA, [])
    with ProfileStore.open(url) as store:
        assert len(store.profile(STORY_SPACE, "p3").events) == 1


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_a_column_or_index_too_many_is_found(
    kind: str, new_url: Callable[[str], str]
) -> None:
    """The control of the tests above."""
    url = new_url(kind)
    ProfileStore.init(url)
    rows(url, "ALTER TABLE streams ADD COLUMN more INTEGER")
    rows(url, "CREATE INDEX more ON events (partition, name)")

    assert len(differences(url)[1]) == 2


def differences(url: str) -> tuple[str | None, list[Any]]:
    """The revision and the differences to our tables that Alembic finds."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        found = context.get_current_revision(), compare_metadata(context, metadata)
    engine.dispose()
    return found
