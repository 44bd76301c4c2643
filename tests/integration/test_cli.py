"""The command line as its users meet it: real processes, exit codes, one clear line."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from profilestore.domain.errors import ProfileStoreError
from profilestore.infrastructure.cli.errors import EXIT_CODES, exit_code
from profilestore.infrastructure.cli.main import profilestore as command

SPACE = "fb42e8af-5fc3-40d4-a38c-034535c0a385"
JOE = "[email protected]"
PROGRAM = Path(sys.executable).with_name("profilestore")


class Shell:
    """Runs the command in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = {k: v for k, v in os.environ.items() if "PROFILESTORE" not in k}

    def __call__(
        self, *arguments: str | Path, stdin: bytes = b"", **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [PROGRAM, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=self.env | env,
            check=False,
        )

    def json(self, *arguments: str | Path, **options: Any) -> Any:
        done = self(*arguments, "--json", **options)
        assert (done.returncode, done.stderr) == (0, b""), done
        return json.loads(done.stdout)

    def fails(self, code: int, *arguments: str | Path, **options: Any) -> str:
        done = self(*arguments, **options)
        assert done.returncode == code, done
        assert done.stdout == b""
        (line,) = done.stderr.decode().splitlines()
        assert line.startswith("profilestore: ")
        return line


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def filled(shell: Shell, published_events: bytes) -> Shell:
    assert shell("append", stdin=published_events).returncode == 0
    return shell


COUNTS = {"received": 5, "accepted": 5, "duplicate": 0, "quarantined": 0, "ignored": 0}


def test_append_reads_standard_input(shell: Shell, published_events: bytes) -> None:
    assert shell.json("append", stdin=published_events) == COUNTS
    again = shell("append", "-", stdin=published_events)
    assert b"5 received: 0 accepted, 5 duplicate" in again.stdout
    assert (shell.directory / "profilestore.db").exists()


def test_append_reads_files_of_every_kind(
    shell: Shell, published_events: bytes
) -> None:
    events = [json.loads(part) for part in _objects(published_events)]
    forms = {
        "pretty.json": published_events,
        "array.json": json.dumps(events).encode(),
        "lines.ndjson": b"\n".join(json.dumps(e).encode() for e in events),
        "lines.ndjson.gz": gzip.compress(published_events),
        "lines.zst": zstd.compress(published_events),
    }
    for name, content in forms.items():
        (shell.directory / name).write_bytes(content)
        url = f"sqlite:///{name}.db"
        assert shell.json("--database", url, "append", name) == COUNTS, name

    all_of_them = shell.json("append", *forms)
    assert (all_of_them["received"], all_of_them["accepted"]) == (25, 5)


def _objects(text: bytes) -> list[str]:
    decoder, rest, found = json.JSONDecoder(), text.decode().strip(), []
    while rest:
        _, end = decoder.raw_decode(rest)
        found.append(rest[:end])
        rest = rest[end:].strip()
    return found


def test_strict_exits_3_if_anything_was_quarantined(shell: Shell) -> None:
    done = shell("append", "--strict", "--json", stdin=b"{}")

    assert done.returncode == 3
    assert json.loads(done.stdout)["quarantined"] == 1
    assert shell("append", "--strict", stdin=b"").returncode == 0


def test_a_damaged_file_is_said_after_what_could_be_read(
    shell: Shell, published_events: bytes
) -> None:
    whole = b"\n".join(
        json.dumps(json.loads(e) | {"eventId": f"{n}"}).encode()
        for n in range(5000)
        for e in _objects(published_events)[:1]
    )
    (shell.directory / "cut.gz").write_bytes(gzip.compress(whole)[:-500])

    line = shell.fails(2, "append", "cut.gz")

    assert "cut.gz" in line
    assert "append the whole delivery again" in line
    stored = shell.json("stats")["events"]["profile.create"]
    assert f"{stored} events before the damage" in line


@pytest.mark.parametrize("answer", ["show", "deletion", "devices", "history", "blame"])
def test_an_answer_is_exactly_its_json_document(filled: Shell, answer: str) -> None:
    document = filled.json(answer, SPACE, JOE)

    assert list(document)[:4] == ["apiSpaceId", "profileId", "life", "cut"]
    assert document == filled.json(answer, SPACE.upper().replace("-", ""), JOE)
    before = filled("--json", answer, SPACE, JOE)
    assert json.loads(before.stdout) == document


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("show", ["active", "Joe Blogs", "its create was not seen", "2017-05-31"]),
        ("deletion", ["restored at", "deleted by", "access:91c59b6a"]),
        ("devices", ["no (unknown)", "not known"]),
        ("history", ["undelete", "2017-05-31 15:34:25Z", "99d27031-7802"]),
    ],
)
def test_without_json_it_is_for_people(
    filled: Shell, answer: str, words: list[str]
) -> None:
    done = filled(answer, SPACE, JOE, COLUMNS="160")

    assert done.returncode == 0
    for word in words:
        assert word in done.stdout.decode()
    assert b"\x1b" not in done.stdout


def test_updates_chooses_the_policy(filled: Shell) -> None:
    assert filled.json("show", SPACE, JOE)["cut"]["updates"] == "merge"
    by_query = filled.json("show", SPACE, JOE, "--updates", "replace")
    by_space = filled.json(
        "show", SPACE, JOE, PROFILESTORE_SPACE_UPDATES=json.dumps({SPACE: "replace"})
    )
    by_store = filled.json("show", SPACE, JOE, PROFILESTORE_UPDATES="replace")
    assert by_query == by_space == by_store
    assert by_query["cut"]["updates"] == "replace"


def test_the_database_is_an_option_or_of_the_environment(
    shell: Shell, published_events: bytes
) -> None:
    url = "sqlite:///elsewhere.db"
    shell("--database", url, "append", stdin=published_events)

    assert shell.json("stats", PROFILESTORE_DATABASE=url)["profiles"] == 3
    assert not (shell.directory / "profilestore.db").exists()


def test_stats_counts_what_is_there(filled: Shell) -> None:
    filled("append", stdin=b'[1, {"name": "profile.merge"}]')

    assert filled.json("stats") == {
        "events": {
            "profile.create": 1,
            "profile.delete": 1,
            "profile.devicesUpdated": 1,
            "profile.undelete": 1,
            "profile.update": 1,
        },
        "profiles": 3,
        "spaces": 3,
        "quarantine": {"not-an-event": 1, "unsupported-event": 1},
        "ignored": {},
        "positions": {"0": 5},
        "readModels": [],
    }
    assert b"profile.update" in filled("stats").stdout


def test_quarantine_lists_and_shows_the_exact_bytes(shell: Shell) -> None:
    bad = b'{"name": "profile.merge", "eventId": "e1",  "x": "\xff"}'
    shell("append", stdin=bad)

    (entry,) = shell.json("quarantine", "list")
    assert entry["reason"] == "malformed-json"
    assert entry["ingress"] == "stdin"
    assert shell("quarantine", "show", entry["id"], "--raw").stdout == bad
    shown = shell.json("quarantine", "show", entry["id"][:8])
    assert shown["base64"]
    assert b"malformed-json" in shell("quarantine", "show", entry["id"]).stdout
    assert b"malformed-json" in shell("quarantine", "list").stdout
    assert "no quarantine entry" in shell.fails(4, "quarantine", "show", "zz")


@pytest.mark.parametrize(
    ("code", "arguments", "says"),
    [
        (2, ("frobnicate",), "frobnicate"),
        (2, ("show",), "SPACE"),
        (2, ("show", SPACE), "PROFILE"),
        (2, ("show", "my-space", JOE), "API space"),
        (2, ("show", SPACE, JOE, "--valid-at", "2017-05-31"), "bare date"),
        (2, ("show", SPACE, JOE, "--valid-at", "2017-05-31T00:00:00"), "no offset"),
        (2, ("show", SPACE, JOE, "--known-at", "soon"), "RFC 3339"),
        (2, ("show", SPACE, JOE, "--life", "-1"), "--life"),
        (2, ("show", SPACE, JOE, "--at-revision", "x"), "--at-revision"),
        (2, ("show", SPACE, JOE, "--updates", "append"), "--updates"),
        (2, ("--database", "mysql://x", "stats"), "sqlite:///FILE"),
        (2, ("--database", "sqlite://profiles.db", "stats"), "sqlite:///FILE"),
        (2, ("--database", "sqlite:///", "stats"), "names no file"),
        (2, ("--database", "sqlite:///x.db?mode=ro", "stats"), "sqlite:///FILE"),
        (2, ("diff", SPACE, JOE), "--known-from"),
        (2, ("diff", SPACE, JOE, "--from", "2017-05-31"), "bare date"),
        (2, ("explain", SPACE, JOE, "--known-from", "1"), "--known-to"),
        (2, ("show", SPACE, JOE, "--known-at", str(2**63)), "2^63"),
        (2, ("quarantine", "discard", "ab"), "--why"),
        (4, ("quarantine", "replay", "ab"), "no quarantine entry"),
        (4, ("export", SPACE, "nobody"), "nobody"),
        (
            4,
            (
                "diff",
                SPACE,
                JOE,
                "--to",
                "2001-01-01T00:00:00Z",
                "--from",
                "2000-01-01T00:00:00Z",
            ),
            "2000",
        ),
        (6, ("--database", "sqlite:////tmp", "stats"), "directory"),
        (2, ("append", "no-such-file"), "no-such-file"),
        (2, ("append", "."), "directory"),
        (4, ("show", SPACE, "nobody"), "nobody"),
        (4, ("show", SPACE, JOE, "--life", "3"), "life 3"),
        (
            4,
            ("show", SPACE, JOE, "--valid-at", "2001-01-01T00:00:00Z"),
            "valid_at 2001",
        ),
        (6, ("--database", "sqlite:///none.db", "show", SPACE, JOE), "no store at"),
        (6, ("--database", "sqlite:////proc/x.db", "append"), "/proc/x.db"),
    ],
)
def test_bad_input_is_one_clear_line(
    filled: Shell, code: int, arguments: tuple[str, ...], says: str
) -> None:
    before = filled.json("stats")

    assert says in filled.fails(code, *arguments)
    assert filled.json("stats") == before
    assert [p.name for p in filled.directory.glob("*.db")] == ["profilestore.db"]


def test_diff_and_explain_tell_what_came_to_be_known(filled: Shell) -> None:
    told = filled.json("diff", SPACE, JOE, "--known-from", "2")
    why = filled.json(
        "explain", SPACE, JOE, "--known-from", "2", "--known-to", "2100-01-01T00:00:00Z"
    )

    assert told["from"]["knownAt"] == 2
    assert told["changes"] == []  # deleted and undeleted since: the same again
    assert [event["name"] for event in why["events"]] == [
        "profile.delete",
        "profile.undelete",
    ]
    assert why["events"][0]["changes"] == [
        {"op": "replace", "path": "/status", "value": "deleted", "previous": "active"}
    ]
    assert b"no difference" in filled("diff", SPACE, JOE, "--known-from", "2").stdout


def test_an_export_can_be_appended_elsewhere(filled: Shell) -> None:
    bundle = filled.json("export", SPACE, JOE)
    assert len(bundle["events"]) == 3
    assert bundle["answers"]["show"] == filled.json("show", SPACE, JOE)

    events = filled("export", SPACE, JOE, "--events").stdout
    other = ("--database", "sqlite:///other.db")
    assert filled.json(*other, "append", stdin=events)["accepted"] == 3
    assert filled.json(*other, "show", SPACE, JOE) == filled.json("show", SPACE, JOE)


def test_a_decision_on_the_quarantine_is_kept(shell: Shell) -> None:
    shell("append", stdin=b"[1]")
    (entry,) = shell.json("quarantine", "list")

    assert (
        shell.json("quarantine", "replay", "--dry-run")[0]["outcome"] == "quarantined"
    )
    done = shell.json(
        "quarantine", "discard", entry["id"], "--why", "a test", "--by", "ann"
    )
    assert (done["settled"]["as"], done["settled"]["by"]) == ("discarded", "ann")
    assert shell.json("quarantine", "list") == []
    (kept,) = shell.json("quarantine", "list", "--all")
    assert kept["settled"] == done["settled"]
    assert b"a test" in shell("quarantine", "show", entry["id"]).stdout


@pytest.mark.parametrize("columns", ["80", "160"])
def test_for_people_nothing_is_coloured_when_piped(filled: Shell, columns: str) -> None:
    for answer in ("show", "deletion", "devices", "history", "blame"):
        done = filled(answer, SPACE, JOE, COLUMNS=columns)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout


def test_without_a_command_the_help_is_shown(shell: Shell) -> None:
    done = shell()

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) > 10


def test_output_that_cannot_be_written_is_one_line(filled: Shell) -> None:
    done = subprocess.run(
        f"{PROGRAM} stats > /dev/full",
        shell=True,
        capture_output=True,
        cwd=filled.directory,
        env=filled.env,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_of_few_characters_is_no_error(filled: Shell) -> None:
    done = filled("deletion", SPACE, JOE, PYTHONIOENCODING="ascii", COLUMNS="80")

    assert (done.returncode, done.stderr) == (0, b"")


def test_bad_settings_name_the_variable(filled: Shell) -> None:
    assert "PROFILESTORE_UPDATES" in filled.fails(2, "stats", PROFILESTORE_UPDATES="x")
    line = filled.fails(2, "stats", PROFILESTORE_SPACE_UPDATES="x")
    assert "PROFILESTORE_SPACE_UPDATES" in line


def test_a_reader_that_goes_away_is_no_error(filled: Shell) -> None:
    done = subprocess.run(
        f"set -o pipefail; {PROGRAM} history {SPACE} '{JOE}' | head -1 >/dev/null",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        cwd=filled.directory,
        env=filled.env,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_a_sender_wrote_acts_on_the_terminal(shell: Shell) -> None:
    event = {
        "eventId": "[/x]\x1b[31m",
        "apiSpaceId": SPACE,
        "name": "profile.delete",
        "payload": {"id": "[bold]joe\x9b", "by": "\x1b[2J[red]"},
        "etag": "\x1b]0;x\x07",
        "revision": 0,
        "timestamp": "2017-05-31T15:26:58.199Z",
    }
    shell("append", stdin=json.dumps([event, event | {"revision": -1}]).encode())
    shell("append", stdin=json.dumps(event | {"name": "message.\x1b[31m"}).encode())

    questions = [
        (a, SPACE, "[bold]joe\x9b") for a in ("show", "deletion", "history", "blame")
    ]
    for question in (*questions, ("stats",), ("quarantine", "list")):
        done = shell(*question, COLUMNS="160")
        assert done.returncode == 0, done
        assert b"\x1b" not in done.stdout
        assert b"\xc2\x9b" not in done.stdout
    assert b"[/x]" in shell("deletion", SPACE, "[bold]joe\x9b", COLUMNS="160").stdout


def test_a_file_name_of_another_encoding_is_no_error(shell: Shell) -> None:
    name = os.fsdecode(b"bad\xff.json")
    (shell.directory / name).write_bytes(b"[1]")

    assert shell.json("append", name)["quarantined"] == 1
    assert "Unicode" in shell.fails(2, "show", SPACE, name)


def test_help_names_every_command_and_says_what_it_does(shell: Shell) -> None:
    text = shell("--help").stdout.decode()

    for name, child in command.commands.items():
        assert name in text
        assert child.get_short_help_str()


def test_help_loads_nothing_heavy(shell: Shell) -> None:
    code = (
        "import sys; from profilestore.infrastructure.cli.main import main\n"
        "sys.argv = ['profilestore', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'pydantic', 'eventsourcing', 'rich', 'msgspec'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert done.stderr == b"set()\n"


def test_every_error_has_an_exit_code() -> None:
    leaves = [ProfileStoreError]
    while any(leaf.__subclasses__() for leaf in leaves):
        leaves = [sub for leaf in leaves for sub in leaf.__subclasses__() or [leaf]]

    for leaf in leaves:
        assert any(issubclass(leaf, known) for known in EXIT_CODES), leaf
    assert exit_code(ValueError()) is None
