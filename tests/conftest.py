"""Fixtures: a store on a file, and how much Hypothesis tries."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from profilestore import ProfileStore

settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

DATA = Path(__file__).parent / "data"


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
