"""A profile as a read model keeps it: how it stands, and its conditions before."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, bindparam, delete

from profilestore.domain.identity import ProfileKey
from profilestore.domain.text import storable
from profilestore.infrastructure.log.bulk import DISTINCT_KEYS, insert_rows, select_by
from profilestore.infrastructure.log.tables import (
    FOREVER,
    read_profiles,
    read_spans,
)
from profilestore.projections.orderly_fold import Folded
from profilestore.projections.spans import Span

from .generation import Generation

EVER = -(2**63)
"""Earlier than any time."""


class Kept(NamedTuple):
    """What is kept of one profile: of its events until a position of the log.

    One whose fold failed is set aside: nothing is kept of it but the error.
    """

    stream_id: bytes
    profile: ProfileKey
    position: int
    body: bytes | None
    """How it stands, written down: many are kept at once."""
    spans: Sequence[Span]
    error: str | None = None
    spans_from: int = EVER
    """The spans that began before are kept already."""

    @classmethod
    def of(
        cls, stream_id: bytes, profile: ProfileKey, position: int, folded: Folded
    ) -> "Kept":
        """Keep what a stream was folded to."""
        body = folded.standing.to_json()
        return cls(stream_id, profile, position, body, folded.spans)

    @classmethod
    def aside(
        cls, stream_id: bytes, profile: ProfileKey, position: int, error: Exception
    ) -> "Kept":
        """Set a profile aside, with what its fold raised."""
        told = storable(f"{type(error).__name__}: {error}")
        return cls(stream_id, profile, position, None, (), told[:500])


def read_kept(
    connection: Connection,
    generation: Generation,
    stream_ids: Iterable[bytes],
    columns: Sequence[Column[Any]],
) -> Iterator[tuple[Any, ...]]:
    """Read columns of what a generation has of profiles, each by a look at its key."""
    names = ", ".join(column.name for column in columns)
    where = (
        "read_profiles WHERE partition = {} "
        f"AND generation = {int(generation.number)} AND stream_id = key0"
    )
    if connection.dialect.name == "postgresql":
        # OFFSET: by the key, whatever the planner has counted.
        where = f"LATERAL (SELECT {names} FROM {where} OFFSET 0) AS kept"  # noqa: S608 - names of ours
    query = f"SELECT {names} FROM {DISTINCT_KEYS} CROSS JOIN {where}"  # noqa: S608
    keys = [(stream_id,) for stream_id in stream_ids]
    return select_by(connection, query, keys, generation.partition)


def insert_kept(
    connection: Connection, generation: Generation, kept: Sequence[Kept]
) -> None:
    """Write profiles that the generation does not have yet."""
    of_generation = generation.partition, generation.number
    profiles, spans = [], []
    for stream_id, (space, profile_id), position, body, its_spans, error, _ in kept:
        since, code = its_spans[-1] if its_spans else (None, None)
        of_stream = (*of_generation, stream_id)
        profiles.append(
            (*of_stream, space, profile_id, position, code, since, body, error)
        )
        until = FOREVER
        for since, code in reversed(its_spans):
            spans.append((*of_stream, since, until, space, code))
            until = since
    insert_rows(connection, read_profiles, profiles)
    insert_rows(connection, read_spans, spans)


def replace_kept(
    connection: Connection, generation: Generation, kept: Sequence[Kept]
) -> None:
    """Write profiles in place of what the generation has of them."""
    if not kept:
        return
    of_stream = [{"of": one.stream_id, "begun": one.spans_from} for one in kept]
    connection.execute(_delete(read_profiles, generation), of_stream)
    connection.execute(
        _delete(read_spans, generation).where(read_spans.c.since >= bindparam("begun")),
        of_stream,
    )
    insert_kept(connection, generation, kept)


def _delete(table: Any, generation: Generation) -> Any:
    return delete(table).where(
        *generation.rows_of(table),
        table.c.stream_id == bindparam("of"),
    )
