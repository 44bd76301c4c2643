"""What is unsafe in an installation: its database, its settings, its store."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import URL, Connection, func, select

from profilestore.domain.errors import SchemaMismatchError
from profilestore.domain.timestamps import (
    format_timestamp,
    from_microseconds,
    to_microseconds,
)
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import SCHEMA, heads, quarantine

from . import doctor_postgresql, doctor_sqlite
from .finding import Finding, Severity, judge


def examine(url: str) -> tuple[Finding, ...]:
    """Look at an installation, also at one that a store would refuse to open.

    Nothing that is stored is changed. Raise InvalidArgumentError for a URL of no store,
    StorageError if the database cannot be reached or is one of something else.
    """
    database = Database.connect(url, create=doctor_sqlite.is_file(url))
    try:
        if database.backend.url.get_backend_name() == "sqlite":
            return tuple(doctor_sqlite.findings(database, _store))
        return tuple(doctor_postgresql.findings(database, _store))
    finally:
        database.close()


def _store(connection: Connection, url: URL) -> Iterator[Finding]:
    """Look at the store in a database, also at one of an older schema."""
    found = schema.find(connection)
    yield _schema(connection, url)
    if found in schema.revisions():
        of_engine = {
            "sqlite": doctor_sqlite.triggers,
            "postgresql": doctor_postgresql.triggers,
        }
        yield of_engine[connection.dialect.name](connection)
        yield _clock(connection)
        yield _quarantine(connection)


def _schema(connection: Connection, url: URL) -> Finding:
    try:
        partitions = schema.check(connection, url)
    except SchemaMismatchError as error:
        found, _, remedy = str(error).partition(": ")
        return Finding(Severity.FAULT, "schema", found, remedy)
    logs = connection.scalar(select(func.count(heads.c.partition)))
    return judge(
        "schema",
        f"revision {SCHEMA}, made for {partitions} partitions, has {logs}",
        "restore the store from a backup: a partition's head is lost",
        bad=logs != partitions,
    )


def _clock(connection: Connection) -> Finding:
    """Compare the clock with the last time recorded: until then no time is new."""
    last = connection.scalar(select(func.max(heads.c.recorded_at))) or 0
    ahead = last - to_microseconds(datetime.now(UTC))
    when = format_timestamp(from_microseconds(last))
    return judge(
        "clock",
        f"the last event was recorded at {when}, {ahead / 1e6:,.0f} s in the future"
        if ahead > 0
        else "no event was recorded in the future",
        "set the clock of this machine by NTP; until that time all events are recorded "
        "as of it, and `known_at` cannot tell them apart",
        bad=ahead > 0,
        severity=Severity.WARNING,
    )


def _quarantine(connection: Connection) -> Finding:
    waiting = connection.scalar(
        select(func.count())
        .select_from(quarantine)
        .where(quarantine.c.settled.is_(None))
    )
    return judge(
        "quarantine",
        f"{waiting:,} entries wait for a decision",
        "see `profilestore quarantine list`, then replay or discard them",
        bad=bool(waiting),
        severity=Severity.WARNING,
    )
