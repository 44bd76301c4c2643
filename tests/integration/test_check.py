"""What `check` compares, whatever happens to the store meanwhile."""

from collections.abc import Callable, Iterator

import pytest

from profilestore import ProfileStore
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.readmodels import check
from profilestore.infrastructure.readmodels.generation import Generation, Phase
from tests.read_models import mixed
from tests.simple_events import SPACE, rows


@pytest.fixture(params=["file", "file-4", "postgresql-1"])
def url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    return new_url(request.param)


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProfileStore]:
    monkeypatch.setattr(check, "CHUNK", 5)
    with ProfileStore.open(url) as opened:
        opened.append(mixed(300, profiles=30))
        assert opened.count(SPACE).profiles
        yield opened


def test_what_a_rebuild_puts_in_its_place_is_compared(
    store: ProfileStore, url: str
) -> None:
    found = store.check(progress=lambda done, _: done == 5 and replaced(store, url))

    assert len(list(found)) >= 20


def replaced(store: ProfileStore, url: str) -> None:
    store.rebuild()
    rows(url, "UPDATE read_profiles SET condition = 0")


def test_what_is_dropped_meanwhile_is_not_wrong(
    store: ProfileStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halfway(database: Database, partition: int) -> None:
        with database.read() as connection:
            every = Generation.list_all(connection, partition)
        for generation in every:
            if generation.phase is Phase.OLD:
                with database.write() as connection:
                    generation.drop(connection, 20)

    monkeypatch.setattr(
        "profilestore.infrastructure.readmodels.rebuild.drop_old", halfway
    )
    found = store.check(progress=lambda done, _: done == 5 and store.rebuild())

    assert not list(found)


def test_the_store_can_be_used_between_two_differences() -> None:
    """In memory there is one connection: what holds it locks all others out."""
    with ProfileStore.open("sqlite://") as store:
        store.append(mixed(50, profiles=5))
        assert store.count(SPACE).profiles == 5
        with store._database.write() as connection:  # noqa: SLF001 - there is no URL
            connection.exec_driver_sql("UPDATE read_profiles SET condition = 0")

        counted = [store.count(SPACE).profiles for _ in store.check()]

        assert counted == [5] * 5


def test_a_sample_finds_what_is_missing_altogether(
    store: ProfileStore, url: str
) -> None:
    for table in ("read_profiles", "read_spans"):
        rows(url, f"DELETE FROM {table}")

    assert len(list(store.check(sample=10))) >= 10


def test_a_sample_of_more_than_there_are_is_all(store: ProfileStore, url: str) -> None:
    rows(url, "DELETE FROM read_spans")
    told: list[tuple[int, int]] = []

    found = list(store.check(sample=10**9, progress=lambda *of: told.append(of)))

    assert len({difference.profile for difference in found}) == 30
    assert told[-1] == (30, 30)


def test_times_that_are_none_are_found(store: ProfileStore, url: str) -> None:
    """A past that begins before the year 1, and one that ends after 9999."""
    rows(
        url,
        f"UPDATE read_spans SET since = {-(2**62)} WHERE since = (SELECT min(s.since) "
        "FROM read_spans s WHERE s.stream_id = read_spans.stream_id)",
    )
    rows(url, f"UPDATE read_spans SET until = {2**62} WHERE until > {2**62}")

    assert len(list(store.check())) == 30


def test_of_a_past_of_many_conditions_some_times_are_compared(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TIMES", 3)
    asked: list[int] = []
    at = check.condition_at
    monkeypatch.setattr(check, "condition_at", lambda *of: asked.append(1) or at(*of))

    assert not list(store.check())

    assert len(asked) <= 30 * 5
