"""`backup`: whole, checked, and with all that was acknowledged before it began."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from profilestore import (
    ProfileStore,
    StoreUnavailableError,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.upkeep import backup as module
from profilestore.infrastructure.upkeep.backup import back_up
from tests.integration.appending import appender
from tests.integration.test_cli import Shell
from tests.simple_events import event, rows

SIZE = 20
OLD = (Path(__file__).parent.parent / "data" / "store-0001.sql").read_text()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


class Listener:
    """Hears what a process has acknowledged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._numbers: list[int] = []
        self._thread = Thread(target=self._listen)
        self._thread.start()

    def told(self) -> set[int]:
        return {n + i for n in list(self._numbers) for i in range(SIZE)}

    def end(self) -> None:
        self.process.kill()
        self._thread.join()
        self.process.communicate()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip().isdigit():
                self._numbers.append(int(line))


@contextmanager
def busy(url: str, processes: int = 3) -> Iterator[Callable[[], set[int]]]:
    """Let processes append to a store; give the numbers they have acknowledged."""
    ProfileStore.init(url)
    listeners = [Listener(appender(url, n * 1_000_000, SIZE)) for n in range(processes)]
    try:
        while not all(listener.told() for listener in listeners):
            time.sleep(0.05)
        yield lambda: set().union(*(listener.told() for listener in listeners))
    finally:
        for listener in listeners:
            listener.end()


def missing(copy: Path, acknowledged: set[int]) -> set[int]:
    """What a copy lacks; it must be sound and its positions dense."""
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        positions = connection.execute("SELECT position FROM events ORDER BY 1")
        assert [p for (p,) in positions] == list(range(1, _count(connection) + 1))
        texts = connection.execute("SELECT state FROM events").fetchall()
    connection.close()
    return acknowledged - {json.loads(text)["payload"]["n"] for (text,) in texts}


def _count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(count)


@pytest.mark.parametrize(
    "round_", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 11))]
)
def test_ten_backups_of_a_busy_store_have_all_that_was_acknowledged(
    shell: Shell, url: str, round_: int
) -> None:
    """A hundred with the slow ones; a store each ten, for it grows all the while."""
    with busy(url) as told:
        sizes = []
        for n in range(10):
            before = told()
            copy = shell.directory / f"{n}.backup"
            done = shell.json("--database", url, "backup", copy)
            assert done["bytes"] == copy.stat().st_size
            assert missing(copy, before) == set()
            sizes.append(done["events"])
            with ProfileStore.open(f"sqlite:///{copy}") as store:
                assert store.stats()["positions"] == {0: sizes[-1]}
            copy.unlink()
    assert sizes == sorted(set(sizes)), "nothing was appended meanwhile"


def test_a_copy_of_the_file_alone_lacks_what_was_acknowledged(
    tmp_path: Path, url: str
) -> None:
    """The control of the test above: the last commits are in the WAL."""
    with busy(url) as told:
        before = told()
        shutil.copy(url.removeprefix("sqlite:///"), tmp_path / "copy")

    try:
        lacking = len(missing(tmp_path / "copy", before))
    except sqlite3.DatabaseError:
        lacking = len(before)
    assert lacking > 0


def test_without_its_read_transaction_a_backup_is_begun_anew(
    store: ProfileStore, url: str, tmp_path: Path
) -> None:
    """Why it is made in one: each step after a write begins at the first page again."""
    store.append([event(n, f"p{n}") for n in range(2000)])
    assert _reads(store, url, tmp_path / "1", transaction=True) == 1
    assert _reads(store, url, tmp_path / "2", transaction=False) > 3


def _reads(store: ProfileStore, url: str, copy: Path, *, transaction: bool) -> int:
    """How often a backup in steps was at its beginning while there are writes."""
    left: list[int] = []

    def step(_: int, remaining: int, total: int) -> None:
        left.append(total - remaining)
        if len(left) < 10:
            store.append([event(5000 + len(left) + 10 * transaction)])

    source = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    if transaction:
        source.execute("BEGIN")
        source.execute("SELECT * FROM heads").fetchall()
    target = sqlite3.connect(copy)
    source.backup(target, pages=20, progress=step)
    source.close()
    target.close()
    return left.count(20)


def test_a_backup_is_one_file_for_its_owner_only(
    shell: Shell, store: ProfileStore, url: str
) -> None:
    store.append([event(1)])
    copy = shell.directory / "of the store? 100%.db"

    done = shell("--database", url, "backup", copy)

    assert f"1 events in {copy.stat().st_size:,} bytes" in done.stdout.decode()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.read_bytes()[18:20] == b"\1\1", "it needs no WAL"
    assert [p.name for p in shell.directory.glob("of the*")] == [copy.name]


def test_a_backup_overwrites_nothing(shell: Shell, url: str) -> None:
    ProfileStore.init(url)
    for name, says in (("there", "name a new file"), ("x.partial", "then delete it")):
        (shell.directory / name).write_bytes(b"precious")
        line = shell.fails(
            2, "--database", url, "backup", name.removesuffix(".partial")
        )
        assert says in line
        assert (shell.directory / name).read_bytes() == b"precious"
    (shell.directory / "link").symlink_to("nowhere")
    assert "name a new file" in shell.fails(2, "--database", url, "backup", "link")


def test_a_file_that_cannot_be_there_is_said(
    store: ProfileStore, url: str, shell: Shell
) -> None:
    """A directory that is none is a slip of who asks; the rest is the disk's."""
    (shell.directory / "file").touch()
    for directory in ("nowhere", "file"):
        line = shell.fails(2, "--database", url, "backup", f"{directory}/copy")
        assert f"{directory} is no directory; make it" in line
    line = shell.fails(6, "--database", url, "backup", "x" * 300)
    assert "File name too long; see that it may be written there" in line


def test_a_store_of_an_older_schema_is_backed_up_before_its_upgrade(
    shell: Shell,
) -> None:
    with sqlite3.connect(shell.directory / "old.db") as connection:
        connection.executescript(OLD)
    connection.close()
    old = ("--database", "sqlite:///old.db")

    assert shell.json(*old, "backup", "kept.db")["events"] == 6
    shell.json(*old, "init")

    kept = shell.json("--database", "sqlite:///kept.db", "init")
    assert kept["upgradedFrom"] == "0001"


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM events WHERE position = 2",
        "DELETE FROM events WHERE position = 3",
        "UPDATE heads SET position = 2",
        "UPDATE heads SET chain = zeroblob(32)",
        "DELETE FROM heads",
    ],
)
def test_a_damaged_log_makes_no_backup(shell: Shell, url: str, harm: str) -> None:
    with ProfileStore.open(url) as store:
        store.append([event(n) for n in range(3)])
    rows(url, "DROP TRIGGER events_refuse_delete")
    rows(url, harm)

    assert "partition 0" in shell.fails(5, "--database", url, "backup", "copy")
    assert list(shell.directory.glob("copy*")) == []


def test_a_damaged_page_makes_no_backup(shell: Shell, url: str) -> None:
    with ProfileStore.open(url) as store:
        store.append([event(n, f"p{n}") for n in range(500)])
    (root,) = rows(
        url, "SELECT rootpage FROM sqlite_master WHERE name = 'events_by_time'"
    )
    (size,) = rows(url, "PRAGMA page_size")
    path = Path(url.removeprefix("sqlite:///"))
    with path.open("r+b") as file:
        file.seek(root[0] * size[0] - 256)
        file.write(bytes(range(256)))

    done = shell("--database", url, "backup", "copy")

    assert done.returncode in {5, 6}, done
    assert b"damaged" in done.stderr or b"malformed" in done.stderr
    assert list(shell.directory.glob("copy*")) == []


def test_an_interrupted_backup_leaves_nothing(shell: Shell, url: str) -> None:
    """By Ctrl-C nothing; kill -9 leaves only what it says, and no backup."""
    with ProfileStore.open(url) as store:
        store.append([event(n, f"p{n}") for n in range(2000)])
    slow = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from profilestore.infrastructure.log.database import Database\n"
        "from profilestore.infrastructure.upkeep import backup\n"
        "backup.STEP_PAGES = 1\n"
        "def tell(*_):\n"
        "    print('step', flush=True)\n"
        "    time.sleep(0.05)\n"
        "backup.back_up(Database.connect(sys.argv[1]), Path('copy'), tell)\n"
    )
    for ending, left in ((signal.SIGINT, []), (signal.SIGKILL, ["copy.partial"])):
        with subprocess.Popen(
            [sys.executable, "-c", slow, url],
            cwd=shell.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"step\n"
            process.send_signal(ending)
        assert process.returncode != 0
        there = {p.name for p in shell.directory.glob("copy*")}
        assert there - {"copy.partial-journal"} == set(left)


def test_a_full_disk_is_said(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the copy's pages stands for it."""
    with ProfileStore.open(url) as store:
        store.append([event(n, f"p{n}") for n in range(2000)])
    connect = sqlite3.connect

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 10")
        return connection

    monkeypatch.setattr(module.sqlite3, "connect", small)
    database = Database.connect(url)
    with pytest.raises(StoreUnavailableError, match=r"copy\.partial: .*full"):
        back_up(database, tmp_path / "copy")
    database.close()
    assert list(tmp_path.glob("copy*")) == []


def test_what_is_no_store_in_a_file_is_refused(
    shell: Shell, new_url: Callable[[str], str], tmp_path: Path
) -> None:
    assert "no store at" in shell.fails(6, "backup", "copy")
    url = new_url("postgresql-1")
    line = shell.fails(2, "--database", url, "backup", "copy")
    assert "pg_dump" in line
    assert "copy-to sqlite:///" in line

    rows(f"sqlite:///{tmp_path / 'other.db'}", "CREATE TABLE people (name)")
    line = shell.fails(6, "--database", "sqlite:///other.db", "backup", "copy")
    assert "people" in line
    assert list(shell.directory.glob("copy*")) == []
