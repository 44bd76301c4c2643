"""Both engines, and a PostgreSQL server of a test's own that may be ill-treated."""

from collections.abc import Callable, Iterator

import pytest

from profilestore import ProfileStore
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
