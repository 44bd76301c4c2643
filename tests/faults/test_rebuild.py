"""A rebuild that is broken off, shared, or disturbed comes to what an undisturbed one does."""

import random
import signal
import subprocess
import sys
from threading import Thread

import pytest

from profilestore import ProfileStore
from tests.read_models import kept, mixed
from tests.simple_events import SPACE, event, rows

REBUILDER = """
import os, signal, sys
from profilestore import ProfileStore
from profilestore.infrastructure.readmodels import (
    builder, catch_up, rebuild, stream_rows)
builder.STEP_EVENTS, builder.PART_EVENTS, builder.AT_ONCE = 60, 200, int(sys.argv[3])
stream_rows.BATCH = 20
catch_up.STEP_EVENTS, rebuild.DROPPED = 50, 7
store = ProfileStore.open(sys.argv[1])
left = [int(sys.argv[2])]
def until(*_):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
from sqlalchemy import event
event.listen(store._database.backend.writer, "before_cursor_execute", until)
event.listen(store._database.backend.writer, "commit", until)
{}
print(store.rebuild().profiles)
store.close()
"""
"""Builds in small steps; killed before a statement of those that write, or a commit."""

NO_COMPARISON = """
from sqlalchemy import update
def blind(self, generation, part, done):
    with self.database.write() as connection:
        connection.execute(update(builder.read_parts).where(
            *generation.rows_of(builder.read_parts),
            builder.read_parts.c.part == part.number).values(after=done.until))
        builder.insert_kept(connection, generation, done.kept)
    return True
builder.Builder._write = blind
"""
"""Takes it that nobody else is at work."""

APART = """
insert = builder.insert_kept
def later(connection, generation, kept):
    connection.commit()
    connection.begin()
    insert(connection, generation, kept)
builder.insert_kept = later
"""
"""Commits how far a part is before what it consists of."""


def rebuilder(
    url: str, after: int = -1, change: str = "", at_once: int = 0
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            REBUILDER.replace("{}", change),
            url,
            str(after),
            str(at_once),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def full(either_url: str) -> tuple[str, list[object]]:
    """A store, and what an undisturbed rebuild keeps of it."""
    ProfileStore.init(either_url)
    with ProfileStore.open(either_url) as store:
        store.append(mixed(1500, profiles=60))
        store.rebuild()
    return either_url, list(kept(either_url))


def broken_off(url: str, change: str = "", tries: int = 12) -> int:
    """Kill rebuilds at places chosen by chance until one ends; say how many were."""
    chance, killed = random.Random(5), 0
    for _ in range(tries):
        at_once = chance.choice([0, 10_000])
        process = rebuilder(url, chance.randrange(3, 70), change, at_once)
        process.communicate(timeout=120)
        killed += process.returncode == -signal.SIGKILL
    return killed


def test_killed_again_and_again_it_comes_to_the_same(
    full: tuple[str, list[object]],
) -> None:
    url, undisturbed = full

    assert broken_off(url) >= 8

    with ProfileStore.open(url) as store:
        assert store.count(SPACE).profiles == 60  # read meanwhile, half done or not
        store.rebuild()
        assert kept(url) == undisturbed
        assert len(store.read_models.describe()) == 1


def test_told_before_it_is_done_a_part_would_be_lost(
    full: tuple[str, list[object]],
) -> None:
    """The control of the test above."""
    url, undisturbed = full

    broken_off(url, APART, tries=20)

    rebuilder(url).communicate(timeout=120)
    assert kept(url) != undisturbed


def test_two_at_once_share_the_work(full: tuple[str, list[object]]) -> None:
    url, undisturbed = full

    for _ in range(3):
        running = [rebuilder(url) for _ in range(3)]
        said = [process.communicate(timeout=120) for process in running]
        assert [p.returncode for p in running] == [0, 0, 0], said
        assert {out.strip() for out, _ in said} == {b"60"}

    assert kept(url) == undisturbed


def test_without_looking_whether_others_are_at_it_they_would_fail(
    full: tuple[str, list[object]],
) -> None:
    """The control of the test above."""
    url, undisturbed = full
    failed = False
    for _ in range(5):
        running = [rebuilder(url, change=NO_COMPARISON) for _ in range(3)]
        for process in running:
            process.communicate(timeout=120)
        failed = failed or any(process.returncode for process in running)
        failed = failed or kept(url) != undisturbed

    assert failed


@pytest.mark.parametrize("jobs", [1, 3])
def test_while_others_append_it_comes_to_what_one_after_does(
    either_url: str, jobs: int
) -> None:
    ProfileStore.init(either_url)
    with ProfileStore.open(either_url) as store:
        events = mixed(3000, profiles=60)
        store.append(events[:1500])

        def append() -> None:
            for start in range(1500, 3000, 20):
                store.append(events[start : start + 20])

        appending = Thread(target=append)
        appending.start()
        while appending.is_alive():
            store.rebuild(jobs=jobs)
            assert store.count(SPACE).profiles == 60
        appending.join()
        assert store.count(SPACE).profiles == 60
        meanwhile = kept(either_url)
        store.rebuild()

        assert kept(either_url) == meanwhile
        assert not list(store.check())


def test_processes_that_fail_leave_their_work_and_their_error_to_who_asked(
    either_url: str,
) -> None:
    ProfileStore.init(either_url)
    with ProfileStore.open(either_url) as store:
        store.append([event(n, f"p{n}") for n in range(30)])
        store.count(SPACE)
        rows(either_url, "ALTER TABLE read_spans RENAME TO gone")
        with pytest.raises(Exception, match="read_spans"):
            store.rebuild(jobs=2)
        rows(either_url, "ALTER TABLE gone RENAME TO read_spans")

        assert store.rebuild(jobs=2).profiles == 30
        assert not list(store.check())
