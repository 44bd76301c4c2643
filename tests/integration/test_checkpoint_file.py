"""The file that remembers a log: exact at any length, and refused where it is damaged."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from profilestore import InvalidArgumentError, ProfileStore
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.upkeep.checkpoint_file import CheckpointReader
from profilestore.infrastructure.upkeep.verify import verify
from tests.forgery import History, drop_triggers
from tests.simple_events import event


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database.open("sqlite://")
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Iterator[ProfileStore]:
    with ProfileStore(database) as store:
        store.append([event(n) for n in range(1, 10)])
        drop_triggers(database)
        yield store


@pytest.fixture
def kept(database: Database, store: ProfileStore, tmp_path: Path) -> Path:
    verify(database, checkpoint=tmp_path / "kept")
    return tmp_path / "kept"


def position_found(database: Database, against: Path) -> int | None:
    fault = verify(database, against=against).fault
    return fault and fault.position


def refusal(database: Database, against: Path) -> str:
    with pytest.raises(InvalidArgumentError, match="against") as refused:
        verify(database, against=against)
    assert str(against) in str(refused.value)
    return str(refused.value)


def test_it_is_text_that_says_what_it_is(database: Database, kept: Path) -> None:
    title, line = map(json.loads, kept.read_text().splitlines())

    chains = [row.chain.hex() for row in History.read(database).events]
    assert (title["profilestore"], title["positions"]) == ("checkpoint", [9])
    assert (line["partition"], line["from"], line["to"]) == (0, 1, 9)
    assert line["chain"] == chains[-1]
    assert line["links"] == "".join(chain[:8] for chain in chains)


def test_of_many_lines_it_is_as_exact(
    database: Database, store: ProfileStore, tmp_path: Path
) -> None:
    for first in range(10_000, 32_000, 1000):
        store.append([event(n) for n in range(first, first + 1000)])
    kept = tmp_path / "kept"
    verify(database, checkpoint=kept)
    assert len(kept.read_bytes().splitlines()) == 4
    assert verify(database, against=kept).fault is None

    history = History.read(database)
    for position in (20_001, 20_000, 10_001, 10_000, 1):
        events = [
            row._replace(revision=99) if row.position == position else row
            for row in history.of(0)
        ]
        history.with_events(0, events).rechained(0, position).write(database)
        assert position_found(database, kept) == position
    assert verify(database).fault is None


def test_the_full_chain_at_the_end_of_a_line_counts(
    database: Database, store: ProfileStore, kept: Path
) -> None:
    """Whoever finds an event with the same 8 digits is found at the line's end."""
    rows = History.read(database).events
    with CheckpointReader(kept, 1) as reader:
        answers = [reader.agrees(0, row.position, row.chain) for row in rows]
        alike = rows[-1].chain[:4] + bytes(28)

        assert answers == [True] * 9
        assert not reader.agrees(0, 9, alike)


def test_each_bit_of_it_is_guarded(database: Database, kept: Path) -> None:
    """A damaged file never passes for a changed log, nor for a good file."""
    whole = kept.read_bytes()
    for index in range(len(whole)):
        damaged = bytearray(whole)
        damaged[index] ^= 1 << index % 8
        kept.write_bytes(damaged)
        refusal(database, kept)


def test_cut_off_anywhere_it_is_refused(database: Database, kept: Path) -> None:
    whole = kept.read_bytes()
    for length in range(len(whole)):
        kept.write_bytes(whole[:length])
        refusal(database, kept)
    kept.write_bytes(whole + b"\n")
    assert "damaged" in refusal(database, kept)


def test_lines_of_another_file_are_refused(
    database: Database, store: ProfileStore, kept: Path
) -> None:
    title, line = kept.read_bytes().splitlines(keepends=True)
    store.append([event(100)])
    verify(database, checkpoint=kept)
    later_title, later_line = kept.read_bytes().splitlines(keepends=True)

    for content in (title + later_line, later_title + line, title + line + line):
        kept.write_bytes(content)
        assert "damaged" in refusal(database, kept)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is no checkpoint"),
        (b"{}\n", "is no checkpoint"),
        (b"SQLite format 3\0" + bytes(100_000), "is no checkpoint"),
        (b"x" * 1_000_000, "is no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_refused(
    database: Database, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "other").write_bytes(content)

    assert says in refusal(database, tmp_path / "other")


def test_what_cannot_be_read_is_said(database: Database, tmp_path: Path) -> None:
    assert "No such file" in refusal(database, tmp_path / "none")
    assert "directory" in refusal(database, tmp_path)


def test_that_of_a_store_with_other_partitions_is_refused(
    database: Database, tmp_path: Path, kept: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'eight.db'}"
    ProfileStore.init(url, partitions=8)
    eight = Database.open(url)

    assert "with 1 partitions, not 8" in refusal(eight, kept)
    eight.close()


def test_where_it_cannot_be_written_is_said_first(
    database: Database, store: ProfileStore, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match="No such file"):
        verify(database, checkpoint=tmp_path / "none" / "kept")


def test_nothing_is_left_beside_it(
    database: Database, store: ProfileStore, kept: Path
) -> None:
    verify(database, checkpoint=kept)
    before = kept.read_bytes()
    history = History.read(database)
    history.with_events(0, history.events[:-1]).write(database)

    assert verify(database, checkpoint=kept).fault
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.read_bytes() == before
