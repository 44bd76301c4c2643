"""Each rule of this folder is proved on each kind of database."""

import inspect
from collections.abc import Callable

import pytest

KINDS = ("memory", "file", "postgresql-1", "file-8", "postgresql-8")
"""The number is that of partitions."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        # A test that takes the URL opens the database once more: memory has no other.
        again = "url" in inspect.signature(metafunc.function).parameters
        metafunc.parametrize("kind", KINDS[1:] if again else KINDS)


@pytest.fixture
def url(kind: str, new_url: Callable[[str], str]) -> str:
    return "sqlite://" if kind == "memory" else new_url(kind)
