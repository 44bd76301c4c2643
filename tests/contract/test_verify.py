"""Each rule of a sound log: what breaks exactly that is found, at its position."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from profilestore import ProfileStore
from profilestore.domain.identity import ProfileKey, home_of
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.head import NewEvent
from profilestore.infrastructure.log.insertion import Insertion
from profilestore.infrastructure.upkeep.verify import Fault, verify
from tests.forgery import History, change, drop_triggers
from tests.simple_events import SPACE, event

JOE = ProfileKey(SPACE, "joe")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Iterator[ProfileStore]:
    """Nine events of joe, before those of others, and no triggers."""
    with ProfileStore(database) as store:
        store.append([event(n) for n in range(1, 10)])
        store.append([event(n, f"p{n % 5}") for n in range(20)])
        drop_triggers(database)
        yield store


@pytest.fixture
def home(store: ProfileStore) -> int:
    """The partition where joe lives."""
    return home_of(JOE.stream_id, store.partitions)


def ends(store: ProfileStore) -> dict[int, int]:
    positions: Any = store.stats()["positions"]
    return dict(positions)


def fault(database: Database, against: Path | None = None) -> tuple[int, int] | None:
    found = verify(database, against=against).fault
    return found and (found.partition, found.position)


def rewrite(database: Database, home: int, at: int, **columns: Any) -> None:
    """Change an event, then make the log sound in itself again."""
    history = History.read(database)
    rows = [
        row._replace(**columns) if row.position == at else row
        for row in history.of(home)
    ]
    history.with_events(home, rows).rechained(home).write(database)


def test_what_was_written_is_sound(
    database: Database, store: ProfileStore, published_events: bytes
) -> None:
    store.append(published_events)

    found = verify(database)

    assert found.fault is None
    assert {p.partition: p.position for p in found.partitions} == ends(store)
    heads = [head[2] for head in History.read(database).heads]
    assert [p.chain for p in found.partitions] == heads


def test_an_empty_store_is_sound(database: Database) -> None:
    found = verify(database)

    assert found.fault is None
    assert [p.partition for p in found.partitions] == list(range(database.partitions))
    assert {(p.position, p.chain) for p in found.partitions} == {(0, bytes(32))}


def test_streams_of_no_profile_may_begin_where_they_like(
    database: Database, store: ProfileStore
) -> None:
    for first in (0, 1, 5):
        stream = uuid4()
        for version in (first, first + 1, first + 7):
            of_library = StoredEvent(stream, version, "topic", b"state")
            store.recorder.insert_events([of_library])

    assert fault(database) is None


OTHER: dict[str, Any] = {
    "stream_id": bytes(16),
    "version": 99,
    "event_id": b"other",
    "name": "profile.delete",
    "revision": 99,
    "occurred_at": 1,
    "recorded_at": 2**60,
    "state": b"{}",
    "digest": bytes(32),
    "chain": bytes(32),
}


@pytest.mark.parametrize("column", OTHER)
def test_each_column_is_guarded(
    database: Database, store: ProfileStore, home: int, column: str
) -> None:
    change(
        database,
        f"UPDATE events SET {column} = :new WHERE partition = :p AND position = 5",
        new=OTHER[column],
        p=home,
    )

    assert fault(database) == (home, 5)


@pytest.mark.parametrize("column", ["event_id", "revision", "occurred_at"])
def test_a_null_is_another_value(
    database: Database, store: ProfileStore, home: int, column: str
) -> None:
    change(
        database,
        f"UPDATE events SET {column} = NULL WHERE partition = :p AND position = 5",
        p=home,
    )

    assert fault(database) == (home, 5)


def test_positions_are_dense(
    database: Database, store: ProfileStore, home: int
) -> None:
    change(database, "DELETE FROM events WHERE partition = :p AND position = 5", p=home)

    assert fault(database) == (home, 5)


@pytest.mark.parametrize("position", [0, -7])
def test_no_position_is_below_1(
    database: Database, store: ProfileStore, home: int, position: int
) -> None:
    history = History.read(database)
    forged = history.of(home)[4]._replace(
        position=position, stream_id=bytes(16), event_id=b"forged"
    )
    history.with_events(home, [*history.of(home), forged]).write(database)

    assert fault(database) == (home, position)


def test_a_digest_made_anew_breaks_the_chain(
    database: Database, store: ProfileStore, home: int
) -> None:
    history = History.read(database)
    rows = history.of(home)
    forged = rows[4]._replace(revision=99).sealed(rows[3].chain)
    for chain, position in ((rows[4].chain, 5), (forged.chain, 6)):
        rows[4] = forged._replace(chain=chain)
        history.with_events(home, rows).write(database)
        assert fault(database) == (home, position)


def test_a_log_made_anew_is_sound_in_itself(
    database: Database, store: ProfileStore, home: int, tmp_path: Path
) -> None:
    """And so shows why a checkpoint is kept elsewhere."""
    kept = tmp_path / "kept"
    verify(database, checkpoint=kept)
    rewrite(database, home, 5, revision=99)

    assert fault(database) is None
    assert fault(database, kept) == (home, 5)


def test_recorded_at_never_decreases(
    database: Database, store: ProfileStore, home: int
) -> None:
    recorded_at = History.read(database).of(home)[4].recorded_at
    rewrite(database, home, 5, recorded_at=recorded_at - 1)

    assert fault(database) == (home, 5)


def test_versions_are_dense(database: Database, store: ProfileStore, home: int) -> None:
    rewrite(database, home, 5, version=99)

    assert fault(database) == (home, 5)


@pytest.mark.parametrize("version", [0, -1, -(2**63)])
def test_versions_begin_at_1(
    database: Database, store: ProfileStore, home: int, version: int
) -> None:
    rewrite(database, home, 1, version=version)

    assert fault(database) == (home, 1)


def test_versions_are_in_order_of_position(
    database: Database, store: ProfileStore, home: int
) -> None:
    history = History.read(database)
    swap = {4: 5, 5: 4}
    rows = [
        r._replace(version=swap.get(r.version, r.version)) for r in history.of(home)
    ]
    rows[9:] = history.of(home)[9:]
    history.with_events(home, rows).rechained(home).write(database)

    assert fault(database) == (home, 4)


@pytest.mark.parametrize(
    "changed",
    [
        {"profile_id": "jim"},
        {"profile_id": "Joe"},
        {"profile_id": ""},
        {"profile_id": None},
        {"api_space_id": str(UUID(int=1))},
        {"api_space_id": SPACE.upper()},
        {"api_space_id": "no uuid"},
        {"api_space_id": None},
        {"api_space_id": None, "profile_id": None},
        {"stream_id": bytes(16)},
    ],
)
def test_a_stream_is_that_of_its_profile(
    database: Database, store: ProfileStore, home: int, changed: dict[str, Any]
) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in changed)
    change(
        database,
        f"UPDATE streams SET {columns} WHERE stream_id = :joe",
        joe=JOE.stream_id.bytes,
        **changed,
    )

    assert fault(database) == (home, 1)


def test_an_event_has_a_stream(
    database: Database, store: ProfileStore, home: int
) -> None:
    joe = JOE.stream_id.bytes
    change(database, "DELETE FROM streams WHERE stream_id = :joe", joe=joe)

    assert fault(database) == (home, 1)


def test_a_stream_has_an_event(
    database: Database, store: ProfileStore, home: int
) -> None:
    """What it lacks must have come after the last, for all until then is sound."""
    change(
        database,
        "INSERT INTO streams VALUES (:p, :stream, :space, 'nobody')",
        p=home,
        stream=bytes(16),
        space=SPACE,
    )

    assert fault(database) == (home, ends(store)[home] + 1)


def test_a_profile_lives_in_its_partition(
    database: Database, store: ProfileStore
) -> None:
    if store.partitions == 1:
        pytest.skip("there is no other partition")
    ann = ProfileKey(SPACE, "ann")
    abroad = (home_of(ann.stream_id, store.partitions) + 1) % store.partitions
    id_ = ann.stream_bytes
    stray = NewEvent(id_, 1, b"e1", "profile.update", 0, 0, b"{}")
    store._committer.commit(Insertion({abroad: [stray]}, {id_: ann}))  # noqa: SLF001 - no port takes it

    assert fault(database) == (abroad, ends(store)[abroad])


@pytest.mark.parametrize(
    ("changed", "distance"),
    [
        ("position = position + 1", 1),
        ("position = 9223372036854775807", 1),
        ("position = position - 3", -2),
        ("recorded_at = recorded_at + 1", 0),
        ("recorded_at = 0", 0),
    ],
)
def test_the_head_is_that_of_the_last_event(
    database: Database, store: ProfileStore, home: int, changed: str, distance: int
) -> None:
    change(database, f"UPDATE heads SET {changed} WHERE partition = :p", p=home)

    assert fault(database) == (home, ends_of_log(database)[home] + distance)


def ends_of_log(database: Database) -> dict[int, int]:
    return {row.partition: row.position for row in History.read(database).events}


def test_the_head_has_the_chain_of_the_last_event(
    database: Database, store: ProfileStore, home: int
) -> None:
    change(database, "UPDATE heads SET chain = :c WHERE partition = :p", c=b"", p=home)

    assert fault(database) == (home, ends(store)[home])


def test_a_partition_has_a_head(
    database: Database, store: ProfileStore, home: int
) -> None:
    change(database, "DELETE FROM heads WHERE partition = :p", p=home)

    assert fault(database) == (home, 1)


def test_no_event_lies_beyond_the_head(
    database: Database, store: ProfileStore, home: int
) -> None:
    history = History.read(database)
    last = history.of(home)[-1]
    forged = last._replace(
        position=last.position + 4, version=last.version + 1, event_id=b"forged"
    )
    history.with_events(home, [*history.of(home), forged]).write(database)

    assert fault(database) == (home, last.position + 4)


@pytest.mark.parametrize("partition", [-1, 1000])
def test_no_event_lies_in_a_partition_that_does_not_exist(
    database: Database, store: ProfileStore, home: int, partition: int
) -> None:
    history = History.read(database)
    rows = [row._replace(partition=partition).sealed(b"") for row in history.of(home)]
    history.with_events(partition, rows[2:4]).write(database)

    assert fault(database) == (partition, 3)


@pytest.mark.parametrize(
    "row", ["streams VALUES (1000, :id, NULL, NULL)", "heads VALUES (1000, 0, :id, 0)"]
)
def test_nothing_else_lies_in_a_partition_that_does_not_exist(
    database: Database, store: ProfileStore, row: str
) -> None:
    change(database, f"INSERT INTO {row}", id=bytes(16))

    assert fault(database) == (1000, 1)


def test_a_fault_says_what_is_wrong_and_what_is_sound(
    database: Database, store: ProfileStore, home: int
) -> None:
    change(database, "DELETE FROM events WHERE partition = :p AND position = 5", p=home)

    found = verify(database)

    what = "the event is missing, the next is at 6"
    assert found.fault == Fault(home, 5, what)
    assert str(found.fault) == f"partition {home}, position 5: {what}"
    assert [sound.partition for sound in found.partitions] == list(range(home))
    assert found.document()["fault"] == {"partition": home, "position": 5, "what": what}


def test_a_log_may_grow_while_it_is_verified(
    database: Database, store: ProfileStore
) -> None:
    stop = Event()

    def append() -> None:
        number = 100
        while not stop.is_set():
            number += 1
            store.append([event(number, f"p{number % 50}")])

    thread = Thread(target=append)
    before = ends(store)
    thread.start()
    try:
        found = [verify(database) for _ in range(20)]
    finally:
        stop.set()
        thread.join()

    assert {one.fault for one in found} == {None}
    assert ends(store) != before


def test_a_log_that_grows_between_two_pages_is_verified_up_to_where_it_ended(
    database: Database, store: ProfileStore, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    before = ends(store)
    numbers = iter(range(1000, 2000))

    found = verify(
        database,
        checkpoint=kept,
        progress=lambda _, __: assert_accepted(store, next(numbers)),
    )

    assert found.fault is None
    assert {p.partition: p.position for p in found.partitions} == before
    assert ends(store) != before
    assert fault(database, kept) is None


def assert_accepted(store: ProfileStore, number: int) -> None:
    receipt = store.append([event(number, f"p{n}") for n in range(20)])
    assert receipt.accepted == 20


def test_progress_is_told_to_the_end(database: Database, store: ProfileStore) -> None:
    told: list[tuple[int, int]] = []
    verify(database, progress=lambda done, of: told.append((done, of)))

    total = sum(ends(store).values())
    assert told == sorted(told)
    assert told[-1] == (total, total)


def test_an_old_checkpoint_is_good_for_a_log_that_grew(
    database: Database, store: ProfileStore, home: int, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    verify(database, checkpoint=kept)
    store.append([event(n, f"p{n % 10}") for n in range(100, 200)])

    assert fault(database, kept) is None
    rewrite(database, home, 5, revision=99)
    assert fault(database, kept) == (home, 5)


@pytest.mark.parametrize("lost", [1, 3, 9])
def test_a_tail_cut_off_is_found_by_a_checkpoint(
    database: Database, store: ProfileStore, home: int, tmp_path: Path, lost: int
) -> None:
    """And by nothing else, where the head was made to fit."""
    kept = tmp_path / "kept"
    store.append([event(n) for n in range(100, 109)])
    verify(database, checkpoint=kept)
    history = History.read(database)
    rows = history.of(home)[:-lost]
    cut = history.with_events(home, rows).with_head(home)
    cut.without_empty_streams().write(database)

    assert fault(database) is None
    assert fault(database, kept) == (home, len(rows) + 1)
    store.append([event(n) for n in range(200, 220)])
    assert fault(database) is None
    assert fault(database, kept) == (home, len(rows) + 1)


def test_no_checkpoint_is_written_of_a_log_with_a_fault(
    database: Database, store: ProfileStore, home: int, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    verify(database, checkpoint=kept)
    was = kept.read_bytes()
    rewrite(database, home, 5, revision=99)

    verify(database, against=kept, checkpoint=kept)

    assert kept.read_bytes() == was
    assert {path.name for path in tmp_path.iterdir() if "kept" in path.name} == {"kept"}


def test_a_checkpoint_may_take_the_place_of_the_one_compared_with(
    database: Database, store: ProfileStore, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    verify(database, checkpoint=kept)
    store.append([event(1000)])

    assert verify(database, against=kept, checkpoint=kept).fault is None
    again = tmp_path / "again"
    verify(database, checkpoint=again)
    assert kept.read_bytes() == again.read_bytes()
