"""The schema of stores made before there were revisions: SQLite files only."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing: no store is ever brought up to this one."""
