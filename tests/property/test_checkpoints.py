"""A checkpoint is a cache: with it or without, the answer is the same bytes."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore import Cut, ProfileNotFoundError, ProfileStore, current_profile
from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log import bulk
from profilestore.infrastructure.log import checkpoints as module
from profilestore.infrastructure.log.checkpoints import Checkpoints
from profilestore.infrastructure.log.head import Head
from profilestore.projections.current import current_from
from tests.histories import as_json, deliveries_of, histories
from tests.property.test_cuts import instants

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"


def used(store: ProfileStore, checkpoints: Checkpoints, key: Any, cut: Cut) -> bool:
    """Compare the answer of a checkpoint, if there is one, with that of the fold."""
    standing = checkpoints.standing(key, cut)
    if standing is None:
        return False
    profile = store.profile(*key, valid_at=cut.valid_at, updates=cut.updates)
    answer = current_from(key, cut, standing)
    assert answer.to_json() == current_profile(profile).to_json()
    return True


@st.composite
def two_parts(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    deliveries = draw(deliveries_of(draw(histories())))
    at = draw(st.integers(0, len(deliveries)))
    return deliveries[:at], deliveries[at:]


@settings(max_examples=400)
@given(
    two_parts(),
    st.lists(st.none() | instants, max_size=6),
    st.sampled_from(UpdatePolicy),
    st.integers(1, 3),
)
def test_an_answer_from_a_checkpoint_is_that_of_the_fold(
    parts: tuple[list[Any], list[Any]],
    asked: list[datetime | None],
    updates: UpdatePolicy,
    interval: int,
) -> None:
    """Also after late events, which came when the checkpoints were there already."""
    with pytest.MonkeyPatch.context() as patch, ProfileStore.open("sqlite://") as store:
        patch.setattr(Head, "SHORTEST", 1)
        checkpoints = Checkpoints(store._database, store._streams, interval=interval)  # noqa: SLF001
        keys = {
            (e["apiSpaceId"], e.get("profileId") or e["payload"]["id"])
            for part in parts
            for batch in part
            for e in batch
        }
        for part in parts:
            for batch in part:
                store.append(as_json(batch))
            for key in {store.key(*key) for key in keys}:
                for valid_at in (None, *asked):
                    cut = Cut(valid_at=valid_at, updates=updates)
                    used(store, checkpoints, key, cut)
                checkpoints.make(key, updates)
                for valid_at in (None, *asked):
                    cut = Cut(valid_at=valid_at, updates=updates)
                    used(store, checkpoints, key, cut)


START = datetime(2020, 1, 1, tzinfo=UTC)


def minute(number: int, **members: Any) -> dict[str, Any]:
    return {
        "eventId": f"e{number}",
        "apiSpaceId": SPACE,
        "name": "profile.update" if number else "profile.create",
        "payload": {"id": "joe", f"m{number % 7}": number},
        "revision": number,
        "timestamp": (START + timedelta(minutes=number)).isoformat(),
    } | members


def test_a_short_profile_has_no_checkpoints(store: ProfileStore) -> None:
    """For appends to it do not look for any."""
    checkpoints = Checkpoints(store._database, store._streams, interval=1)  # noqa: SLF001
    key = store.key(SPACE, "joe")
    store.append([minute(n) for n in range(Head.SHORTEST - 1)])
    checkpoints.make(key, UpdatePolicy.MERGE)
    assert not used(store, checkpoints, key, Cut())

    store.append([minute(Head.SHORTEST)])
    checkpoints.make(key, UpdatePolicy.MERGE)
    assert used(store, checkpoints, key, Cut())

    store.append([minute(Head.SHORTEST - 1)])  # late
    assert used(store, checkpoints, key, Cut())


def test_a_long_profile_is_answered_from_checkpoints(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 200)
    store.append([minute(n) for n in range(1000) if n != 700])
    checkpoints = store._checkpoints  # noqa: SLF001 - whether it is used cannot be seen
    key = store.key(SPACE, "joe")
    times = [None, *(START + timedelta(minutes=m, seconds=30) for m in (150, 555, 998))]
    cuts = [Cut(valid_at=time) for time in times]
    assert not any(used(store, checkpoints, key, cut) for cut in cuts)

    store.current(SPACE, "joe")

    assert all(used(store, checkpoints, key, cut) for cut in cuts)

    store.append([minute(700)])  # late: void from its place on, and only from there
    assert used(store, checkpoints, key, cuts[1])
    assert used(store, checkpoints, key, cuts[2])
    late = store.current(SPACE, "joe")
    assert late.completeness.complete
    assert late.to_json() == current_profile(store.profile(SPACE, "joe")).to_json()


def test_a_checkpoint_spares_reading_what_is_before_it(
    new_url: Callable[[str], str],
) -> None:
    """PostgreSQL takes the index that leads to what is later, whatever it has counted."""
    with ProfileStore.open(new_url("postgresql-1")) as store:
        store.append([minute(n) for n in range(2000)])
        store.current(SPACE, "joe")
        stream = 0, store.key(SPACE, "joe").stream_bytes
        made_by = "merge", module.fold_version()
        asked = (*stream, *made_by, module.LAST, *stream, module.LAST, module.LONG)
        with store._database.read() as connection:  # noqa: SLF001 - there is no other way
            plan = bulk.ask(connection, f"EXPLAIN {module._LOOK}", asked)  # noqa: SLF001
            told = "".join(row[0] for row in plan)

    assert "events_by_time" in told
    assert "events_by_version" not in told


def test_a_long_profile_goes_on_from_its_last_checkpoint(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 200)
    store.append([minute(n) for n in range(500)])
    store.current(SPACE, "joe")
    for begin in range(500, 2000, 60):
        store.append([minute(n) for n in range(begin, begin + 60)])
        assert used(store, store._checkpoints, store.key(SPACE, "joe"), Cut())  # noqa: SLF001


def test_without_dropping_what_is_late_an_answer_would_be_wrong(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the drop in the append is what keeps checkpoints right."""
    monkeypatch.setattr(module, "LONG", 200)
    monkeypatch.setattr(
        "profilestore.infrastructure.log.head.Head._drop_checkpoints",
        lambda _self, _rows: None,
    )
    store.append([minute(n) for n in range(1000) if n != 700])
    store.current(SPACE, "joe")
    store.append([minute(700)])

    answer = store.current(SPACE, "joe").to_json()
    assert answer != current_profile(store.profile(SPACE, "joe")).to_json()


def test_readers_that_make_the_same_checkpoint_do_not_fail(
    store: ProfileStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 200)
    store.append([minute(n) for n in range(500)])
    store.current(SPACE, "joe")
    store.append([minute(n) for n in range(500, 650)])
    with ProfileStore.open(url) as other:
        answers = {
            opened.current(SPACE, "joe").to_json()
            for _ in range(2)
            for opened in (store, other)
        }
    assert len(answers) == 1


def test_a_busy_database_keeps_no_reader_waiting(
    store: ProfileStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are not made then, and the answer is the fold's."""
    monkeypatch.setattr(module, "LONG", 200)
    store.append([minute(n) for n in range(500)])
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = store.current(SPACE, "joe")
        assert answer.revision == 499
        assert not used(store, store._checkpoints, store.key(SPACE, "joe"), Cut())  # noqa: SLF001
        other.rollback()


def wait_for_a_writer_of_the_same_process(store: ProfileStore) -> bool:
    """Ask for a long profile while all that may write do; say if they were waited for.

    They write until it is answered, or for some seconds if it is not.
    """
    answered, writers = Event(), store._database.backend.places._value  # noqa: SLF001
    writing, waited = Barrier(writers + 1), []

    def write() -> None:
        with store._database.write():  # noqa: SLF001
            writing.wait()
            waited.append(not answered.wait(5))

    threads = [Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    writing.wait()
    assert store.current(SPACE, "joe").revision == 499
    answered.set()
    for thread in threads:
        thread.join()
    return any(waited)


@pytest.mark.parametrize("kind", ["file", "postgresql-1"])
def test_who_asks_does_not_wait_for_the_writers_of_its_process(
    new_url: Callable[[str], str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for their turn before it."""
    monkeypatch.setattr(module, "LONG", 200)
    with ProfileStore.open(new_url(kind)) as store:
        store.append([minute(n) for n in range(500)])
        assert not wait_for_a_writer_of_the_same_process(store)


@pytest.mark.parametrize("kind", ["file", "postgresql-1"])
def test_in_the_queue_of_the_pool_who_asks_waits_for_the_writers(
    new_url: Callable[[str], str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: as if there were a place for each."""
    monkeypatch.setattr(module, "LONG", 200)
    with ProfileStore.open(new_url(kind)) as store:
        store.append([minute(n) for n in range(500)])
        monkeypatch.setattr(
            store._database.backend.places,  # noqa: SLF001
            "acquire",
            lambda timeout: True,  # noqa: ARG005
        )
        assert wait_for_a_writer_of_the_same_process(store)


def test_unknown_is_unknown_with_checkpoints_too(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 200)
    store.append([minute(n) for n in range(500)])
    store.current(SPACE, "joe")
    try:
        store.current(SPACE, "joe", valid_at=START - timedelta(days=1))
    except ProfileNotFoundError:
        return
    raise AssertionError


def test_before_a_create_that_skew_put_first_the_profile_is_of_life_0(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Device events just before the create are of its life, once it is known."""
    monkeypatch.setattr(module, "LONG", 200)

    def at(seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()

    devices = {"id": "joe", "devices": {"web": {"count": 1, "pushEnabled": 1}}}
    name = "profile.devicesUpdated"
    store.append(
        [minute(1, eventId="before", timestamp=at(0))]
        + [
            minute(
                n,
                eventId=f"d{n}",
                name=name,
                payload=devices,
                timestamp=at(20 + n / 100),
            )
            for n in range(150)
        ]
        + [minute(0, timestamp=at(22))]
        + [minute(n) for n in range(1, 400)]
    )
    store.current(SPACE, "joe")
    for seconds in (1, 20.5, 21.2, 21.9, 22, 30):
        valid_at = START + timedelta(seconds=seconds)
        expected = current_profile(store.profile(SPACE, "joe", valid_at=valid_at))
        assert store.current(SPACE, "joe", valid_at=valid_at) == expected
