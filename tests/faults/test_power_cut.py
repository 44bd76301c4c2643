"""The power cut at every system call: what was acknowledged is on the disk.

A real store appends; `syscalls.c` logs each call on its files and each acknowledgement.
Then for each point of the log the files are made that a power cut there would leave, and
opened. No sector is torn and no name of a file is lost: SQLite's checksums and syncs of
the directory are for those.
"""

import random
from itertools import accumulate
from pathlib import Path

import pytest

from tests.faults.call_log import Shim, read
from tests.faults.power_cut import Found, cut

APPENDER = """
import sys
from profilestore import ProfileStore
from profilestore.infrastructure.log import sqlite
from tests.simple_events import event
sqlite.CHECKPOINT_PAGES = 15
# unprotected
number = 0
with ProfileStore.open(sys.argv[1]) as store:
    for size in map(int, sys.argv[2:]):
        store.append([event(number + n, f"p{(number + n) % 7}") for n in range(size)])
        number += size
        print(number, flush=True)
"""

SYNCED_NOW_AND_THEN = """
protected = sqlite._set_pragma
def set_pragma(connection, name, value):
    if name == "synchronous":
        connection.execute("PRAGMA synchronous = NORMAL")
        return value
    return protected(connection, name, value)
sqlite._set_pragma = set_pragma
"""

NEVER_SYNCED = SYNCED_NOW_AND_THEN.replace("NORMAL", "OFF")


class Run:
    """A run of the appender: its calls, and how many events there are after each batch."""

    def __init__(
        self, shim: Shim, directory: Path, events: int, unprotected: str = ""
    ) -> None:
        seeded = random.Random(1)
        sizes: list[int] = []
        while sum(sizes) < events:
            sizes.append(seeded.randint(1, 20))
        self._ends = [0, *accumulate(sizes)]
        file, log = directory / "disk" / "store.db", directory / "log"
        code = APPENDER.replace("# unprotected", unprotected)
        told = shim.run(
            code, f"sqlite:///{file}", *sizes, directory=file.parent, log=log
        )
        assert list(map(int, told)) == self._ends[1:]
        self.calls = list(read(log))

    def cut(self, before: str, seeds: int = 0) -> Found:
        return cut(self.calls, self._ends, before, seeds)


def test_what_was_acknowledged_is_there_after_a_power_cut(
    shim: Shim, tmp_path: Path
) -> None:
    """At any of some thousand calls, with nothing but what was synced, or half more."""
    run = Run(shim, tmp_path, events=500)
    assert sum(c.kind == "s" and c.path.endswith(".db") for c in run.calls) > 12

    for seeds in (0, 1):
        found = run.cut(before="sur", seeds=seeds)
        assert found.images > 100, found
        assert (found.lost, found.broken) == (0, 0), found


def test_without_a_sync_at_each_commit_a_power_cut_loses_acknowledged_events(
    shim: Shim, tmp_path: Path
) -> None:
    """The control of the test above: SQLite's `synchronous` decides it."""
    found = Run(shim, tmp_path, 500, SYNCED_NOW_AND_THEN).cut(before="sur")

    assert found.lost > 0, found


@pytest.mark.slow
def test_any_part_of_what_was_not_synced_may_be_there_too(
    shim: Shim, tmp_path: Path
) -> None:
    """Before each call, with random halves of the writes that no sync had covered."""
    found = Run(shim, tmp_path, 1000).cut(before="wtsur", seeds=2)

    assert found.images > 5000, found
    assert (found.lost, found.broken) == (0, 0), found


@pytest.mark.slow
def test_never_synced_a_store_is_broken_by_a_power_cut(
    shim: Shim, tmp_path: Path
) -> None:
    """The control of the test above: here the order of writes is the disk's to choose."""
    found = Run(shim, tmp_path, 300, NEVER_SYNCED).cut(before="wtsur", seeds=1)

    assert found.lost > 0, found
    assert found.broken > 0, found
