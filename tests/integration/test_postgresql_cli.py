"""The main job of the command line on PostgreSQL; errors are one line, no password."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from profilestore import InvalidArgumentError, ProfileStore
from tests.integration.test_cli import Shell
from tests.postgresql import Server, find, plain

STORY = Path(__file__).parent.parent.parent / "scripts" / "story"
SPACE, JOE = "fe11e8af-5fc3-40d4-a38c-034535c0a385", "joe.blogs@example.com"
SECRET = "hunter2-not-shown"
FILES = sorted(STORY.iterdir())
ARRIVAL = {"recordedAt", "firstAt", "lastAt"}
"""Members that say when something came, which is never the same twice."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_every_command_says_on_postgresql_what_it_says_on_sqlite(
    shell: Shell, new_url: Callable[[str], str]
) -> None:
    there = ("--database", new_url("postgresql"))
    assert shell.json(*there, "init", "--partitions", "8")["created"]
    for name in FILES:
        assert shell.json(*there, "append", name) == shell.json("append", name)
    repeated = shell.json(*there, "append", *FILES)
    assert repeated == shell.json("append", *FILES)
    assert repeated["accepted"] == 0

    profile = (SPACE, JOE)
    for command in (
        ("show", *profile),
        ("deletion", *profile),
        ("devices", *profile),
        ("history", *profile),
        ("blame", *profile),
        ("show", *profile, "--at-revision", "1"),
        ("deletion", *profile, "--valid-at", "2026-05-02T09:32:00Z"),
        ("show", *profile, "--known-at", "2"),
        ("diff", *profile, "--known-from", "2"),
        ("diff", *profile, "--from", "2026-05-01T00:00:00Z"),
        ("explain", *profile, "--known-from", "2", "--known-to", "9"),
        ("export", *profile),
        ("quarantine", "list"),
        ("quarantine", "replay", "--dry-run"),
    ):
        assert _timeless(shell.json(*there, *command)) == _timeless(
            shell.json(*command)
        ), command
    assert _without_places(shell.json(*there, "stats")) == _without_places(
        shell.json("stats")
    )
    assert shell(*there, "show", *profile).stdout == shell("show", *profile).stdout
    exported = shell(*there, "export", *profile, "--events").stdout
    assert exported == shell("export", *profile, "--events").stdout


def _timeless(document: Any) -> Any:
    if isinstance(document, list):
        return [_timeless(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {k: _timeless(v) for k, v in document.items() if k not in ARRIVAL}


def _without_places(stats: dict[str, Any]) -> dict[str, Any]:
    return stats | {"positions": sum(stats["positions"].values())}


def test_a_decision_on_the_quarantine_is_kept_on_postgresql(
    shell: Shell, new_url: Callable[[str], str]
) -> None:
    there = ("--database", new_url("postgresql-8"))
    shell(*there, "append", stdin=b'[1, {"name": "profile.merge"}]')
    first, second = shell.json(*there, "quarantine", "list")

    shell.json(*there, "quarantine", "discard", first["id"], "--why", "a test")

    assert shell.json(*there, "quarantine", "list") == [second]
    assert len(shell.json(*there, "quarantine", "list", "--all")) == 2


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """The URL of a server that asks for a password."""
    binaries = find()
    if binaries is None:
        pytest.skip("no server's binaries are there to set one up by")
    server = Server(binaries)
    with psycopg.connect(plain(server.url), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE someone LOGIN SUPERUSER PASSWORD '{SECRET}'")
        (rules,) = owner.execute("SHOW hba_file").fetchone() or ("",)
        asked = "host all someone 127.0.0.1/32 scram-sha-256\n"
        Path(rules).write_text(asked + Path(rules).read_text())
        owner.execute("SELECT pg_reload_conf()")
    yield f"postgresql://someone:{SECRET}@127.0.0.1:{server.port}/postgres"
    server.close()


WRONG = {
    "password": ("check the user and its password", {"password": f"not {SECRET}"}),
    "user": ("check the user and its password", {"username": "nobody"}),
    "database": ("create the database first", {"database": "nowhere"}),
    "port": ("try again when the server is up", {"port": 1}),
    "host": ("no-such-host.invalid", {"host": "no-such-host.invalid"}),
    "query": (
        "check the user and its password",
        {"password": None, "query": {"password": f"not {SECRET}"}},
    ),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_a_server_that_refuses_is_one_clear_line_without_the_password(
    shell: Shell, guarded: str, what: str
) -> None:
    said, members = WRONG[what]
    url = make_url(guarded).set(**members).render_as_string(hide_password=False)

    for command in (("append",), ("init",)):
        line = shell.fails(6, *command, PROFILESTORE_DATABASE=url)
        assert said in line
        assert SECRET not in line


def test_with_the_right_password_it_answers(shell: Shell, guarded: str) -> None:
    """The control of the test above: nothing else is wrong with that server."""
    assert shell.json("init", PROFILESTORE_DATABASE=guarded)["created"]
    by_query = guarded.replace(f":{SECRET}@", "@") + f"?password={SECRET}"
    assert shell.json("stats", PROFILESTORE_DATABASE=by_query)["profiles"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:{}@host:port/database",
        "postgresql://someone:{}@host",
        "postgresql://someone:p@{}@host/database",
        "postgresql://someone:{}@@host/database",
        "postgres://someone:{}@host/database",
        "mysql://someone:{}@host/database",
        "mysql://host/database?password={}",
        "sqlite://someone:{}@host/database",
    ],
)
def test_a_url_that_is_none_does_not_show_its_password(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"sqlite:///FILE|%40") as refused:
        ProfileStore.open(url.format(SECRET))

    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("'prepare_threshold' is no option", "{}&prepare_threshold=abc"),
        ("'autocommit' is no option", "{}&autocommit=1"),
        ("'foo' is no option", "{}&foo=1"),
        ("'sslmode' is given 2 times", "{}&sslmode=disable&sslmode=require"),
        ("has a %00", "{}&application_name=%00"),
        ("has a %00", "postgresql://someone@host/data%00base"),
        ("has a %00", "sqlite:///a%00b.db"),
    ],
)
def test_odd_options_of_a_url_are_one_clear_line(
    shell: Shell, new_url: Callable[[str], str], said: str, url: str
) -> None:
    """Also where there is a server, and a store, which would take the rest."""
    there = new_url("postgresql-1")
    for command in (("stats",), ("init",), ("append",)):
        assert said in shell.fails(2, "--database", url.format(there), *command)
    assert shell.json("--database", f"{there}&sslmode=prefer", "stats")["profiles"] == 0


def test_no_command_shows_the_password_of_a_bad_url(shell: Shell) -> None:
    url = f"mysql://someone:{SECRET}@host/database"
    for command in (("stats",), ("init",), ("backup", "copy"), ("copy-to", url)):
        assert SECRET not in shell.fails(2, *command, PROFILESTORE_DATABASE=url)


def test_a_missing_store_does_not_show_the_password(
    shell: Shell, new_url: Callable[[str], str]
) -> None:
    """What is said can be followed: the URL is taken from where it was given."""
    url = make_url(new_url("postgresql")).set(password=SECRET)
    secret = url.render_as_string(hide_password=False)

    line = shell.fails(6, "append", PROFILESTORE_DATABASE=secret)
    assert "run `profilestore init` with the same URL" in line
    assert SECRET not in line

    made = shell("init", PROFILESTORE_DATABASE=secret)
    assert made.returncode == 0
    assert SECRET not in made.stdout.decode()
    line = shell.fails(2, "backup", "copy", PROFILESTORE_DATABASE=secret)
    assert SECRET not in line
    line = shell.fails(6, "copy-to", secret, PROFILESTORE_DATABASE=secret)
    assert "already" in line
    assert SECRET not in line


def test_a_role_that_may_only_read_and_append_is_enough(
    shell: Shell, new_url: Callable[[str], str], postgresql: str
) -> None:
    """As the README grants it; and what it may not is said."""
    url = make_url(new_url("postgresql-1"))
    (schema,) = re.findall(r"test_\w+", str(url.query))
    role = f"role_{schema}"
    with psycopg.connect(plain(postgresql), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        there = url.set(username=role).render_as_string(hide_password=False)
        line = shell.fails(6, "--database", there, "init")
        assert "grant the role what it needs" in line
        owner.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        owner.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        )
    assert shell.json("--database", there, "append", FILES[0])["received"] > 0
    assert shell.json("--database", there, "show", SPACE, JOE)["status"]
