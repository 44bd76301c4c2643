"""Read models; checkpoints name the version of the folds by its digest."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = (
    "DROP TABLE checkpoints",
    """CREATE TABLE checkpoints (
        partition INTEGER NOT NULL,
        stream_id {blob} NOT NULL,
        updates {text} NOT NULL,
        fold {text} NOT NULL,
        until BIGINT NOT NULL,
        version BIGINT NOT NULL,
        body {blob} NOT NULL,
        PRIMARY KEY (partition, stream_id, updates, fold, until))""",
    """CREATE TABLE read_models (
        partition INTEGER NOT NULL,
        generation BIGINT NOT NULL,
        updates {text} NOT NULL,
        fold {text} NOT NULL,
        phase {text} NOT NULL,
        position BIGINT NOT NULL,
        begun_at BIGINT NOT NULL,
        PRIMARY KEY (partition, generation))""",
    """CREATE TABLE read_parts (
        partition INTEGER NOT NULL,
        generation BIGINT NOT NULL,
        part INTEGER NOT NULL,
        "after" {blob} NOT NULL,
        until {blob} NOT NULL,
        events BIGINT NOT NULL,
        PRIMARY KEY (partition, generation, part))""",
    """CREATE TABLE read_profiles (
        partition INTEGER NOT NULL,
        generation BIGINT NOT NULL,
        stream_id {blob} NOT NULL,
        api_space_id {text} NOT NULL,
        profile_id {text} NOT NULL,
        position BIGINT NOT NULL,
        condition INTEGER,
        since BIGINT,
        body {blob},
        error {text},
        PRIMARY KEY (partition, generation, stream_id))""",
    """CREATE INDEX read_profiles_by_id ON read_profiles
        (partition, api_space_id, generation, profile_id)""",
    """CREATE INDEX read_profiles_by_condition ON read_profiles
        (partition, api_space_id, generation, condition, profile_id)""",
    """CREATE TABLE read_spans (
        partition INTEGER NOT NULL,
        generation BIGINT NOT NULL,
        stream_id {blob} NOT NULL,
        since BIGINT NOT NULL,
        until BIGINT NOT NULL,
        api_space_id {text} NOT NULL,
        condition INTEGER NOT NULL,
        PRIMARY KEY (partition, generation, stream_id, since))""",
    """CREATE INDEX read_spans_by_time ON read_spans
        (partition, api_space_id, generation, since, until, condition)""",
)

_TYPES = {
    "sqlite": {"blob": "BLOB", "text": "VARCHAR"},
    "postgresql": {"blob": "BYTEA", "text": 'VARCHAR COLLATE "C"'},
}


def upgrade() -> None:
    """Make what is only derived anew: nothing of the log is touched."""
    types = _TYPES[op.get_bind().dialect.name]
    for statement in _TABLES:
        op.execute(statement.format(**types))
