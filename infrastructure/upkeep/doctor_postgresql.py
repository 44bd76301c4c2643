"""What can be unsafe about a store on a PostgreSQL server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.postgresql import OLDEST
from profilestore.infrastructure.log.tables import TRIGGERS

from .finding import Finding, Severity, judge

PROCESS_CONNECTIONS = 30
"""What one process of ours takes at most."""

_SETTINGS = {
    "fsync": "a crash of the machine loses or damages what is stored",
    "full_page_writes": "a crash of the machine can damage pages beyond repair",
    "synchronous_commit": "a crash loses what was answered as stored",
}
"""What must not be off, and why."""


def findings(
    database: Database, of_store: Callable[[Connection, URL], Iterator[Finding]]
) -> Iterator[Finding]:
    """Look at the server, our role and way there, and what the database holds."""
    with _connect(database) as connection:
        yield version(int(_show(connection, "server_version_num")))
        for name, harm in _SETTINGS.items():
            yield _setting(connection, name, harm)
        yield _encoding(connection)
        yield _checksums(connection)
        yield _encryption(connection)
        yield _room(connection)
        yield from of_store(connection, database.backend.url)
        yield _role(connection)


@contextmanager
def _connect(database: Database) -> Iterator[Connection]:
    """Connect also to a server that the store would refuse."""
    engine = create_engine(
        database.backend.reader.url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": 10, "application_name": "profilestore doctor"},
    )
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise database.backend.failure(error.orig or error, 0) from error


def version(number: int) -> Finding:
    """Judge a server version as the server counts, such as 150004."""
    return judge(
        "PostgreSQL",
        f"version {number // 10_000}.{number % 10_000}",
        "use PostgreSQL 15 or newer",
        bad=number < OLDEST,
    )


def _show(connection: Connection, name: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())


def _setting(connection: Connection, name: str, harm: str) -> Finding:
    value = _show(connection, name)
    return judge(
        name,
        f"{value}: {harm}" if value == "off" else value,
        f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); and see that no role, "
        "database or connection sets it off",
        bad=value == "off",
    )


def _encoding(connection: Connection) -> Finding:
    value = _show(connection, "server_encoding")
    return judge(
        "server_encoding",
        value,
        "create the database with ENCODING 'UTF8'",
        bad=value != "UTF8",
    )


def _checksums(connection: Connection) -> Finding:
    value = _show(connection, "data_checksums")
    return judge(
        "data_checksums",
        "off: pages that a disk damages are not noticed" if value == "off" else value,
        "stop the server, run pg_checksums --enable, start it",
        bad=value == "off",
        severity=Severity.WARNING,
    )


def _encryption(connection: Connection) -> Finding:
    query = """SELECT host(inet_client_addr()), host(inet_server_addr()),
        (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"""
    client, server, ssl = connection.exec_driver_sql(query).one()
    return encryption(client, server, ssl=bool(ssl))


def encryption(client: str | None, server: str | None, *, ssl: bool) -> Finding:
    """Judge the way to a server; both addresses are None on a local socket."""
    local = client is None or client == server or ip_address(client).is_loopback
    way = "encrypted" if ssl else "not encrypted"
    return judge(
        "connection",
        f"local, {way}" if local else f"from {client} to {server}, {way}",
        "personal data travels in clear: add ?sslmode=verify-full to the URL",
        bad=not local and not ssl,
        severity=Severity.WARNING,
    )


def _room(connection: Connection) -> Finding:
    query = """SELECT current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int,
        (SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())"""
    most, taken = connection.exec_driver_sql(query).one()
    return judge(
        "max_connections",
        f"{taken} of {most} connections are taken",
        f"one process can take {PROCESS_CONNECTIONS}: raise max_connections, or end "
        "what holds them",
        bad=most - taken < PROCESS_CONNECTIONS,
        severity=Severity.WARNING,
    )


def triggers(connection: Connection) -> Finding:
    """See that the log still refuses changes, in every session."""
    query = """SELECT t.tgenabled::text, p.prosrc FROM pg_trigger t
        JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = to_regclass('events') AND t.tgname = 'events_refuse_change'"""
    there = [tuple(row) for row in connection.exec_driver_sql(query)]
    body = TRIGGERS["postgresql"][0].split("$$")[1]
    sound = there == [("A", body)]
    return judge(
        "triggers",
        "the log refuses changes"
        if sound
        else "events can be changed: the log's trigger is not as it was made",
        "verify the log, then as the owner of the table: DROP TRIGGER IF EXISTS "
        "events_refuse_change ON events; "
        + "; ".join(" ".join(t.split()) for t in TRIGGERS["postgresql"]).replace(
            "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
        ),
        bad=not sound,
    )


def _role(connection: Connection) -> Finding:
    """See whether what keeps the log append-only is out of our own reach."""
    query = """SELECT current_user, current_schema(), r.rolsuper,
        coalesce(pg_has_role(c.relowner, 'USAGE'), false)
        FROM pg_roles r LEFT JOIN pg_class c ON c.oid = to_regclass('events')
        WHERE r.rolname = current_user"""
    role, schema, is_super, owns = connection.exec_driver_sql(query).one()
    what = "is a superuser" if is_super else "owns the tables"
    return judge(
        "role",
        f"{role} {what}: it could drop the log's triggers"
        if is_super or owns
        else f"{role} is no superuser and does not own the tables",
        "let this role run `profilestore init` only, and the store use one of its own: "
        "CREATE ROLE profilestore LOGIN PASSWORD '...'; "
        f"GRANT USAGE ON SCHEMA {schema} TO profilestore; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
        f"{schema} TO profilestore; REVOKE UPDATE, DELETE ON {schema}.events, "
        f"{schema}.store, {schema}.alembic_version FROM profilestore",
        bad=is_super or owns,
        severity=Severity.WARNING,
    )
