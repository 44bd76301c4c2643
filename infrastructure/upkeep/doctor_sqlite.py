"""What can be unsafe about a store in a file."""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from profilestore.domain.errors import InvalidArgumentError
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import TRIGGERS

from .finding import Finding, Severity, judge

GIB = 1 << 30
LEAST_FREE_BYTES = GIB
LEAST_FREE_SHARE = 0.05
MOST_WAL_BYTES = GIB // 4

NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "ncpfs"),
    *("nfs", "nfs4", "smb3", "smbfs", "sshfs", "virtiofs", "vboxsf"),
}
MEMORY = {"ramfs", "tmpfs"}

MOUNTS = Path("/proc/mounts")

Look = Callable[[Connection, URL], Iterator[Finding]]
"""Looks at what a database holds."""


def is_file(url: str) -> bool:
    """Say whether a URL names a file that is there, if an empty one."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return False
    if parsed.get_backend_name() != "sqlite":
        return False
    if parsed.database in (None, "", ":memory:"):
        raise InvalidArgumentError("database", f"{url!r} names no file to look at")
    return Path(str(parsed.database)).is_file()


def findings(database: Database, of_store: Look) -> Iterator[Finding]:
    """Look at the library, our connections, the file, its disk, and what it holds."""
    url = database.backend.url
    file = Path(str(url.database)).resolve()
    with database.read() as connection:
        schema.find(connection)  # or refuse what is no store's file
    yield version(sqlite3.sqlite_version_info)
    yield _settings("reader", database.backend.reader)
    yield _settings("writer", database.backend.writer)
    yield _permissions(file)
    yield _directory(file.parent)
    if MOUNTS.exists():
        yield file_system(file, MOUNTS.read_text(errors="surrogateescape"))
    yield _space(file.parent)
    yield _wal(file)
    yield (damage := _damage(database.backend.reader))
    if damage.severity is Severity.OK:  # else what is read means nothing
        with database.read() as connection:
            yield from of_store(connection, url)


def version(linked: tuple[int, ...]) -> Finding:
    """Judge the linked SQLite by the WAL-reset bug."""
    text = ".".join(map(str, linked))
    return judge(
        "SQLite",
        f"version {text} has the WAL-reset bug: where several processes append, one "
        "that writes while another checkpoints can corrupt the file (within a process "
        "only the connection that writes checkpoints)"
        if wal_reset_bug(linked)
        else f"version {text}",
        "append from one process only, or use SQLite 3.51.3 or newer, 3.50.7 or 3.44.6",
        bad=wal_reset_bug(linked),
        severity=Severity.WARNING,
    )


def wal_reset_bug(linked: tuple[int, ...]) -> bool:
    """Say whether a version of SQLite has the bug: 3.7.0 to 3.51.2, but two repairs."""
    repaired = (3, 44, 6) <= linked < (3, 45) or (3, 50, 7) <= linked < (3, 51)
    return (3, 7, 0) <= linked < (3, 51, 3) and not repaired


def _settings(role: str, engine: Engine) -> Finding:
    """Read back what durability rests on, from a connection as the store has them."""
    with closing(engine.raw_connection()) as pooled, closing(pooled.cursor()) as cursor:
        journal, synchronous, page_bytes = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "page_size")
        )
    return judge(
        f"{role} connection",
        f"journal_mode {journal}, synchronous {synchronous}, "
        f"pages of {page_bytes:,} bytes",
        "what is answered as stored can be lost: see what in this process or build of "
        "SQLite changes them; they must be wal and 2 (FULL)",
        bad=(journal, synchronous) != ("wal", 2),
    )


def _permissions(file: Path) -> Finding:
    files = [file.with_name(file.name + end) for end in ("", "-wal", "-shm")]
    modes = {each: each.stat().st_mode for each in files if each.exists()}
    writable = [f.name for f, mode in modes.items() if mode & stat.S_IWOTH]
    readable = [f.name for f, mode in modes.items() if mode & stat.S_IROTH]
    names = " ".join(f.name for f in modes)
    remedy = f"in {file.parent}: chmod o-rw {names}"
    if writable:
        found = f"any user of this machine can write {', '.join(writable)}"
        return Finding(Severity.FAULT, "permissions", found, remedy)
    return judge(
        "permissions",
        f"any user of this machine can read {', '.join(readable)}: personal data"
        if readable
        else "other users can neither read nor write the file",
        remedy,
        bad=bool(readable),
        severity=Severity.WARNING,
    )


def _directory(directory: Path) -> Finding:
    mode = directory.stat().st_mode
    exposed = bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX
    return judge(
        "directory",
        f"any user of this machine can replace files in {directory}"
        if exposed
        else "other users cannot replace the file",
        f"chmod o-w {directory}",
        bad=exposed,
    )


def file_system(file: Path, mounts: str) -> Finding:
    """Judge the file system of a file by the text of /proc/mounts."""
    kinds = {}
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        kinds[Path(point.encode(errors="surrogateescape").decode("unicode_escape"))] = (
            kind
        )
    kind = next((kinds[p] for p in file.parents if p in kinds), "unknown")
    name = kind.removeprefix("fuse.")
    found = f"the file is on {kind}"
    if name in MEMORY:
        found += ": it is gone when the machine restarts"
    if name in NETWORK:
        found += ": SQLite's locks and its shared memory do not work over a network"
    return judge(
        "file system",
        found,
        "move the store to a local disk, or to PostgreSQL",
        bad=name in MEMORY | NETWORK,
        severity=Severity.WARNING,
    )


def _space(directory: Path) -> Finding:
    usage = shutil.disk_usage(directory)
    share = usage.free / usage.total
    return judge(
        "disk space",
        f"{usage.free / GIB:,.1f} GiB are free, {share:.0%}",
        "free some space: appends are refused when there is none",
        bad=usage.free < LEAST_FREE_BYTES or share < LEAST_FREE_SHARE,
        severity=Severity.WARNING,
    )


def _wal(file: Path) -> Finding:
    wal = file.with_name(f"{file.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    return judge(
        "write-ahead log",
        f"{wal.name} has {size / (1 << 20):,.0f} MiB",
        "it cannot be folded into the file while a process reads an old state: find "
        "that process and end it",
        bad=size > MOST_WAL_BYTES,
        severity=Severity.WARNING,
    )


def _damage(engine: Engine) -> Finding:
    """Let SQLite check the file: it reads all of it."""
    with closing(engine.raw_connection()) as pooled, closing(pooled.cursor()) as cursor:
        try:
            cursor.execute("PRAGMA quick_check(5)")
            told = [row[0] for row in cursor.fetchall()]
        except sqlite3.DatabaseError as error:
            told = [str(error)]
    return judge(
        "file",
        "; ".join(told),
        "the file is damaged: restore it from a backup",
        bad=told != ["ok"],
    )


def triggers(connection: Connection) -> Finding:
    """See that the log still refuses changes."""
    query = (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
    )
    there = {" ".join(sql.split()) for (sql,) in connection.exec_driver_sql(query)}
    gone = [
        s for s in (" ".join(t.split()) for t in TRIGGERS["sqlite"]) if s not in there
    ]
    return judge(
        "triggers",
        "events can be changed: the log's triggers are not as they were made"
        if gone
        else "the log refuses changes",
        "verify the log, then as the owner of the file: " + "; ".join(gone),
        bad=bool(gone),
    )
