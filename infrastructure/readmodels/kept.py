"""A profile as a read model keeps it: how it stands, and its conditions before."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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
from profilestore.projections.spans import Span
from profilestore.projections.stream_fold import Folded

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
    insert_rows(
        connection,
        read_profiles,
        [
            (
                *of_generation,
                one.stream_id,
                *one.profile,
                one.position,
                one.spans[-1].code if one.spans else None,
                one.spans[-1].since if one.spans else None,
                one.body,
                one.error,
            )
            for one in kept
        ],
    )
    insert_rows(
        connection,
        read_spans,
        [
            (
                *of_generation,
                one.stream_id,
                span.since,
                until,
                one.profile.api_space_id,
                span.code,
            )
            for one in kept
            for span, until in _with_ends(one.spans)
        ],
    )


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


def _with_ends(spans: Sequence[Span]) -> list[tuple[Span, int]]:
    """Pair each span with the time at which the next begins."""
    ends = [after.since for _, after in pairwise(spans)]
    return list(zip(spans, [*ends, FOREVER], strict=True)) if spans else []
