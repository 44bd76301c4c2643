"""Lists of profiles from the read models, by profile id."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    Connection,
    literal,
    select,
    union_all,
)

from profilestore.domain.identity import ProfileKey
from profilestore.domain.timestamps import to_microseconds
from profilestore.infrastructure.log.tables import read_profiles, read_spans
from profilestore.projections.listed import ListedProfile, listed_from
from profilestore.projections.standing import Standing
from profilestore.projections.stream_fold import fold_stream

from .contains import contains
from .generation import Generation
from .kept import read_kept
from .question import Question
from .stream_rows import read_streams

CHUNK = 200
"""Rows that one statement reads, at most."""
SLACK = 10
"""How many more are read first of each partition than its share of a list may be."""


def list_profiles(
    connection: Connection,
    generations: Sequence[Generation],
    question: Question,
    after: str,
    limit: int,
) -> list[ListedProfile]:
    """List at most so many profiles with larger ids than `after`, bytewise."""
    if not question.codes:
        return []  # the filters contradict each other
    first = min(limit, CHUNK, 2 * limit // len(generations) + SLACK)
    of_each = [
        _listed(connection, generation, question, after, first)
        for generation in generations
    ]
    found = islice(merge(*of_each, key=itemgetter(0)), limit)
    return [profile for _, profile in found]


def _listed(
    connection: Connection,
    generation: Generation,
    question: Question,
    after: str,
    size: int,
) -> Iterator[tuple[bytes, ListedProfile]]:
    """List the profiles of a partition, each with what it is ordered by.

    `size` of them are read first, and more where these are not enough.
    """
    find = _now if question.cut.valid_at is None else _then
    while True:
        found = find(connection, generation, question, after, size)
        for profile_id, standing in found:
            if all(w.holds(standing.data) for w in question.where):
                key = ProfileKey(question.api_space_id, profile_id)
                listed = listed_from(key, question.cut, standing)
                yield profile_id.encode(), listed
        if len(found) < size:
            return
        after, size = found[-1][0], CHUNK


_Found = list[tuple[str, Standing]]


def _now(
    connection: Connection,
    generation: Generation,
    question: Question,
    after: str,
    size: int,
) -> _Found:
    """Find profiles as they are, by the index of their condition."""
    kept = read_profiles.c
    candidates = (
        select(kept.profile_id, kept.stream_id)
        .where(*of_space(generation, question), *needles(question))
        .where(kept.profile_id > after)
        .order_by(kept.profile_id)
        .limit(size)
    )
    if question.lets_all:
        chosen: Any = candidates.where(kept.condition.is_not(None))
    else:
        of_codes = (
            candidates.where(kept.condition == code).subquery()
            for code in question.codes
        )
        every = union_all(*(select(of_code) for of_code in of_codes)).subquery()
        chosen = select(every).order_by(every.c.profile_id).limit(size)
    ids = [row.stream_id for row in connection.execute(chosen)]
    rows = read_kept(connection, generation, ids, (kept.profile_id, kept.body))
    found = [(profile_id, Standing.from_json(body)) for profile_id, body in rows]
    return sorted(found, key=lambda one: one[0].encode())


def _then(
    connection: Connection,
    generation: Generation,
    question: Question,
    after: str,
    size: int,
) -> _Found:
    """Find profiles as they were at a time: by the spans, then by a fold."""
    assert question.cut.valid_at is not None  # noqa: S101 - that is the question
    time = to_microseconds(question.cut.valid_at)
    kept, spans = read_profiles.c, read_spans.c
    condition = (
        select(spans.condition)
        .where(
            *generation.rows_of(read_spans),
            spans.stream_id == kept.stream_id,
            spans.since <= time,
            spans.until > time,
        )
        .scalar_subquery()
    )
    every = (
        select(kept.profile_id, kept.stream_id, condition.label("condition"))
        .where(*of_space(generation, question), kept.profile_id > after)
        .subquery()
    )
    query = (
        select(every.c.profile_id, every.c.stream_id)
        .where(every.c.condition.in_(question.codes))
        .order_by(every.c.profile_id)
        .limit(size)
    )
    rows = connection.execute(query).all()
    ids = [row.stream_id for row in rows]
    standings = dict(standings_at(connection, generation, ids, time))
    return [(row.profile_id, standings[row.stream_id]) for row in rows]


def standings_at(
    connection: Connection,
    generation: Generation,
    stream_ids: Sequence[bytes],
    time: int,
) -> Iterator[tuple[bytes, Standing]]:
    """Fold profiles at a time, in microseconds, by what is known of it now."""
    for stream in read_streams(connection, generation.partition, stream_ids):
        until = [row for row in stream.rows if row[0] <= time]
        folded = fold_stream(stream.profile.profile_id, until, generation.updates)
        yield stream.stream_id, folded.standing


def of_space(generation: Generation, question: Question) -> list[Any]:
    """Name what a generation has of the API space."""
    kept = read_profiles.c
    return [
        *generation.rows_of(read_profiles),
        kept.api_space_id == question.api_space_id,
    ]


def needles(question: Question) -> list[Any]:
    """Leave out most documents that the conditions on them do not hold for."""
    texts = [where.needle for where in question.where]
    return [contains(read_profiles.c.body, literal(text)) for text in texts if text]
