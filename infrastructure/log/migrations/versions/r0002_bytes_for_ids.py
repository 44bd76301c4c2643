"""Ids as bytes, no lengths of streams, and the revision where Alembic keeps it."""

from uuid import UUID, uuid5

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = (
    """CREATE TABLE store (
        id INTEGER NOT NULL CHECK (id = 1),
        partitions INTEGER NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (id))""",
    """CREATE TABLE streams (
        partition INTEGER NOT NULL,
        stream_id BLOB NOT NULL,
        api_space_id VARCHAR,
        profile_id VARCHAR,
        PRIMARY KEY (partition, stream_id))""",
    """CREATE TABLE events (
        partition INTEGER NOT NULL,
        position BIGINT NOT NULL,
        stream_id BLOB NOT NULL,
        version BIGINT NOT NULL,
        event_id BLOB,
        name VARCHAR NOT NULL,
        revision BIGINT,
        occurred_at BIGINT,
        recorded_at BIGINT NOT NULL,
        state BLOB NOT NULL,
        digest BLOB NOT NULL,
        chain BLOB NOT NULL,
        PRIMARY KEY (partition, position))""",
    """CREATE TABLE quarantine (
        partition INTEGER NOT NULL,
        id VARCHAR(32) NOT NULL,
        reason VARCHAR NOT NULL,
        problems BLOB NOT NULL,
        ingress VARCHAR NOT NULL,
        first_at BIGINT NOT NULL,
        last_at BIGINT NOT NULL,
        deliveries BIGINT NOT NULL,
        stream_id BLOB,
        api_space_id VARCHAR,
        profile_id VARCHAR,
        event_id BLOB,
        name VARCHAR,
        text BLOB NOT NULL,
        settled VARCHAR,
        settled_at BIGINT,
        settled_by VARCHAR,
        settled_why VARCHAR,
        PRIMARY KEY (partition, id))""",
    """CREATE TABLE checkpoints (
        partition INTEGER NOT NULL,
        stream_id BLOB NOT NULL,
        updates VARCHAR NOT NULL,
        fold INTEGER NOT NULL,
        until BIGINT NOT NULL,
        version BIGINT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (partition, stream_id, updates, fold, until))""",
)

_COPIES = (
    "INSERT INTO store SELECT id, partitions, created_at FROM store_0001",
    """INSERT INTO streams SELECT partition, uuid_bytes(stream_id), api_space_id,
        profile_id FROM streams_0001""",
    """INSERT INTO events SELECT partition, position, uuid_bytes(stream_id), version,
        CAST(event_id AS BLOB), name, revision, occurred_at, recorded_at, state,
        digest, chain FROM events_0001 ORDER BY partition, position""",
    """INSERT INTO quarantine SELECT partition, id, reason, problems, ingress, first_at,
        last_at, deliveries,
        CASE WHEN api_space_id IS NULL THEN NULL
             ELSE stream_of(api_space_id, profile_id) END,
        api_space_id, profile_id, CAST(event_id AS BLOB), name, text, settled,
        settled_at, settled_by, settled_why FROM quarantine_0001""",
)

_INDEXES = (
    "CREATE UNIQUE INDEX events_by_version ON events (partition, stream_id, version)",
    "CREATE UNIQUE INDEX events_by_event_id ON events (partition, event_id, stream_id)",
    "CREATE INDEX events_by_time ON events (partition, stream_id, occurred_at)",
    "CREATE INDEX quarantine_by_time ON quarantine (partition, first_at)",
    "CREATE INDEX quarantine_by_stream ON quarantine (partition, stream_id)",
    """CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    """CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
)

_OLD = ("store", "streams", "events", "quarantine", "checkpoints")


def upgrade() -> None:
    """Copy each table into its new form; checkpoints are a cache and made again."""
    _add_functions()
    for table in _OLD:
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_0001")
    for statement in (*_TABLES, *_COPIES):
        op.execute(statement)
    for table in _OLD:
        op.execute(f"DROP TABLE {table}_0001")
    for statement in _INDEXES:
        op.execute(statement)


def _add_functions() -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101 - it is open
    driver.create_function("uuid_bytes", 1, bytes.fromhex, deterministic=True)
    driver.create_function(
        "stream_of",
        2,
        lambda space, profile: uuid5(UUID(space), profile).bytes,
        deterministic=True,
    )
