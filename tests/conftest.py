"""Fixtures: databases and a store on one, and how much Hypothesis tries."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from profilestore import ProfileStore
from tests.postgresql import schema_url, start

settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server, started when the first test asks for it."""
    url, close = start()
    yield url
    close()


@pytest.fixture
def new_url(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Make databases: `file` or `postgresql`, empty or with so many partitions."""

    def make(kind: str) -> str:
        engine, _, partitions = kind.partition("-")
        if engine == "file":
            url = f"sqlite:///{tmp_path / uuid4().hex}.db"
        else:
            url = schema_url(request.getfixturevalue("postgresql"))
        if partitions:
            ProfileStore.init(url, partitions=int(partitions))
        return url

    return make


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url: str) -> Iterator[ProfileStore]:
    with ProfileStore.open(url) as opened:
        yield opened


@pytest.fixture
def published_events() -> bytes:
    """The five example events of the source's documentation, as published."""
    return (DATA / "published-events.txt").read_bytes()
