"""`profilestore verify` as its users meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simple_events import event, rows

PROGRAM = Path(sys.executable).with_name("profilestore")


class Shell:
    """Runs the command on a store of nine events."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"sqlite:///{directory / 'profilestore.db'}"
        lines = "\n".join(json.dumps(event(n)) for n in range(9))
        assert self("append", stdin=lines).returncode == 0

    def __call__(
        self, *arguments: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            cwd=self.directory,
            env={k: v for k, v in os.environ.items() if "PROFILESTORE" not in k},
            check=False,
        )

    def break_position(self, position: int) -> None:
        rows(self.url, "DROP TRIGGER IF EXISTS events_refuse_update")
        rows(self.url, f"UPDATE events SET revision = 99 WHERE position = {position}")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_sound_store_is_a_line_a_partition(shell: Shell) -> None:
    done = shell("verify")

    ((chain,),) = rows(shell.url, "SELECT chain FROM heads")
    assert done.stdout == f"partition 0: 9 events verified, chain {chain.hex()}\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fault_exits_5_and_names_its_position(shell: Shell) -> None:
    shell.break_position(5)

    done = shell("verify")

    assert (done.returncode, done.stdout) == (5, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("profilestore: partition 0, position 5: ")


def test_json_is_one_document(shell: Shell) -> None:
    sound = shell("verify", "--json")
    shell.break_position(5)
    broken = shell("--json", "verify")

    (partition,) = json.loads(sound.stdout)["partitions"]
    assert (partition["partition"], partition["position"]) == (0, 9)
    assert len(partition["chain"]) == 64
    assert json.loads(sound.stdout)["fault"] is None
    assert json.loads(broken.stdout) == {
        "partitions": [],
        "fault": {
            "partition": 0,
            "position": 5,
            "what": "its digest is not that of its columns",
        },
    }
    assert (sound.returncode, sound.stderr) == (0, "")
    assert (broken.returncode, broken.stderr) == (5, "")


def test_a_checkpoint_is_written_and_compared_with(shell: Shell) -> None:
    assert shell("verify", "--checkpoint", "kept").returncode == 0
    assert shell("append", stdin=json.dumps(event(100))).returncode == 0
    assert shell("verify", "--against", "kept").returncode == 0

    rows(shell.url, "DROP TRIGGER events_refuse_delete")
    rows(shell.url, "DELETE FROM events WHERE position > 8")
    rows(
        shell.url,
        "UPDATE heads SET (position, chain, recorded_at) = "
        "(SELECT position, chain, recorded_at FROM events WHERE position = 8)",
    )
    assert shell("verify").returncode == 0
    done = shell("verify", "--against", "kept", "--checkpoint", "other")
    assert done.returncode == 5
    assert "position 9: the log ends before it, the checkpoint has 9" in done.stderr
    assert not (shell.directory / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--against", "none"), "none"),
        (("--against", "."), "directory"),
        (("--against", "profilestore.db"), "is no checkpoint"),
        (("--checkpoint", "none/kept"), "No such file"),
        (("--checkpoint", "."), "directory"),
    ],
)
def test_a_bad_file_is_one_line_and_exits_2(
    shell: Shell, arguments: tuple[str, ...], says: str
) -> None:
    done = shell("verify", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert says in line


def test_a_store_that_is_not_there_is_not_made(shell: Shell) -> None:
    done = shell("--database", "sqlite:///none.db", "verify")

    assert done.returncode == 6
    assert not (shell.directory / "none.db").exists()
