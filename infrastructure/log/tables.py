"""The schema of a store's database. Stored names and encodings are a contract.

Times are whole microseconds since 1970-01-01T00:00:00Z. Every key begins with the
partition, so that a partition can live anywhere. Columns beside `state` are derived
from it, so that order and cuts need no parsing. Stream ids are the 16 bytes of a UUID;
event ids are UTF-8 bytes, for they may hold what a database's text may not (U+0000).
The log refuses UPDATE, DELETE and TRUNCATE by trigger.
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
    event,
)

SCHEMA = "0003"
"""The newest revision in `migrations/`, which these tables are."""

metadata = MetaData()

# Bytewise order on both engines, whatever a database's locale is.
Text = String().with_variant(String(collation="C"), "postgresql")
StreamId = LargeBinary(16)

schema_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""The revision of the schema, where Alembic keeps it."""

store = Table(
    "store",
    metadata,
    Column(
        "id",
        Integer,
        CheckConstraint("id = 1"),
        primary_key=True,
        autoincrement=False,
    ),
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
    Column("stream_id", StreamId, nullable=False),
    Column("api_space_id", Text),
    Column("profile_id", Text),
    PrimaryKeyConstraint("partition", "stream_id"),
)
"""One row a profile: who it is. How long its stream is, the events tell: a length kept
here would be a row to rewrite for each event."""

events = Table(
    "events",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("stream_id", StreamId, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("event_id", LargeBinary),
    Column("name", Text, nullable=False),
    Column("revision", BigInteger),
    Column("occurred_at", BigInteger),
    Column("recorded_at", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("partition", "position"),
    Index("events_by_version", "partition", "stream_id", "version", unique=True),
    # What must be new, and is looked up: an event's id in its own stream.
    Index("events_by_event_id", "partition", "event_id", "stream_id", unique=True),
    Index("events_by_time", "partition", "stream_id", "occurred_at"),
)
"""The log. `state` is the exact JSON text of the event."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("id", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("problems", LargeBinary, nullable=False),
    Column("ingress", Text, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("deliveries", BigInteger, nullable=False),
    Column("stream_id", StreamId),
    Column("api_space_id", Text),
    Column("profile_id", Text),
    Column("event_id", LargeBinary),
    Column("name", Text),
    Column("text", LargeBinary, nullable=False),
    Column("settled", Text),
    Column("settled_at", BigInteger),
    Column("settled_by", Text),
    Column("settled_why", Text),
    PrimaryKeyConstraint("partition", "id"),
    Index("quarantine_by_time", "partition", "first_at"),
    Index("quarantine_by_stream", "partition", "stream_id"),
)
"""What could not be accepted, whole. `id` is derived from reason and bytes; `settled`
is `replayed` or `discarded`, null while nobody has decided."""

ignored = Table(
    "ignored",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "name"),
)
"""How many events of other families came, by name."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("stream_id", StreamId, nullable=False),
    Column("updates", Text, nullable=False),
    Column("fold", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("partition", "stream_id", "updates", "fold", "until"),
)
"""A cache: how long profiles stood when all events until a time are folded."""

read_models = Table(
    "read_models",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("updates", Text, nullable=False),
    Column("fold", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "generation"),
)
"""The read models of a partition, each derived by one version of the folds under one
update policy, up to a position. `phase` is `building`, `live` or `old`."""

read_parts = Table(
    "read_parts",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
    Column("after", LargeBinary, nullable=False),
    Column("until", LargeBinary, nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "generation", "part"),
)
"""How far a read model is built: in each range of stream ids, up to `after`."""

read_profiles = Table(
    "read_profiles",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("stream_id", StreamId, nullable=False),
    Column("api_space_id", Text, nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("condition", Integer),
    Column("since", BigInteger),
    Column("body", LargeBinary),
    Column("error", Text),
    PrimaryKeyConstraint("partition", "generation", "stream_id"),
    # The space before the generation: or PostgreSQL, while it has not counted a table,
    # takes these as good as the key for a single profile, and reads them all.
    Index(
        "read_profiles_by_id", "partition", "api_space_id", "generation", "profile_id"
    ),
    Index(
        "read_profiles_by_condition",
        "partition",
        "api_space_id",
        "generation",
        "condition",
        "profile_id",
    ),
)
"""Profiles as they stand after their events until `position` of the log. One whose fold
failed is set aside: it has an `error`, and nothing else."""

read_spans = Table(
    "read_spans",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("stream_id", StreamId, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("api_space_id", Text, nullable=False),
    Column("condition", Integer, nullable=False),
    PrimaryKeyConstraint("partition", "generation", "stream_id", "since"),
    Index(
        "read_spans_by_time",
        "partition",
        "api_space_id",
        "generation",
        "since",
        "until",
        "condition",
    ),
)
"""The conditions of profiles in valid time, `until` exclusive, `FOREVER` if open."""

FOREVER = 2**63 - 1
"""Later than any time."""

tracking = Table(
    "tracking",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("application_name", Text, nullable=False),
    Column("notification_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "application_name"),
)
"""How far readers of other logs have come, written with what they derived."""

TRIGGERS = {
    "sqlite": (
        """CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
        """CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$""",
        """CREATE TRIGGER events_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE
        ON events FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change()""",
        "ALTER TABLE events ENABLE ALWAYS TRIGGER events_refuse_change",
    ),
}
"""What makes the log append-only, by dialect."""
for _dialect, _statements in TRIGGERS.items():
    for _statement in _statements:
        event.listen(
            events,
            "after_create",
            DDL(_statement).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call]  # the library has no types for it
        )
