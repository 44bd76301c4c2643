"""Read models: never behind, never mixed, checked against the log and mended."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID

import click
import pytest
from eventsourcing.persistence import StoredEvent

from profilestore import InvalidArgumentError, ProfileStore, StorageError
from profilestore.domain.errors import DamagedStoreError
from profilestore.infrastructure.cli.many import Step
from profilestore.infrastructure.log.feed import Pause
from profilestore.infrastructure.log.fold_version import fold_version
from profilestore.infrastructure.readmodels import builder, stream_rows
from profilestore.infrastructure.readmodels import read_models as module
from profilestore.infrastructure.readmodels import warmer as warming
from profilestore.infrastructure.readmodels.generation import Generation
from profilestore.infrastructure.readmodels.stream_rows import Stream
from tests.integration.test_cli import Shell
from tests.read_models import kept, mixed
from tests.simple_events import SPACE, event, rows

KINDS = ("file", "file-4", "postgresql-1", "postgresql-4")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    return new_url(request.param)


@pytest.fixture
def store(url: str) -> Iterator[ProfileStore]:
    with ProfileStore.open(url) as opened:
        yield opened


def ids(store: ProfileStore, **asked: Any) -> list[str]:
    return [profile.profile_id for profile in store.profiles(SPACE, **asked)]


def test_an_answer_has_all_that_was_acknowledged_before_the_question(
    store: ProfileStore, url: str
) -> None:
    with ProfileStore.open(url) as other:
        for number in range(20):
            store.append([event(number, f"p{number}")])
            assert other.count(SPACE).profiles == number + 1
            assert f"p{number}" in ids(other)


def test_without_catching_up_an_answer_would_be_behind(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    store.append([event(1, "p1")])
    assert store.count(SPACE).profiles == 1
    found = Generation.live
    monkeypatch.setattr(
        Generation, "live", lambda *of: [(0, live) for _, live in found(*of)]
    )
    store.append([event(2, "p2")])

    assert store.count(SPACE).profiles == 1


def test_device_events_of_a_long_profile_are_put_on_top(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count revisions of their own, if any: how long it is, these do not tell."""

    def devices(number: int) -> dict[str, Any]:
        device = {"count": 1, "pushEnabled": number % 2}
        return event(
            0,
            name="profile.devicesUpdated",
            payload={"id": "joe", "devices": {"web": device}},
            timestamp=f"2026-05-01T00:{number:02}:00Z",
            eventId=f"d{number}",
        )

    store.append([devices(number) for number in range(40)])
    assert store.count(SPACE).push_capable == 1
    folded: list[bytes] = []
    monkeypatch.setattr(Stream, "folded", lambda of, *_: folded.append(of.stream_id))

    store.append([devices(40)])

    assert store.count(SPACE).push_capable == 0
    assert not folded
    monkeypatch.undo()
    assert not list(store.check())


def test_of_many_profiles_that_are_folded_anew_some_are_in_memory(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_rows, "STREAMS", 3)
    some = [store.key(SPACE, f"p{n}") for n in range(100)]
    home = uuid_home(some[0].stream_id, store.partitions)
    store.append([event(n, key.profile_id) for n, key in enumerate(some)])
    fetch, fetched = stream_rows._rows_of, []  # noqa: SLF001 - what it reads

    def read(*of: Any) -> Any:
        fetched.append(found := list(fetch(*of)))
        return found

    monkeypatch.setattr(stream_rows, "_rows_of", read)
    with store._database.read() as connection:  # noqa: SLF001
        ids_ = [key.stream_bytes for key in some]
        streams = stream_rows.read_streams(connection, home, ids_)
        read_ahead = [sum(map(len, fetched)) - n for n, _ in enumerate(streams)]

    assert 0 < max(read_ahead) <= 3


def test_a_late_event_corrects_the_past(store: ProfileStore) -> None:
    def at(day: int) -> datetime:
        return datetime(2026, 5, day, tzinfo=UTC)

    create = event(0, name="profile.create", timestamp="2026-05-01T00:00:00Z")
    store.append([create, event(2, timestamp="2026-05-09T00:00:00Z")])
    assert store.count(SPACE, valid_at=at(5)).statuses["active"] == 1

    late = event(1, name="profile.delete", timestamp="2026-05-03T00:00:00Z")
    store.append([late])

    assert store.count(SPACE, valid_at=at(2)).statuses["active"] == 1
    assert store.count(SPACE, valid_at=at(5)).statuses["deleted"] == 1
    assert store.count(SPACE).statuses["deleted"] == 1
    assert not list(store.check())


def test_a_list_goes_on_behind_a_profile_while_profiles_come_and_change(
    store: ProfileStore,
) -> None:
    """Whoever is there throughout is listed once."""
    there = [f"m{n:02}" for n in range(40)]
    store.append([event(n, profile) for n, profile in enumerate(there)])
    seen: list[str] = []
    while page := ids(store, after=seen[-1] if seen else "", limit=7):
        seen += page
        number = len(seen)
        store.append(
            [
                event(1000 + number, f"a{number}"),
                event(2000 + number, f"z{number}"),
                event(3000 + number, seen[-1], name="profile.delete"),
                event(4000 + number, there[-1]),
            ]
        )

    assert [profile for profile in seen if profile in there] == there
    assert len(seen) == len(set(seen))


def test_many_that_ask_at_once_while_many_append_keep_one_truth(
    store: ProfileStore, url: str
) -> None:
    appended_and_asked(store, url)

    assert not list(store.check())
    before = kept(url)
    store.rebuild()
    assert kept(url) == before


def appended_and_asked(store: ProfileStore, url: str) -> None:
    """Append from two threads, and catch up in two stores."""
    events = mixed(1200, profiles=30)
    stop = Event()
    failures: list[BaseException] = []

    def append(share: list[dict[str, Any]]) -> None:
        for start in range(0, len(share), 40):
            store.append(share[start : start + 40])

    def ask() -> None:
        try:
            with ProfileStore.open(url) as other:
                while not stop.is_set():
                    assert other.count(SPACE).set_aside == 0
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    appending = [Thread(target=append, args=(events[n::2],)) for n in range(2)]
    asking = [Thread(target=ask) for _ in range(2)]
    for thread in (*appending, *asking):
        thread.start()
    for thread in appending:
        thread.join()
    stop.set()
    for thread in asking:
        thread.join()
    if failures:
        raise failures[0]


def test_profiles_are_set_aside_and_the_rest_is_right(
    store: ProfileStore, url: str, tmp_path: Any
) -> None:
    """An event of the library's callers in a profile's stream: its fold fails."""
    store.append(mixed(200, profiles=10))
    before = store.count(SPACE)
    stream_id = store.key(SPACE, "p3").stream_id
    home = uuid_home(stream_id, store.partitions)
    strange = StoredEvent(stream_id, 1000, "strange", b"{}")
    store.recorder_of(home).insert_events([strange])

    counted = store.count(SPACE)

    assert counted.set_aside == 1
    assert counted.profiles == before.profiles - 1
    assert "p3" not in ids(store)
    (model,) = store.stats()["readModels"]  # type: ignore[misc]
    assert model["setAside"] == 1
    assert model["errors"][0]["profileId"] == "p3"
    assert "it is no event of a profile" in model["errors"][0]["error"]
    (difference,) = store.check()
    assert difference.profile.profile_id == "p3"
    assert "no profile event" in (difference.error or "")
    assert store.rebuild().set_aside == 1
    (anew,) = store.stats()["readModels"]  # type: ignore[misc]
    assert anew["errors"] == model["errors"]
    assert ids(store) == [f"p{n}" for n in (0, 1, 2, 4, 5, 6, 7, 8, 9)]
    shell = Shell(tmp_path)
    for command in ("rebuild", "check"):
        assert shell(command, PROFILESTORE_DATABASE=url).returncode == 5
    listed = shell("list", SPACE, PROFILESTORE_DATABASE=url)
    assert (listed.returncode, b"1 profile is not listed" in listed.stderr) == (0, True)


def uuid_home(stream_id: UUID, partitions: int) -> int:
    return stream_id.int % partitions


WRONGS = {
    "another document": "UPDATE read_profiles SET body = (SELECT body FROM "
    "read_profiles WHERE profile_id = 'p2') WHERE profile_id = 'p1'",
    "no document": "UPDATE read_profiles SET body = {} WHERE profile_id = 'p1'",
    "another condition": "UPDATE read_profiles SET condition = 23 - condition "
    "WHERE profile_id = 'p1'",
    "a past that is shorter": "UPDATE read_spans SET until = until - 1 WHERE until < "
    "9000000000000000000",
    "a past that is longer": "UPDATE read_spans SET until = until + 1 WHERE until < "
    "9000000000000000000",
    "a past that began earlier": "UPDATE read_spans SET since = since - 1",
    "no past": "DELETE FROM read_spans",
    "a profile that is missing": "DELETE FROM read_profiles WHERE profile_id = 'p1'",
    "a profile too many": "INSERT INTO read_profiles SELECT partition, generation, "
    "{}, api_space_id, 'nobody', position, condition, since, body, error FROM "
    "read_profiles WHERE profile_id = 'p1'",
    "a profile by another name": "UPDATE read_profiles SET profile_id = 'nobody' "
    "WHERE profile_id = 'p1'",
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_is_wrong_is_found_by_check_and_mended_by_rebuild(
    store: ProfileStore, url: str, wrong: str
) -> None:
    store.append(mixed(120, profiles=6))
    assert not list(store.check())
    some = "x'0102'" if "sqlite" in url else "'\\x0102'::bytea"
    rows(url, WRONGS[wrong].replace("{}", some))

    found = list(store.check())

    assert found
    assert all(difference.changes for difference in found)
    store.rebuild()
    assert not list(store.check())


@pytest.mark.parametrize(
    ("wrong", "asked"),
    [
        ("UPDATE read_profiles SET body = NULL", {}),
        ("UPDATE read_profiles SET body = CAST('{}' AS {blob})", {}),
        ("UPDATE read_profiles SET body = CAST('{' AS {blob})", {}),
        (
            "UPDATE read_spans SET since = since - 100000000000000",
            {"valid_at": datetime(2026, 4, 30, tzinfo=UTC)},
        ),
    ],
)
def test_who_meets_what_is_damaged_hears_what_mends_it(
    store: ProfileStore, url: str, wrong: str, asked: dict[str, Any]
) -> None:
    store.append([event(n, f"p{n}", timestamp="2026-05-01T00:00:00Z") for n in (1, 2)])
    assert store.count(SPACE).profiles == 2
    blob = "BLOB" if "sqlite" in url else "BYTEA"
    rows(url, wrong.replace("{blob}", blob))

    with pytest.raises(DamagedStoreError, match="rebuild"):
        ids(store, **asked)
    assert list(store.check())
    store.rebuild()
    assert len(ids(store)) == 2


def test_a_sample_compares_as_many_as_it_says(store: ProfileStore, url: str) -> None:
    store.append(mixed(120, profiles=6))
    store.count(SPACE)
    rows(url, "DELETE FROM read_spans")
    told: list[tuple[int, int]] = []

    found = list(store.check(sample=4, progress=lambda *of: told.append(of)))

    assert len(found) >= 4
    assert told[-1][0] >= 4
    with pytest.raises(InvalidArgumentError, match="sample"):
        list(store.check(sample=0))


def test_what_other_folds_made_is_never_read(store: ProfileStore, url: str) -> None:
    store.append(mixed(120, profiles=6))
    right = store.count(SPACE)
    rows(url, "UPDATE read_models SET fold = 'another'")
    rows(url, "UPDATE read_profiles SET condition = 0, body = NULL")
    assert [m.stale for m in store.read_models.describe()] == [True]

    assert store.count(SPACE) == right

    assert sorted(m.stale for m in store.read_models.describe()) == [False, True]
    store.rebuild()
    assert [m.stale for m in store.read_models.describe()] == [False]
    assert {fold for (fold,) in rows(url, "SELECT fold FROM read_models")} == {
        fold_version()
    }


def test_each_policy_has_a_read_model_of_its_own(store: ProfileStore) -> None:
    first = event(0, name="profile.create", payload={"id": "joe", "a": 1})
    store.append([first, event(1, payload={"id": "joe", "b": 2})])

    (merged,) = store.profiles(SPACE)
    (replaced,) = store.profiles(SPACE, updates="replace")

    assert merged.data == {"a": 1, "b": 2, "id": "joe"}
    assert replaced.data == {"b": 2, "id": "joe"}
    assert store.count(SPACE, where="a=1").profiles == 1
    assert store.count(SPACE, where="a=1", updates="replace").profiles == 0
    assert len(store.read_models.describe()) == 2
    store.rebuild()
    assert [m.is_read for m in store.read_models.describe()] == [True, True]


def test_a_rebuild_leaves_nothing_of_what_was_before(
    store: ProfileStore, url: str
) -> None:
    store.append(mixed(300, profiles=20))
    before = store.count(SPACE)

    for _ in range(3):
        assert store.rebuild().profiles == 20

    assert store.count(SPACE) == before
    live = rows(url, "SELECT partition, generation FROM read_models")
    for table in ("read_profiles", "read_spans", "read_parts"):
        found = rows(url, f"SELECT DISTINCT partition, generation FROM {table}")
        assert set(found) <= set(live)


def test_a_thread_keeps_them_warm_and_outlives_a_database_that_fails(
    store: ProfileStore, url: str
) -> None:
    with store.keep_warm() as warmer:
        store.append(mixed(100, profiles=10))
        assert comes_true(lambda: behind(store) == [0])
        rows(url, "ALTER TABLE read_spans RENAME TO gone")
        store.append([event(1, "late")])
        assert comes_true(lambda: isinstance(warmer.failure, StorageError))
        rows(url, "ALTER TABLE gone RENAME TO read_spans")
        assert comes_true(lambda: behind(store) == [0] and warmer.failure is None)
    store.append([event(2, "later")])
    assert behind(store) == [1]


def test_a_thread_that_keeps_them_warm_outlives_any_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> bool:
        raise IndexError("nobody expected it")

    with ProfileStore.open("sqlite://") as store:
        store.append([event(1, "p1")])
        with monkeypatch.context() as failing, store.keep_warm() as warmer:
            failing.setattr(module.ReadModels, "catch_up", fail)
            assert comes_true(lambda: isinstance(warmer.failure, IndexError))
            failing.undo()
            assert comes_true(lambda: behind(store) == [0] and warmer.failure is None)


def folded_in_a_rest(store: ProfileStore, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Say whether what comes while the thread rests is folded; to end ends a rest."""
    resting = Event()

    class Told(Pause):
        def wait(self, least: float = 0.0) -> None:
            resting.set()
            super().wait(least)

    monkeypatch.setattr(warming, "LONGEST_REST_SECONDS", 60)
    monkeypatch.setattr(warming, "Pause", Told)
    store.append([event(1, "first")])
    with store.keep_warm():
        assert resting.wait(30)
        store.append([event(2, "second")])
        return comes_true(lambda: behind(store) == [0], seconds=1)


def test_a_thread_that_worked_rests_for_as_long_as_that_asks(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "REST", 1e6)
    assert not folded_in_a_rest(store, monkeypatch)
    assert ids(store) == ["first", "second"]  # an answer has all, however it rests


def test_the_control_does_not_rest(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "REST", 0)
    assert folded_in_a_rest(store, monkeypatch)


def test_a_long_stream_of_no_profile_is_left_out(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "AT_ONCE", 0)
    monkeypatch.setattr(stream_rows, "BATCH", 7)
    store.append([event(n, f"p{n}") for n in range(5)])
    stream_id = UUID(int=store.key(SPACE, "p3").stream_id.int ^ 1 << 64)
    strange = [StoredEvent(stream_id, n, "strange", b"{}") for n in range(1, 31)]
    store.recorder_of(uuid_home(stream_id, store.partitions)).insert_events(strange)

    assert store.count(SPACE).profiles == 5
    assert store.rebuild().profiles == 5
    assert not list(store.check())


@pytest.mark.parametrize("url", ["postgresql-1", "postgresql-4"], indirect=True)
@pytest.mark.parametrize("build", ["rebuild", "count"])
def test_the_server_knows_how_much_was_built(
    store: ProfileStore, url: str, build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It plans by that: by itself it would count minutes later."""
    monkeypatch.setattr(builder, "MANY", 100)
    store.append([event(n, f"p{n}") for n in range(100)])
    assert store.rebuild() if build == "rebuild" else store.count(SPACE)

    tables = "relname IN ('read_profiles', 'read_spans') AND relkind = 'r'"
    here = "relnamespace = current_schema()::regnamespace"
    counted = f"SELECT reltuples FROM pg_class WHERE {tables} AND {here}"
    assert [number for (number,) in rows(url, counted)] == [100, 100]


def behind(store: ProfileStore) -> list[int]:
    return [model.events_behind for model in store.read_models.describe()]


def comes_true(condition: Callable[[], bool], seconds: float = 30) -> bool:
    pause = Event()
    return any(condition() or pause.wait(0.05) for _ in range(int(20 * seconds)))


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ({"status": "gone"}, "status"),
        ({"where": "name"}, "where"),
        ({"where": "=x"}, "where"),
        ({"where": "a=\ud800"}, "where"),
        ({"updates": "append"}, "updates"),
        ({"valid_at": datetime(2026, 1, 1)}, "valid_at"),  # noqa: DTZ001
    ],
)
def test_what_is_no_filter_is_refused_by_name(
    asked: dict[str, Any], argument: str
) -> None:
    with ProfileStore.open("sqlite://") as store:
        with pytest.raises(InvalidArgumentError, match=argument):
            store.count(SPACE, **asked)
        with pytest.raises(InvalidArgumentError, match=argument):
            list(store.profiles(SPACE, **asked))


@pytest.mark.parametrize("step", ["P1M", "PT1D", "PT1W", "P1H", "999999999w", "0d"])
def test_a_step_that_is_none_is_refused(step: str) -> None:
    with pytest.raises(click.BadParameter, match=step):
        Step().convert(step, None, None)


@pytest.mark.parametrize(
    ("step", "seconds"),
    [("PT1M", 60), ("1m", 60), ("P1D", 86400), ("P2W", 1209600), ("pt09h", 32400)],
)
def test_a_step_is_read_as_iso_8601_has_it(step: str, seconds: int) -> None:
    assert Step().convert(step, None, None).total_seconds() == seconds


def test_a_step_that_is_longer_than_all_is_one_time(store: ProfileStore) -> None:
    store.append([event(1, "p1")])
    day = datetime(2026, 5, 1, tzinfo=UTC)

    series = store.count_over(SPACE, from_=day, to=day, step=timedelta.max)

    assert [moment.profiles for moment in series.counts] == [1]


@pytest.mark.parametrize("after", ["\ud800", "a\0"])
def test_to_go_on_after_what_no_profile_is_called_is_refused(
    store: ProfileStore, after: str
) -> None:
    with pytest.raises(InvalidArgumentError, match="after"):
        list(store.profiles(SPACE, after=after))


def test_a_list_has_no_member_of_a_name_of_thousands_of_digits(
    store: ProfileStore,
) -> None:
    store.append([event(1, payload={"id": "joe", "tags": ["a", "b"]})])

    assert ids(store, where="tags/1=b") == ["joe"]
    assert ids(store, where=f"tags/{'1' * 5000}=b") == []


def test_a_list_of_none_and_a_series_too_long_to_fold_are_refused() -> None:
    day = timedelta(days=1)
    ends = {"from_": datetime(2026, 1, 1, tzinfo=UTC), "step": day}
    with ProfileStore.open("sqlite://") as store:
        with pytest.raises(InvalidArgumentError, match="limit"):
            store.profiles(SPACE, limit=0)
        with pytest.raises(InvalidArgumentError, match="100 can be counted by what"):
            store.count_over(SPACE, to=ends["from_"] + 100 * day, where="a=1", **ends)
        longer = store.count_over(SPACE, to=ends["from_"] + 100 * day, **ends)
        assert len(longer.counts) == 101
