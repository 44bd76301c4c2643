"""Stored history rewritten by the database's owner: all of it is found, exactly.

Each mutation is a function from one history to another. Where the first difference lies
is told by comparing the two, row by row: nothing here is shared with `verify`.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from profilestore import ProfileStore, StorageError
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.upkeep.verify import verify
from tests.forgery import History, Row, drop_triggers
from tests.simple_events import SPACE, event

Mutation = Callable[[Random, History], History]
Place = tuple[int, int]
COLUMNS = Row._fields
CONTENT = ("event_id", "name", "revision", "occurred_at", "state")
"""Columns that can be rewritten in a log that stays sound in itself."""


def flip(random: Random, value: Any, bits: int = 64) -> Any:
    """Flip a bit of a stored value."""
    if isinstance(value, bytes):
        data = bytearray(value)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return bytes(data)
    flipped = value ^ 1 << random.randrange(bits)
    return flipped - (1 << bits) if flipped >= 1 << bits - 1 else flipped


def flip_row(random: Random, row: Row, column: str) -> Row:
    bits = 32 if column == "partition" else 64
    return row._replace(**{column: flip(random, getattr(row, column), bits)})


def exchange(history: History, old: Row, new: Row) -> History:
    events = [new if row is old else row for row in history.events]
    return history._replace(events=tuple(sorted(events, key=lambda row: row.place)))


def some_partition(random: Random, history: History) -> int:
    return random.choice(history.events).partition


def flipped_bit(random: Random, history: History) -> History:
    """Any bit of any column."""
    row = random.choice(history.events)
    return exchange(history, row, flip_row(random, row, random.choice(COLUMNS)))


def swapped(random: Random, history: History) -> History:
    """Two events in each other's place, with or without their digests and chains."""
    one, other = random.sample(history.events, 2)
    until = random.choice([10, 11, 12])
    history = exchange(history, one, Row(*one[:2], *other[2:until], *one[until:]))
    return exchange(history, other, Row(*other[:2], *one[2:until], *other[until:]))


def deleted(random: Random, history: History) -> History:
    """One event, or several."""
    gone = random.sample(history.events, random.choice([1, 1, 2, 5]))
    return history._replace(events=tuple(r for r in history.events if r not in gone))


def deleted_and_closed(random: Random, history: History) -> History:
    """One event, those after it moved up and the log made sound."""
    row = random.choice(history.events)
    return move(deleted_row(history, row), row.place, -1).rechained(*row.place)


def deleted_row(history: History, row: Row) -> History:
    return history._replace(events=tuple(r for r in history.events if r is not row))


def move(history: History, place: Place, by: int) -> History:
    """Give other positions to a partition's events from a place on."""
    partition, position = place
    rows = [
        row._replace(position=row.position + by) if row.position >= position else row
        for row in history.of(partition)
    ]
    return history.with_events(partition, rows)


def reordered(random: Random, history: History) -> History:
    """A run of events in another order, sealed anew or not."""
    partition = some_partition(random, history)
    rows = history.of(partition)
    start = random.randrange(len(rows) - 2)
    run = rows[start : start + random.randrange(3, 9)]
    turned = random.choice([run[::-1], run[1:] + run[:1], run[-1:] + run[:-1]])
    rows[start : start + len(run)] = [
        new._replace(position=old.position)
        for old, new in zip(run, turned, strict=True)
    ]
    history = history.with_events(partition, rows)
    return history.rechained(partition) if random.random() < 0.5 else history


def forged(random: Random, history: History) -> Row:
    """An event that never was, of a stream that is there."""
    row = random.choice(history.events)
    last = max(r.version for r in history.events if r.stream_id == row.stream_id)
    return row._replace(
        version=last + 1, event_id=random.randbytes(8), revision=random.randrange(2**63)
    )


def inserted(random: Random, history: History) -> History:
    """A forged event among the others, which make room; with a good chain or not."""
    new = forged(random, history)
    room = move(history, new.place, +1)
    rows = sorted([*room.of(new.partition), new], key=lambda row: row.place)
    history = room.with_events(new.partition, rows)
    how = random.randrange(3)
    if how == 0:
        return history
    return (
        history.rechained(*new.place) if how == 1 else history.with_head(new.partition)
    )


def appended(random: Random, history: History) -> History:
    """A forged event at the end, or beyond it, which the head does not know."""
    new = forged(random, history)
    last = history.of(new.partition)[-1]
    new = new._replace(
        position=last.position + random.choice([1, 1, 2, 100]),
        recorded_at=last.recorded_at,
    ).sealed(last.chain)
    return history.with_events(new.partition, [*history.of(new.partition), new])


def truncated(random: Random, history: History) -> History:
    """The last events gone, and the head says so nowhere."""
    partition = some_partition(random, history)
    rows = history.of(partition)
    return history.with_events(partition, rows[: random.randrange(len(rows))])


def truncated_with_its_head(random: Random, history: History) -> History:
    """The last events gone, with the head and the streams made to fit."""
    partition = some_partition(random, history)
    rows = history.of(partition)
    history = history.with_events(partition, rows[: random.randrange(1, len(rows))])
    return history.with_head(partition).without_empty_streams()


def rechained(random: Random, history: History) -> History:
    """An event changed, and all digests and chains from there on computed anew."""
    row = random.choice(history.events)
    new = flip_row(random, row, random.choice(CONTENT))
    return exchange(history, row, new).rechained(*row.place)


def sealed_alone(random: Random, history: History) -> History:
    """An event changed, with its own digest and chain computed anew, and no other."""
    row = random.choice(history.events)
    before = [r for r in history.of(row.partition) if r.position < row.position]
    chain = before[-1].chain if before else bytes(32)
    new = flip_row(random, row, random.choice(CONTENT)).sealed(chain)
    if random.random() < 0.5:
        new = new._replace(chain=row.chain)
    return exchange(history, row, new)


IN_SECRET = (truncated_with_its_head, rechained)
"""What leaves a log that is sound in itself."""
MUTATIONS: tuple[Mutation, ...] = (
    flipped_bit,
    swapped,
    deleted,
    deleted_and_closed,
    reordered,
    inserted,
    appended,
    truncated,
    truncated_with_its_head,
    rechained,
    sealed_alone,
)


def first_difference(before: History, after: History) -> Place:
    """The first place with another row than before; the store's partitions first."""
    places = {row.place for row in {*before.events} ^ {*after.events}}
    partitions = {head[0] for head in before.heads}
    return min(places, key=lambda place: (place[0] not in partitions, place))


@pytest.fixture
def database(kind: str, new_url: Callable[[str], str]) -> Any:
    database = Database.open("sqlite://" if kind == "memory" else new_url(kind))
    with ProfileStore(database) as store:
        for first in (0, 20, 40):
            store.append([event(n, f"p{n % 7}") for n in range(first, first + 20)])
        drop_triggers(database)
        yield database


def mutate(
    database: Database, random: Random, mutation: Mutation, before: History
) -> History:
    """Store a mutated history: what the schema's constraints refuse is drawn again."""
    while True:
        after = mutation(random, before)
        if {*after.events} == {*before.events}:
            continue
        try:
            after.write(database)
        except (DBAPIError, StorageError):
            continue
        return after


def found(database: Database, against: Path | None = None) -> Place | None:
    fault = verify(database, against=against).fault
    return fault and (fault.partition, fault.position)


SHORT = [("memory", 200), ("file-3", 60), ("postgresql-1", 60), ("postgresql-3", 40)]
LONG = [("memory", 7000), ("file-3", 2000), ("postgresql-3", 1000)]


@pytest.mark.parametrize(
    ("kind", "count"),
    [*SHORT, *(pytest.param(*run, marks=pytest.mark.slow) for run in LONG)],
)
def test_whatever_was_rewritten_is_found_at_the_first_bad_position(
    database: Database, kind: str, count: int, tmp_path: Path
) -> None:
    """A run of several thousand covers each bit of a short log many times."""
    random = Random(f"{kind} {count}")
    kept = tmp_path / "kept"
    assert verify(database, checkpoint=kept).fault is None
    before = History.read(database)
    missed: Counter[str] = Counter()
    for number in range(count):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        after = mutate(database, random, mutation, before)
        if found(database, kept) != first_difference(before, after):
            missed[mutation.__name__] += 1

    assert missed == {}
    before.write(database)
    assert found(database, kept) is None


@pytest.mark.parametrize("mutation", IN_SECRET)
@pytest.mark.parametrize("kind", ["memory", "postgresql-3"])
def test_without_a_checkpoint_a_log_made_anew_is_not_found(
    database: Database, kind: str, mutation: Mutation
) -> None:
    """The control of the test above: it is the checkpoint that finds them."""
    random = Random(1)
    before = History.read(database)
    for _ in range(25):
        mutate(database, random, mutation, before)
        assert found(database) is None


@pytest.mark.parametrize("kind", ["memory", "postgresql-3"])
def test_what_is_no_mutation_is_no_fault(
    database: Database, kind: str, tmp_path: Path
) -> None:
    """The other control: reading and writing a history changes nothing."""
    verify(database, checkpoint=tmp_path / "kept")
    before = History.read(database)
    before.write(database)

    assert History.read(database) == before
    assert found(database, tmp_path / "kept") is None


@pytest.mark.parametrize("kind", ["memory", "file-3", "postgresql-3"])
def test_a_bit_of_a_head_is_found_at_the_end_of_its_log(
    database: Database, kind: str
) -> None:
    random = Random(1)
    before = History.read(database)
    for _ in range(60):
        number = random.randrange(len(before.heads))
        head = list(before.heads[number])
        column = random.randrange(1, 4)
        head[column] = flip(random, head[column])
        heads = [*before.heads]
        heads[number] = tuple(head)
        before._replace(heads=tuple(heads)).write(database)

        partition, said, *_ = head
        last = before.heads[number][1]
        expected = last if said == last else min(max(said, 0), last) + 1
        assert found(database) == (partition, expected)


@pytest.mark.parametrize("kind", ["memory", "file-3", "postgresql-3"])
def test_a_bit_of_a_stream_is_found_at_its_first_event(
    database: Database, kind: str
) -> None:
    random = Random(1)
    before = History.read(database)
    for _ in range(60):
        number = random.randrange(len(before.streams))
        partition, stream_id, space, profile = before.streams[number]
        assert space == SPACE
        changed = random.choice(
            [
                (partition, flip(random, stream_id), space, profile),
                (partition, stream_id, space, "q" + profile[1:]),
                (partition, stream_id, space[:-1] + "f", profile),
                (partition + 7, stream_id, space, profile),
            ]
        )
        streams = [*before.streams]
        streams[number] = changed
        before._replace(streams=tuple(streams)).write(database)

        first = next(r.place for r in before.events if r.stream_id == stream_id)
        assert found(database) == first
