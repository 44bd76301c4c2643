"""Writes that fail: what was acknowledged is stored, once, and appends go on after.

System calls are made to fail by `syscalls.c`; space is made to end for real.
"""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from profilestore import ProfileStore, StoreUnavailableError
from profilestore.infrastructure.log.database import Database
from tests.faults.call_log import Shim, read
from tests.faults.power_cut import cut
from tests.simple_events import event

BATCH = 5

APPENDER = """
import ctypes, sys
from profilestore import ProfileStore, StorageError
from profilestore.infrastructure.log import sqlite
from tests.simple_events import event
sqlite.CHECKPOINT_PAGES = 15
# unprotected
shim = ctypes.CDLL(None)
url, error, batches, every = sys.argv[1], *map(int, sys.argv[2:])

def persist(action):
    for _ in range(10):
        try:
            return action()
        except StorageError as refusal:
            print(type(refusal).__name__, refusal, file=sys.stderr)
    raise SystemExit("it does not go on")
"""

ONE_STORE = (
    APPENDER
    + f"""
with ProfileStore.open(url) as store:
    shim.fail_call(every, every, error)
    nth = 0
    for end in range({BATCH}, (batches + 1) * {BATCH}, {BATCH}):
        if not every and shim.failed_calls() == nth:
            nth += 1
            shim.fail_call(nth, 0, error)
        batch = [event(end - {BATCH} + n, f"p{{n}}") for n in range({BATCH})]
        persist(lambda: store.append(batch))
        print(end, flush=True)
    shim.fail_call(0, 0, 0)
"""
)

NEW_STORES = (
    APPENDER
    + f"""
def make_and_append():
    with ProfileStore.open(f"{{url}}{{number}}") as store:
        store.append([event(n) for n in range({BATCH})])

for number in range(1, batches + 1):
    shim.fail_call(number, 0, error)
    persist(make_and_append)
"""
)

ACKNOWLEDGED_ANYWAY = """
from profilestore.domain.admission import Outcome
from profilestore.infrastructure.log import committer
def fail(group, error):
    for ticket in group:
        ticket.answered([Outcome.ACCEPTED] * ticket.events)
committer._fail = fail
"""


def run(shim: Shim, directory: Path, code: str, *arguments: int) -> Path:
    """Append while calls fail; answer the log, once each refusal is seen to be good.

    The arguments are the error, the number of batches, and which calls fail if not the
    nth from an append on.
    """
    disk, log = directory / "disk", directory / "log"
    url = f"sqlite:///{disk}/store.db"
    shim.run(code, url, *arguments, directory=disk, log=log)
    for refusal in shim.complaints:
        assert refusal.startswith("StoreUnavailableError")
        assert "try again" in refusal
    return log


def stored(file: Path) -> list[str]:
    with ProfileStore.open(f"sqlite:///{file}") as store:
        return [e.event.event_id for e in store.feed(limit=10_000).events]


def ids(count: int) -> list[str]:
    return [f"e{n}" for n in range(count)]


@pytest.mark.parametrize("every", [0, 127])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_write_that_failed_is_not_acknowledged(
    shim: Shim, tmp_path: Path, error: int, every: int
) -> None:
    """The nth call from an append on fails, n from 1 on, or every so often."""
    calls = list(read(run(shim, tmp_path, ONE_STORE, error, 120, every)))
    failed = sum(call.kind.isupper() for call in calls)
    assert failed > 20, failed
    assert len(shim.complaints) > 15
    assert stored(tmp_path / "disk" / "store.db") == ids(120 * BATCH)


def test_acknowledged_all_the_same_it_is_not_stored(shim: Shim, tmp_path: Path) -> None:
    """The control of the test above: the answer is what the database said."""
    code = ONE_STORE.replace("# unprotected", ACKNOWLEDGED_ANYWAY)
    run(shim, tmp_path, code, errno.EIO, 120, 0)

    assert len(stored(tmp_path / "disk" / "store.db")) < 120 * BATCH


@pytest.mark.slow
@pytest.mark.parametrize("every", [0, 127, 211])
def test_a_power_cut_after_failed_syncs_loses_nothing_acknowledged(
    shim: Shim, tmp_path: Path, every: int
) -> None:
    """A sync that failed has lost what it was for, whatever a later one says."""
    calls = list(read(run(shim, tmp_path, ONE_STORE, errno.EIO, 400, every)))
    assert sum(call.kind == "S" for call in calls) >= 3

    found = cut(calls, range(0, 401 * BATCH, BATCH), before="sS")

    assert (found.lost, found.broken) == (0, 0), found


@pytest.mark.parametrize(
    "error", [errno.EIO, pytest.param(errno.ENOSPC, marks=pytest.mark.slow)]
)
def test_a_store_whose_making_failed_is_made_again(
    shim: Shim, tmp_path: Path, error: int
) -> None:
    """The nth call of a new store's life fails, until it is past its first append."""
    log = run(shim, tmp_path, NEW_STORES, error, 100, 0)

    assert sum(call.kind.isupper() for call in read(log)) > 80
    for number in range(1, 101):
        assert stored(tmp_path / "disk" / f"store.db{number}") == ids(BATCH)


def test_a_file_that_could_not_be_opened_to_write_once_can_later(
    shim: Shim, tmp_path: Path
) -> None:
    """SQLite would go on with a connection that can only read, for ever."""
    code = ONE_STORE.replace(
        "with Prof", "ProfileStore.open(url).close()\nwith Prof", 1
    )
    log = run(shim, tmp_path, code, errno.EIO, 10, 0)

    assert "O" in {call.kind for call in read(log)}
    assert stored(tmp_path / "disk" / "store.db") == ids(10 * BATCH)


def fill(store: ProfileStore, first: int = 0) -> int:
    """Append until there is no space; answer how many events were acknowledged."""
    number = first
    with pytest.raises(StoreUnavailableError, match="try again"):
        for number in range(first, 10_000):
            store.append([event(number, payload={"id": "joe", "x": "y" * 9000})])
    return number


def test_a_database_that_may_not_grow_goes_on_when_it_may(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    database = Database.open(f"sqlite:///{file}")

    def limit(pages: int) -> None:
        with database.write() as connection:  # there is one connection to write with
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    limit(100)
    with ProfileStore(database) as store:
        acknowledged = fill(store)
        assert fill(store, acknowledged) == acknowledged
        assert [e.event.event_id for e in store.feed().events] == ids(acknowledged)
        limit(200)
        more = fill(store, acknowledged)

    assert more > acknowledged > 20
    assert stored(file) == ids(more)


def test_files_that_may_not_grow_go_on_when_they_may(tmp_path: Path) -> None:
    """The process may write so much to a file and not more: the WAL meets it first."""
    file = tmp_path / "store.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ProfileStore.open(f"sqlite:///{file}") as store:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, before[1]))
            acknowledged = fill(store)
            assert fill(store, acknowledged) == acknowledged
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        store.append([event(acknowledged)])

    assert acknowledged > 20
    assert stored(file) == ids(acknowledged + 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_was_full_goes_on_with_space(small_disk: Path) -> None:
    """Also closed while it was full, a store has what it acknowledged."""
    file = small_disk / "store.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    with ProfileStore.open(f"sqlite:///{file}") as store:
        acknowledged = fill(store)
        assert fill(store, acknowledged) == acknowledged
        ballast.unlink()
        more = fill(store, acknowledged)

    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    assert more > acknowledged > 20
    assert stored(file) == ids(more)
