"""Numbers about a store."""

from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, select

from .database import Database
from .tables import events, heads, ignored, quarantine, streams


def count(database: Database) -> dict[str, object]:
    """Count what a store holds; one state of it, read in one transaction."""
    with database.read() as connection:

        def counts(query: Select[Any]) -> dict[str, int]:
            rows = connection.execute(query)
            return {key: number for key, number in rows}  # noqa: C416 - a row is no pair to a type checker

        return {
            "events": counts(
                select(events.c.name, func.count())
                .group_by(events.c.name)
                .order_by(events.c.name)
            ),
            "profiles": connection.scalar(select(func.count()).select_from(streams)),
            "spaces": connection.scalar(
                select(func.count(streams.c.api_space_id.distinct()))
            ),
            "quarantine": counts(
                select(quarantine.c.reason, func.count())
                .where(quarantine.c.settled.is_(None))
                .group_by(quarantine.c.reason)
                .order_by(quarantine.c.reason)
            ),
            "ignored": counts(
                select(ignored.c.name, cast(func.sum(ignored.c.count), BigInteger))
                .group_by(ignored.c.name)
                .order_by(ignored.c.name)
            ),
            "positions": counts(
                select(heads.c.partition, heads.c.position).order_by(heads.c.partition)
            ),
        }
