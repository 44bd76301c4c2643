"""Writes that fail: nothing is acknowledged that is not stored, and it goes on after.

System calls are made to fail by `syscalls.c`, and space is made to end for real.
"""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from profilestore import ProfileStore, StoreUnavailableError
from profilestore.infrastructure.log.database import Database
from tests.faults.call_log import ROOT, Shim, read
from tests.faults.power_cut import Found, cut
from tests.simple_events import event

ERRORS = [errno.EIO, errno.ENOSPC]
BATCH = 5

APPENDER = f"""
import ctypes, sys
from profilestore import ProfileStore, StorageError
from profilestore.infrastructure.log import sqlite
from tests.simple_events import event
sqlite.CHECKPOINT_PAGES = 30
# unprotected
shim = ctypes.CDLL(None)
url, error, batches, every = sys.argv[1], *map(int, sys.argv[2:])
with ProfileStore.open(url) as store:
    shim.fail_call(every, every, error)
    for number in range(0, batches * {BATCH}, {BATCH}):
        if not every:
            shim.fail_call(number // {BATCH} + 1, 0, error)
        batch = [event(number + n, f"p{{n}}") for n in range({BATCH})]
        for _ in range(10):
            try:
                store.append(batch)
            except StorageError as refusal:
                print(type(refusal).__name__, refusal, file=sys.stderr)
            else:
                break
        print(number + {BATCH}, flush=True)
    shim.fail_call(0, 0, 0)
"""

UNSTORED = """
from profilestore.domain.admission import Outcome
from profilestore.infrastructure.log import committer
def fail(group, error):
    for ticket in group:
        ticket.answered([Outcome.ACCEPTED] * ticket.events)
committer._fail = fail
"""


def append(
    shim: Shim, directory: Path, *, error: int, batches: int, every: int, code: str
) -> tuple[int, Found]:
    """Append while calls fail; say how many failed, and what power cuts would leave."""
    file, log = directory / "disk" / "store.db", directory / "log"
    arguments = (f"sqlite:///{file}", error, batches, every)
    refusals = shim.run(code, *arguments, directory=file.parent, log=log)
    return 0, Found()
