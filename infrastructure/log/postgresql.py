"""PostgreSQL 15 or newer, by psycopg 3."""

import struct
from contextlib import nullcontext
from threading import Semaphore
from typing import Any

from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from profilestore.domain.errors import (
    StorageError,
    StoreBusyError,
    StoreUnavailableError,
)

from .backend import Backend
from .bulk import ByteArray, run
from .urls import shown

OLDEST = 150000
"""The oldest server version, as the protocol gives it."""

POOLED, MORE = 5, 10
"""Connections that are kept of each kind, and those that there may be beside them."""

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
_BEGIN = {
    True: "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    False: "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE",
}
"""By the same."""

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
        writer=_engine(url, busy_seconds, readonly=False),
        reader=_engine(url, busy_seconds, readonly=True),
        places=Semaphore(POOLED + MORE),
        turn=nullcontext(),
        in_memory=False,
        creates_itself=False,
        failure=lambda cause, waited: _failure(url, cause, waited),
    )


def _engine(url: URL, busy_seconds: float, *, readonly: bool) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOLED,
        max_overflow=MORE,
        pool_timeout=busy_seconds,
        connect_args=_ENCODING
        | {k: v for k, v in _CONNECT.items() if k not in url.query},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions of its own: a lost connection is found
        # by our BEGIN, before anything is done; and a single query needs none.
        connection.autocommit = True
        _check(connection)
        connection.execute(f"{_KEEP} 'synchronous_commit'")
        settings = {
            "lock_timeout": _milliseconds(busy_seconds),
            "default_transaction_read_only": "on" if readonly else "off",
            **_PLANS[readonly],
        }
        for name, value in settings.items():
            connection.execute(f"SET {name} = {value}")
        # By its type's number the driver would find bytes one written in Python.
        adapters = connection.adapters
        adapters.register_dumper(bytes, adapters.get_dumper(bytes, PyFormat.BINARY))
        adapters.register_dumper(ByteArray, _ByteArrayDumper)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("single"):
            return
        run(connection, _BEGIN[readonly])
        wait = options.get("wait_seconds")
        if wait is not None:
            run(connection, f"SET LOCAL lock_timeout = {_milliseconds(wait)}")

    return engine


class _ByteArrayDumper(Dumper):
    """Writes the keys of an append: the driver would ask of each what it is."""

    format = Format.BINARY
    oid = 1001  # bytea[]

    def dump(self, obj: ByteArray) -> bytes:
        # One dimension, no nulls, of bytea; so many, counted from 1.
        head = struct.pack("!5i", 1, 0, 17, len(obj), 1)
        return b"".join([head, *[len(one).to_bytes(4) + one for one in obj]])


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
