"""What a question to many partitions costs: near what it costs one that has it all."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event as listener

from profilestore import ProfileStore
from profilestore.projections.standing import Standing
from tests.simple_events import SPACE, event

PARTITIONS = 16


@pytest.fixture(params=["file-16", "postgresql-16"])
def store(
    request: pytest.FixtureRequest, new_url: Callable[[str], str]
) -> Iterator[ProfileStore]:
    with ProfileStore.open(new_url(request.param)) as opened:
        opened.append([event(n, f"p{n:04}") for n in range(1000)])
        opened.count(SPACE)
        yield opened


def test_a_list_reads_of_each_partition_about_its_share(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, from_json = [], Standing.from_json

    def counted(text: bytes) -> Standing:
        read.append(text)
        return from_json(text)

    monkeypatch.setattr(Standing, "from_json", counted)

    listed = [one.profile_id for one in store.profiles(SPACE, limit=200)]

    assert listed == [f"p{n:04}" for n in range(200)]
    assert len(read) < 200 * 2 + PARTITIONS * 20


def test_one_query_tells_which_read_models_are_fresh(store: ProfileStore) -> None:
    asked: list[str] = []
    reader = store._database.backend.reader  # noqa: SLF001
    listener.listen(reader, "before_cursor_execute", lambda *of: asked.append(of[2]))

    store.count(SPACE)

    heads = [statement for statement in asked if "heads" in statement]
    assert len(heads) == 1
    assert len([s for s in asked if "SELECT" in s]) <= 2 * PARTITIONS + 1
