"""The schema of a store's database. Stored names and encodings are a contract.

Times are whole microseconds since 1970-01-01T00:00:00Z. Every key begins with the
partition, so that a partition can live anywhere. Columns beside `state` are derived
from it, so that order and cuts need no parsing. The log refuses UPDATE and DELETE by
trigger.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
    event,
)

SCHEMA_VERSION = 1

metadata = MetaData()

store = Table(
    "store",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""One row: what this store is."""

heads = Table(
    "heads",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
)
"""The end of each partition's log. Whoever writes to a partition holds this row."""

streams = Table(
    "streams",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("stream_id", Uuid, nullable=False),
    Column("api_space_id", String),
    Column("profile_id", String),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "stream_id"),
    Index("streams_by_profile", "partition", "api_space_id", "profile_id"),
)
"""One row a profile: who it is and how long its stream."""

events = Table(
    "events",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("stream_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("event_id", String),
    Column("name", String, nullable=False),
    Column("revision", BigInteger),
    Column("occurred_at", BigInteger),
    Column("recorded_at", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("partition", "position"),
    Index("events_by_version", "partition", "stream_id", "version", unique=True),
    # The event id before the stream: a batch looks its ids up in one statement.
    Index("events_by_event_id", "partition", "event_id", "stream_id", unique=True),
    Index("events_by_time", "partition", "stream_id", "occurred_at"),
)
"""The log. `state` is the exact JSON text of the event."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("id", String(32), nullable=False),
    Column("reason", String, nullable=False),
    Column("problems", LargeBinary, nullable=False),
    Column("ingress", String, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("deliveries", BigInteger, nullable=False),
    Column("api_space_id", String),
    Column("profile_id", String),
    Column("event_id", String),
    Column("name", String),
    Column("text", LargeBinary, nullable=False),
    Column("settled", String),
    Column("settled_at", BigInteger),
    Column("settled_by", String),
    Column("settled_why", String),
    PrimaryKeyConstraint("partition", "id"),
    Index("quarantine_by_time", "partition", "first_at"),
    Index("quarantine_by_profile", "partition", "api_space_id", "profile_id"),
)
"""What could not be accepted, whole. `id` is derived from reason and bytes; `settled`
is `replayed` or `discarded`, null while nobody has decided."""

ignored = Table(
    "ignored",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "name"),
)
"""How many events of other families came, by name."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("stream_id", Uuid, nullable=False),
    Column("updates", String, nullable=False),
    Column("fold", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("partition", "stream_id", "updates", "fold", "until"),
)
"""A cache: how long profiles stood when all events until a time are folded."""

tracking = Table(
    "tracking",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("application_name", String, nullable=False),
    Column("notification_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "application_name"),
)
"""How far readers of other logs have come, written with what they derived."""

for _change in ("UPDATE", "DELETE"):
    event.listen(
        events,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # the library has no types for it
            f"CREATE TRIGGER events_refuse_{_change.lower()} BEFORE {_change} "
            "ON events BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
