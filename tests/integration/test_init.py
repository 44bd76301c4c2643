"""`init`: the schema made and upgraded, what is refused until then, and the wheel."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from profilestore import InvalidArgumentError, ProfileStore, SchemaMismatchError
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.sqlite import PAGE_BYTES
from profilestore.infrastructure.log.tables import SCHEMA
from tests.integration.test_cli import SPACE, Shell
from tests.simple_events import event, rows

ROOT = Path(__file__).parent.parent.parent
INIT = """
import sys
from profilestore import ProfileStore
sys.stdin.readline()
print(ProfileStore.init(sys.argv[1], partitions=8).created)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_init_says_what_it_did(
    shell: Shell, kind: str, new_url: Callable[[str], str]
) -> None:
    url = new_url(kind)

    made = shell("--database", url, "init", "--partitions", "8")
    again = shell("--database", url, "init")
    document = shell.json("--database", url, "init", "--partitions", "8")

    assert made.stdout.decode().startswith("made a store with 8 partitions at ")
    assert again.stdout.decode().endswith(
        f" is up to date: schema {SCHEMA}, 8 partitions\n"
    )
    assert document == {
        "schema": SCHEMA,
        "upgradedFrom": None,
        "partitions": 8,
        "created": False,
    }
    assert "has 8" in shell.fails(2, "--database", url, "init", "--partitions", "3")
    assert "1<=x<=1024" in shell.fails(2, "init", "--partitions", "0")
    with ProfileStore.open(url) as store:
        assert store.partitions == 8


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_processes_that_init_at_once_make_one_store(
    kind: str, new_url: Callable[[str], str]
) -> None:
    url = new_url(kind)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", INIT, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)

    assert said == ["False"] * 4 + ["True"]
    assert rows(url, "SELECT count(*) FROM heads") == [(8,)]


def test_without_its_lock_init_fails_when_another_does_it_at_once(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: two that both find nothing both create."""
    url = new_url("postgresql")
    find = schema.find

    def slow(connection: schema.Connection) -> str | None:
        found = find(connection)
        monkeypatch.setattr(schema, "_find_alone", find)
        ProfileStore.init(url)
        return found

    monkeypatch.setattr(schema, "_find_alone", slow)

    with pytest.raises(Exception, match=r"already exists|duplicate key"):
        ProfileStore.init(url)


@pytest.mark.parametrize(
    "command",
    [
        ("append",),
        ("show", SPACE, "joe"),
        ("stats",),
        ("quarantine", "list"),
        ("copy-to", "sqlite:///copy.db"),
    ],
)
def test_a_database_without_a_store_is_refused_with_the_command_that_makes_it(
    shell: Shell, new_url: Callable[[str], str], command: tuple[str, ...]
) -> None:
    url = new_url("postgresql")

    line = shell.fails(6, *command, PROFILESTORE_DATABASE=url)

    told = line.partition("run `")[2].rpartition("`")[0]
    done = subprocess.run(
        told, shell=True, check=False, capture_output=True, env=_with_path(shell)
    )
    assert (done.returncode, done.stderr) == (0, b""), told
    assert done.stdout.startswith(b"made a store with 1 partition at ")


def _with_path(shell: Shell) -> dict[str, str]:
    return shell.env | {"PATH": f"{Path(sys.executable).parent}:{shell.env['PATH']}"}


def test_a_question_makes_no_store(shell: Shell) -> None:
    """Not even in a file that is a database, but an empty one."""
    path = shell.directory / "empty.db"
    rows(f"sqlite:///{path}", "PRAGMA user_version = 7")

    line = shell.fails(6, "--database", "sqlite:///empty.db", "stats")

    assert "run `profilestore --database sqlite:///empty.db init`" in line
    assert rows(f"sqlite:///{path}", "SELECT * FROM sqlite_master") == []


@pytest.mark.parametrize("make", [ProfileStore.init, ProfileStore.open])
def test_a_new_file_has_the_pages_we_want_however_it_is_made(
    url: str, make: Callable[[str], object]
) -> None:
    made = make(url)
    if isinstance(made, ProfileStore):
        made.close()

    assert rows(url, "PRAGMA page_size") == [(PAGE_BYTES,)]


def test_a_refused_number_of_partitions_leaves_nothing(url: str) -> None:
    for number in (0, 1025, -1):
        with pytest.raises(InvalidArgumentError, match="from 1 to 1024"):
            ProfileStore.init(url, partitions=number)
    assert rows(url, "SELECT * FROM sqlite_master") == []


def test_tables_of_others_in_a_server_s_database_are_let_be(
    new_url: Callable[[str], str],
) -> None:
    url = new_url("postgresql")
    rows(url, "CREATE TABLE people (name text)")
    assert ProfileStore.init(url).created
    with ProfileStore.open(url) as store:
        assert store.append([event(1)]).accepted == 1

    taken = new_url("postgresql")
    rows(taken, "CREATE TABLE events (name text)")
    with pytest.raises(SchemaMismatchError, match="events"):
        ProfileStore.init(taken)


def test_the_newest_migration_is_what_the_tables_are() -> None:
    assert schema.revisions()[-1] == SCHEMA
    assert schema.revisions()[0] == schema.FIRST


def test_the_wheel_has_all_that_is_imported(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for layer in ("domain", "projections", "infrastructure"):
        (source / layer).symlink_to(ROOT / layer)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", source, "-w", tmp_path),
            *("--no-deps", "--no-build-isolation", "--disable-pip-version-check"),
            "-qq",
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        f"profilestore/{path.relative_to(ROOT)}"
        for layer in ("domain", "projections", "infrastructure")
        for path in (ROOT / layer).rglob("*.py")
        if "infrastructure/profilestore" not in str(path)
    }

    assert modules <= packed
    assert {"profilestore/__init__.py", "profilestore/py.typed"} <= packed
