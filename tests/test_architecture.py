"""The house keeps its own rules."""

import re
import tomllib
from pathlib import Path

import pytest

import profilestore
from profilestore.domain import errors
from profilestore.infrastructure.log.fold_version import MODULES as MODULES_OF_FOLDS

ROOT = Path(__file__).parent.parent
LAYERS = ("domain", "projections", "infrastructure")
MODULES = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_stored_folds_are_named_after_all_that_they_depend_on() -> None:
    """Or a change of a fold would leave what the old one stored to be read."""
    found, left = set(), ["projections.stream_fold", "projections.standing"]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        source = (ROOT / f"{name.replace('.', '/')}.py").read_text()
        layer = name.partition(".")[0]
        left += re.findall(
            r"^from profilestore\.(\w+\.\w+) import", source, re.MULTILINE
        )
        left += [
            f"{layer}.{sibling}"
            for sibling in re.findall(r"^from \.(\w+) import", source, re.MULTILINE)
        ]
    without_effect = {"domain.errors"}

    of_rows = {
        "infrastructure.readmodels.kept",
        "infrastructure.readmodels.stream_rows",
    }

    assert (found - without_effect) | of_rows == set(MODULES_OF_FOLDS)


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.fullmatch(r"([|+\- ]*)(\w+Error)", line):
            depth = len(match[1]) // 3
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
    real = {
        name: error.__base__.__name__
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.ProfileStoreError)
    }

    assert drawn == real


def test_every_public_name_is_there() -> None:
    for name in profilestore.__all__:
        assert getattr(profilestore, name)
    with pytest.raises(AttributeError):
        _ = profilestore.nonsense


def test_type_checkers_see_every_public_name() -> None:
    source = re.sub(r"[()\s]+", " ", Path(profilestore.__file__).read_text())

    assert set(re.findall(r"import \w+ as (\w+)", source)) == set(profilestore.__all__)


def test_every_error_is_public() -> None:
    ours = {n for n in vars(errors) if n.endswith("Error")}

    assert ours <= set(profilestore.__all__)


def test_the_change_log_names_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["version"] == profilestore.__version__
    assert f"## [{profilestore.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    assert lock.count("==") <= lock.count("--hash=sha256:")


def test_packages_are_all_listed() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {str(path.parent.relative_to(ROOT)) for path in MODULES}
    listed = {
        name.removeprefix("profilestore.").replace(".", "/")
        for name in tool["packages"]
        if name != "profilestore"
    }

    assert folders - {"infrastructure/profilestore"} == listed
