"""Only the connection that writes folds the WAL into the file.

SQLite from 3.7.0 to 3.51.2 can lose committed pages when two connections write and
checkpoint at the same instant. Ours cannot meet so within a process, whatever reads.
"""

from pathlib import Path

from tests.faults.call_log import Shim, read

BUSY = """
import sys, threading
from profilestore import ProfileStore
from profilestore.infrastructure.log import sqlite
from tests.simple_events import SPACE, event
sqlite.CHECKPOINT_PAGES = 15
first, done = int(sys.argv[2]), threading.Event()

def keep_reading(store):
    while not done.is_set():
        store.feed(limit=50)
        store.profile(SPACE, "joe")
        # also read

with ProfileStore.open(sys.argv[1]) as store:
    store.append([event(first)])
    (committer,) = [t for t in threading.enumerate() if t.name == "committer"]
    print(committer.native_id, flush=True)
    readers = [threading.Thread(target=keep_reading, args=[store]) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(first + 1, first + 150):
        store.append([event(number)])
    done.set()
    for reader in readers:
        reader.join()
    print("closing", flush=True)
"""

CHECKPOINTING = """
        with store._database.read() as connection:
            driver = connection.connection.driver_connection
            for statement in ("COMMIT", "PRAGMA wal_checkpoint", "BEGIN"):
                driver.execute(statement)
"""


def writers(log: Path) -> tuple[str, set[tuple[str, int]]]:
    """Say which thread commits, and all that wrote to the file: thread, descriptor.

    Until the store closes: the last connection of all folds the WAL in, alone.
    """
    calls = list(read(log))
    answers = [n for n, call in enumerate(calls) if call.kind == "a"]
    told = calls[answers[0]].data.decode().strip()
    assert calls[answers[-1]].data == b"closing\n"
    return told, {
        (str(call.thread), call.fd)
        for call in calls[answers[0] : answers[-1]]
        if call.kind == "w" and call.path.endswith(".db")
    }


def test_only_the_writer_writes_to_the_file_while_others_read(
    shim: Shim, tmp_path: Path
) -> None:
    """Two processes, three readers in each, checkpoints all along."""
    disk = tmp_path / "disk"
    disk.mkdir()
    url, logs = f"sqlite:///{disk}/store.db", [tmp_path / "log0", tmp_path / "log1"]
    processes = [
        shim.start(BUSY, url, number * 1000, directory=disk, log=log)
        for number, log in enumerate(logs)
    ]
    for process in processes:
        _, complaints = process.communicate(timeout=300)
        assert (process.returncode, complaints) == (0, "")

    for log in logs:
        committer, wrote = writers(log)
        assert len(wrote) == 1
        assert {thread for thread, _ in wrote} == {committer}


def test_a_reader_that_checkpoints_is_seen(shim: Shim, tmp_path: Path) -> None:
    """The control of the test above: told to, a connection that reads writes the file.

    `wal_autocheckpoint` alone does not make it: a connection that commits nothing never
    comes to it. It is 0 there in case one ever does.
    """
    disk, log = tmp_path / "disk", tmp_path / "log"
    code = BUSY.replace("        # also read\n", CHECKPOINTING)
    shim.run(code, f"sqlite:///{disk}/store.db", 0, directory=disk, log=log)
    assert shim.complaints == []

    committer, wrote = writers(log)
    assert {thread for thread, _ in wrote} > {committer}
