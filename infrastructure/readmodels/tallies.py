"""Numbers of profiles from the read models, by the code of their condition."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from profilestore.infrastructure.log.tables import read_profiles, read_spans
from profilestore.projections.standing import Standing

from .generation import Generation
from .lists import needles, of_space, standings_at
from .question import Question

ByCode = Counter[int]

AT_ONCE = 500
"""Documents that are held at once where they are looked into."""


def tally_now(
    connection: Connection, generations: Sequence[Generation], question: Question
) -> ByCode:
    """Count the profiles that a question lets through, as they are."""
    return _sum(generations, lambda each: _now(connection, each, question))


def tally_at(
    connection: Connection,
    generations: Sequence[Generation],
    question: Question,
    time: int,
) -> ByCode:
    """Count them as they were at a time, in microseconds."""
    count = _then_where if question.where else _then
    return _sum(generations, lambda each: count(connection, each, question, time))


def tally_over(
    connection: Connection,
    generations: Sequence[Generation],
    question: Question,
    times: range,
) -> Iterator[ByCode]:
    """Count them at each of several times of equal distance."""
    if question.where:
        for time in times:
            yield tally_at(connection, generations, question, time)
        return
    now = tally_at(connection, generations, question, times[0])
    changes: dict[int, ByCode] = {}
    for generation in generations:
        for step, code, number in _changes(connection, generation, question, times):
            changes.setdefault(step, Counter())[code] += number
    for step in range(len(times)):
        now.update(changes.get(step, {}))
        yield Counter(now)


def set_aside(
    connection: Connection, generations: Sequence[Generation], question: Question
) -> int:
    """Count the profiles of the API space whose fold failed."""
    return sum(
        connection.execute(
            select(func.count())
            .select_from(read_profiles)
            .where(*of_space(generation, question), read_profiles.c.condition.is_(None))
        ).scalar_one()
        for generation in generations
    )


def _sum(
    generations: Sequence[Generation], count: Callable[[Generation], ByCode]
) -> ByCode:
    return sum(map(count, generations), ByCode())


def _now(connection: Connection, generation: Generation, question: Question) -> ByCode:
    kept = read_profiles.c
    of_question = (*of_space(generation, question), kept.condition.in_(question.codes))
    if not question.where:
        query = select(kept.condition, func.count()).where(*of_question)
        return _by_code(connection, query.group_by(kept.condition))
    documents = select(kept.condition, kept.body).where(
        *of_question, *needles(question)
    )
    documents = documents.execution_options(yield_per=AT_ONCE)
    return Counter(
        row.condition
        for row in connection.execute(documents)
        if _holds(question, Standing.from_json(row.body))
    )


def _then(
    connection: Connection, generation: Generation, question: Question, time: int
) -> ByCode:
    code = read_spans.c.condition
    query = select(code, func.count()).where(*_spans(generation, question, time))
    return _by_code(connection, query.group_by(code))


def _then_where(
    connection: Connection, generation: Generation, question: Question, time: int
) -> ByCode:
    """Fold all profiles that were in a condition: what they said then is not kept."""
    query = select(read_spans.c.stream_id, read_spans.c.condition).where(
        *_spans(generation, question, time)
    )
    codes = {row.stream_id: row.condition for row in connection.execute(query)}
    standings = standings_at(connection, generation, list(codes), time)
    return Counter(codes[i] for i, standing in standings if _holds(question, standing))


def _changes(
    connection: Connection, generation: Generation, question: Question, times: range
) -> Iterator[tuple[int, int, int]]:
    """Count the spans that begin and end between each two times, by their codes.

    Each is told with the index of the first time at which it counts.
    """
    spans = read_spans.c
    for when, sign in ((spans.since, 1), (spans.until, -1)):
        step = (when - times[0] + (times.step - 1)) // times.step
        query = (
            select(step.label("step"), spans.condition, func.count())
            .where(
                *_spans(generation, question),
                when > times[0],
                when <= times[-1],
            )
            .group_by("step", spans.condition)
        )
        for index, code, number in connection.execute(query):
            yield index, code, sign * number


def _spans(
    generation: Generation, question: Question, time: int | None = None
) -> list[Any]:
    spans = read_spans.c
    bounds = [] if time is None else [spans.since <= time, spans.until > time]
    return [
        *generation.rows_of(read_spans),
        spans.api_space_id == question.api_space_id,
        spans.condition.in_(question.codes),
        *bounds,
    ]


def _by_code(connection: Connection, query: Any) -> ByCode:
    return Counter({row[0]: row[1] for row in connection.execute(query)})


def _holds(question: Question, standing: Standing) -> bool:
    return all(where.holds(standing.data) for where in question.where)
