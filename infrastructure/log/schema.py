"""The schema in a database: found, made, checked, and brought up to date."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from sqlalchemy import URL, Connection, insert, inspect, select, text

from profilestore.domain.errors import InvalidArgumentError, SchemaMismatchError
from profilestore.domain.timestamps import to_microseconds

from .tables import SCHEMA, heads, metadata, schema_version, store
from .urls import has_password, shown

GENESIS = bytes(32)
"""The chain before the first event."""

MOST_PARTITIONS = 1024
FIRST = "0001"
"""The revision of stores made before there were revisions."""

_LOCK = 0x70726F66696C6573
"""Names the advisory lock under which PostgreSQL's schema is changed."""


def find(connection: Connection) -> str | None:
    """Say which revision the database has, None if there is no store in it.

    Raise SchemaMismatchError if what is there is something else.
    """
    tables = set(inspect(connection).get_table_names())
    if store.name in tables and heads.name in tables:
        if schema_version.name not in tables:
            return FIRST
        return str(
            connection.execute(select(schema_version.c.version_num)).scalar_one()
        )
    # A file is all ours; in a server's database others may have tables of their own.
    ours = tables if connection.dialect.name == "sqlite" else tables & set(_names())
    if ours:
        raise SchemaMismatchError(
            f"{connection.engine.url.database} is a database of something else, "
            f"with the tables {', '.join(sorted(ours)[:5])}; name another"
        )
    return None


@dataclass(frozen=True)
class Prepared:
    """What was done to a database so that it holds a store of our schema."""

    schema: str
    upgraded_from: str | None
    partitions: int
    created: bool


def prepare(connection: Connection, partitions: int | None = None) -> Prepared:
    """Make the schema, or bring it up to date, in a transaction that may write.

    Safe when several processes do so at once. `partitions`, from 1 to 1,024, is for a
    new store; raise InvalidArgumentError if the store has another number.
    """
    if partitions is not None and not 1 <= partitions <= MOST_PARTITIONS:
        rule = f"must be from 1 to {MOST_PARTITIONS}"
        raise InvalidArgumentError("partitions", rule)
    found = _find_alone(connection)
    if found is None:
        _create(connection, partitions or 1)
    elif found != SCHEMA:
        _upgrade(connection, found)
    has = connection.execute(select(store.c.partitions)).scalar_one()
    if partitions not in (None, has):
        rule = f"the store has {has}, fixed when it was made; make a new one to change"
        raise InvalidArgumentError("partitions", rule)
    upgraded = None if found == SCHEMA else found
    return Prepared(SCHEMA, upgraded, has, created=found is None)


def make_tables(connection: Connection) -> None:
    """Make the tables of a store and leave them empty, for the rows of another one.

    Raise SchemaMismatchError if there is a store, or something else, already.
    """
    if _find_alone(connection) is not None:
        raise SchemaMismatchError(
            f"there is a store in {shown(connection.engine.url)} already; "
            "name an empty database"
        )
    _make_tables(connection)


def check(connection: Connection, url: URL) -> int:
    """Answer the number of partitions; raise SchemaMismatchError if it is not ours."""
    found = find(connection)
    if found is None:
        raise SchemaMismatchError(f"there is no store in it yet: {_command(url)}")
    if found not in revisions():
        raise _newer(found)
    if found != SCHEMA:
        raise SchemaMismatchError(
            f"the store has schema {found}, this profilestore needs {SCHEMA}: "
            + _command(url)
        )
    return int(connection.execute(select(store.c.partitions)).scalar_one())


def _find_alone(connection: Connection) -> str | None:
    """Find the revision while nobody else can change it, until the transaction ends.

    On SQLite a transaction that may write is alone as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    return find(connection)


def _command(url: URL) -> str:
    """Say the command that mends it, such that it can be pasted."""
    if has_password(url):
        return (
            "run `profilestore init` with the same URL, which has a password not shown "
            "here (by --database or PROFILESTORE_DATABASE)"
        )
    return f"run `profilestore --database {quote(shown(url))} init`"


def _newer(found: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"the store has schema {found}, newer than this profilestore's {SCHEMA}: "
        "use a newer profilestore"
    )


def revisions() -> list[str]:
    """List the revisions we know, oldest first."""
    return sorted(f.name[1:5] for f in _migrations().glob("versions/r[0-9]*.py"))


def _names() -> list[str]:
    return [table.name for table in metadata.sorted_tables]


def _migrations() -> Path:
    return Path(__file__).parent / "migrations"


def _make_tables(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version_num=SCHEMA))


def _create(connection: Connection, partitions: int) -> None:
    _make_tables(connection)
    now = to_microseconds(datetime.now(UTC))
    connection.execute(
        insert(store).values(id=1, partitions=partitions, created_at=now)
    )
    first = {"position": 0, "chain": GENESIS, "recorded_at": 0}
    connection.execute(
        insert(heads), [{"partition": p, **first} for p in range(partitions)]
    )


def _upgrade(connection: Connection, found: str) -> None:
    """Run the migrations that are missing, all in the transaction at hand."""
    from alembic.config import Config  # noqa: PLC0415 - slow, and rarely needed
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if found not in revisions():
        raise _newer(found)
    if found == FIRST:
        schema_version.create(connection, checkfirst=True)
        connection.execute(insert(schema_version).values(version_num=FIRST))
    config = Config()
    config.set_main_option("script_location", str(_migrations()))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs(SCHEMA, revision)  # noqa: SLF001 - as its documentation does

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
