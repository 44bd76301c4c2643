"""What the README shows is what happens: its tours are run here, clock and all."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from freezegun import freeze_time

# Loaded before the clock stands still: pydantic would take its type for ours.
from profilestore.infrastructure.cli import render_many, render_store  # noqa: F401
from profilestore.infrastructure.cli.main import profilestore

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
STORY = ROOT / "scripts" / "story"


def tour(title: str) -> list[str]:
    """The console blocks of a chapter of the README, line by line."""
    chapter = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return "".join(re.findall(r"```console\n(.*?)```", chapter, re.DOTALL)).splitlines()


def perform(lines: list[str], database: str) -> list[str]:
    """Run a tour's commands at the times it says; answer it with what they print."""
    told: list[str] = []
    now = "2026-05-03T12:00:00Z"
    for line in lines:
        if line.startswith("# at "):
            now = line.removeprefix("# at ").split()[0]
            told.append(line)
        elif line.startswith("$ profilestore "):
            told.append(line)
            arguments = shlex.split(line.removeprefix("$ profilestore "))
            arguments = [
                str(STORY / a) if (STORY / a).is_file() else a for a in arguments
            ]
            with freeze_time(now):
                result = CliRunner().invoke(
                    profilestore,
                    ["--database", database, *arguments],
                    env={"COLUMNS": "100", "NO_COLOR": "1"},
                    catch_exceptions=False,
                )
            told += [each.rstrip() for each in result.output.splitlines()]
    return told


def test_the_tour_of_time_travel_is_what_happens(url: str) -> None:
    lines = tour("Time travel")
    assert sum(line.startswith("$ ") for line in lines) >= 7

    assert perform(lines, url) == lines


def test_the_tour_of_many_profiles_is_what_happens(url: str) -> None:
    lines = tour("Many profiles")
    assert sum(line.startswith("$ ") for line in lines) >= 7

    assert perform(lines, url) == lines


def test_every_command_and_option_is_in_the_reference() -> None:
    for name, command in profilestore.commands.items():
        assert f"`{name}" in README, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in ("--json", "--help"):
                    assert option in README, (name, option)


def test_the_five_minute_tour_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"## Five minutes\n\n```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)

    exec(compile(code, "README.md", "exec"), {})

    said = capsys.readouterr().out
    assert "Joe Blogs" in said
    assert "missing_revisions=[(3, 3)]" in said
