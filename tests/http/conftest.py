"""A server that the tests of a module share, and its database."""

from collections.abc import Iterator

import pytest

from tests.http.served import Served


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('served') / 'store.db'}"


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[Served]:
    with Served(database) as server:
        yield server
