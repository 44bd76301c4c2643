"""PostgreSQL 15 or newer, by psycopg 3."""

from contextlib import nullcontext
from time import monotonic
from typing import Any

import psycopg
from psycopg.adapt import PyFormat
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from profilestore.domain.errors import (
    StorageError,
    StoreBusyError,
    StoreUnavailableError,
)

from .backend import Backend
from .urls import shown

OLDEST = 150000
"""The oldest server version, as the protocol gives it."""

REST_SECONDS = 1
"""A connection that rested for longer, or since another was lost, is asked whether it
still is one. To ask each time would cost an append as much as its look-ups."""

_CONNECT = {
    "connect_timeout": 10,
    "application_name": "profilestore",
    # A server that vanished without a word is found out, too.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What the URL does not say."""
_ENCODING = {"client_encoding": "utf8"}
"""Whatever the URL or the environment say."""

# A plan must not outlive the size of the tables it was made for, nor be made for sizes
# that nobody has counted yet: what an append looks up, it looks up by index.
_PLANS: dict[bool, dict[str, str]] = {
    True: {"plan_cache_mode": "force_custom_plan"},
    False: {
        "plan_cache_mode": "force_custom_plan",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_material": "off",
    },
}
"""By whether a connection only reads."""

_KEEP = "SELECT set_config(name, setting, false) FROM pg_settings WHERE name ="
"""What a session was found with it keeps, whatever the server is told later."""

_BUSY = {"55P03", "40P01", "40001", "57014"}
"""Lock not available, deadlock, serialization failure, statement cancelled."""
_HINTS = {
    "3D000": "; create the database first",
    "28": "; check the user and its password",
    "3F000": "; grant the role what it needs",
    "42501": "; grant the role what it needs",
    "53100": "; free some space and try again",
    "57P": "; try again when the server is up",
    "08": "; try again when the server is up",
}
_SAID = {
    "password": "28",
    "FATAL: role": "28",
    "FATAL: database": "3D000",
    "Connection refused": "08",
}
"""While there is no connection the driver has the server's words only, no code."""


def postgresql_backend(url: URL, *, busy_seconds: float) -> Backend:
    """Connect to a database; raise StoreUnavailableError where it would not be durable.

    Statements wait `busy_seconds` for another's lock. The server's settings are checked
    with each connection, for they may change.
    """
    return Backend(
        url=url,
        writer=_engine(url, "READ COMMITTED", busy_seconds, readonly=False),
        reader=_engine(url, "REPEATABLE READ", busy_seconds, readonly=True),
        turn=nullcontext(),
        creates_itself=False,
        failure=lambda cause, waited: _failure(url, cause, waited),
    )


def _engine(url: URL, isolation: str, busy_seconds: float, *, readonly: bool) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level=isolation,
        pool_size=5,
        max_overflow=10,
        pool_timeout=busy_seconds,
        connect_args=_ENCODING
        | {k: v for k, v in _CONNECT.items() if k not in url.query},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        _check(connection)
        connection.execute(f"{_KEEP} 'synchronous_commit'")
        wait = _milliseconds(busy_seconds)
        for name, value in {"lock_timeout": wait, **_PLANS[readonly]}.items():
            connection.execute(f"SET {name} = {value}")
        connection.autocommit = False
        connection.read_only = readonly
        # By its type's number the driver would find bytes one written in Python.
        adapters = connection.adapters
        adapters.register_dumper(bytes, adapters.get_dumper(bytes, PyFormat.BINARY))

    _ask_the_rested(engine)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        wait = connection.get_execution_options().get("wait_seconds")
        if wait is not None:
            connection.exec_driver_sql(
                f"SET LOCAL lock_timeout = {_milliseconds(wait)}"
            )

    return engine


def _ask_the_rested(engine: Engine) -> None:
    """Ask a connection whether it still is one, where that is in doubt."""
    lost = monotonic()

    @event.listens_for(engine, "checkin")
    def rest(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["since"] = monotonic()

    @event.listens_for(engine, "invalidate")
    def lose(*_: Any) -> None:
        nonlocal lost
        lost = monotonic()

    @event.listens_for(engine, "checkout")
    def wake(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        since = record.info.get("since")
        if since is None or since > max(lost, monotonic() - REST_SECONDS):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError from error


def _milliseconds(seconds: float) -> int:
    """Give a time to wait as the server takes it: there 0 is for ever."""
    return max(1, int(seconds * 1000))


def _check(connection: Any) -> None:
    """Refuse a server that is too old, or acknowledges what a crash would lose."""
    if connection.info.server_version < OLDEST:
        found = connection.info.parameter_status("server_version")
        raise StoreUnavailableError(f"PostgreSQL {found} is too old: 15 is the oldest")
    for name, wanted, remedy in (
        ("fsync", "on", "set it to on in postgresql.conf and reload"),
        ("synchronous_commit", None, "set it to on for this role or database"),
        ("server_encoding", "UTF8", "create the database with ENCODING 'UTF8'"),
    ):
        got = connection.execute(f"SHOW {name}").fetchone()[0]
        if got == "off" or wanted not in (None, got):
            raise StoreUnavailableError(
                f"PostgreSQL runs with {name} = {got}, so what is answered as stored "
                f"could be lost or changed: {remedy}"
            )


def _failure(url: URL, error: BaseException, waited: float) -> StorageError:
    cause = " ".join(str(error).split())
    guess = next((code for words, code in _SAID.items() if words in cause), "")
    state = getattr(error, "sqlstate", None) or guess
    if state in _BUSY:
        return StoreBusyError(waited)
    hint = next((h for part, h in _HINTS.items() if state.startswith(part)), "")
    return StoreUnavailableError(f"{shown(url)}: {cause}{hint}")
