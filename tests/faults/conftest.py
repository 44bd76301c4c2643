"""Databases that may be ill-treated, and the library under which processes run."""

from collections.abc import Callable, Iterator

import pytest

from profilestore import ProfileStore
from tests.faults.call_log import Shim
from tests.postgresql import Server, find, installed, schema_url


@pytest.fixture(params=["file", "postgresql-1"])
def either_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """A new database, once on each engine."""
    return new_url(request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    own = Server(find() or installed())
    yield own
    own.close()


@pytest.fixture
def server_url(server: Server) -> str:
    """A new store on that server."""
    url = schema_url(server.url)
    ProfileStore.init(url)
    return url


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    return Shim(tmp_path_factory.mktemp("syscalls"))
