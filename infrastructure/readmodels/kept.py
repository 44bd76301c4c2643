"""A profile as a read model keeps it: how it stands, and its conditions before."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection

from profilestore.domain.identity import ProfileKey
from profilestore.domain.text import storable
from profilestore.infrastructure.log.bulk import (
    DISTINCT_KEYS,
    insert_rows,
    run_each,
    select_by,
)
from profilestore.infrastructure.log.tables import (
    FOREVER,
    read_profiles,
    read_spans,
)
from profilestore.projections.orderly_fold import Folded
from profilestore.projections.spans import Span

from .generation import Generation


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
    on_top: Span | None = None
    """Its last span, where only what came after is folded: it and all before are kept
    already. `spans` then begin with it."""

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
    profiles = []
    for stream_id, (space, profile_id), position, body, spans, error, _ in kept:
        since, code = spans[-1] if spans else (None, None)
        values = position, code, since, body, error
        profiles.append((*of_generation, stream_id, space, profile_id, *values))
    insert_rows(connection, read_profiles, profiles)
    _insert_spans(connection, generation, kept)


def _insert_spans(
    connection: Connection, generation: Generation, kept: Sequence[Kept]
) -> None:
    of_generation = generation.partition, generation.number
    rows = []
    for one in kept:
        of_stream, until = (*of_generation, one.stream_id), FOREVER
        for since, code in reversed(one.spans):
            rows.append((*of_stream, since, until, one.profile.api_space_id, code))
            until = since
    insert_rows(connection, read_spans, rows)


def replace_kept(
    connection: Connection, generation: Generation, kept: Sequence[Kept]
) -> None:
    """Write profiles in place of what the generation has of them."""
    whole = [one for one in kept if one.on_top is None]
    run_each(connection, _DELETE_PROFILE, [_key(generation, one) for one in whole])
    run_each(connection, _DELETE_SPANS, [(*_key(generation, o), EVER) for o in whole])
    insert_kept(connection, generation, whole)
    _update_kept(connection, generation, [one for one in kept if one.on_top])


def _update_kept(
    connection: Connection, generation: Generation, kept: Sequence[Kept]
) -> None:
    """Write what was put on top: of most profiles it changes only the body."""
    now = [
        (one.position, *one.spans[-1], one.body, *_key(generation, one)) for one in kept
    ]
    run_each(connection, _UPDATE_PROFILE, now)
    changed = [one for one in kept if one.spans[1:]]
    begun = [(*_key(generation, one), one.spans[0].since) for one in changed]
    run_each(connection, _DELETE_SPANS, begun)
    _insert_spans(connection, generation, changed)


_DELETE_PROFILE = """DELETE FROM read_profiles
    WHERE partition = {} AND generation = {} AND stream_id = {}"""
_DELETE_SPANS = """DELETE FROM read_spans
    WHERE partition = {} AND generation = {} AND stream_id = {} AND since >= {}"""
_UPDATE_PROFILE = """UPDATE read_profiles
    SET position = {}, since = {}, condition = {}, body = {}
    WHERE partition = {} AND generation = {} AND stream_id = {}"""
EVER = -(2**63)
"""Earlier than any time."""


def _key(generation: Generation, one: Kept) -> tuple[int, int, bytes]:
    return generation.partition, generation.number, one.stream_id
