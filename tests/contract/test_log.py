"""Our rules for the log, beside the library's own."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from freezegun import freeze_time
from sqlalchemy import text

from profilestore import (
    InvalidArgumentError,
    Profile,
    ProfileStore,
    SchemaMismatchError,
    StoreBusyError,
    StoreUnavailableError,
    current_profile,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.recorder import LogRecorder

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"


def event(number: int, profile: str = "joe", **members: Any) -> dict[str, Any]:
    return {
        "eventId": f"e{number}",
        "apiSpaceId": SPACE,
        "name": "profile.update",
        "payload": {"id": profile, "n": number},
        "revision": number,
        "timestamp": "2017-05-31T15:26:58.199Z",
    } | members


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return connection.execute(query).fetchall()


def test_positions_and_versions_are_dense_from_one(
    store: ProfileStore, url: str
) -> None:
    store.append([event(n, f"p{n % 3}") for n in range(10)])
    store.append([event(n, f"p{n % 3}") for n in range(5, 15)])

    stored = rows(url, "SELECT position, stream_id, version FROM events ORDER BY 1")
    assert [position for position, _, _ in stored] == list(range(1, 16))
    for stream in {stream for _, stream, _ in stored}:
        versions = [version for _, of, version in stored if of == stream]
        assert versions == list(range(1, len(versions) + 1))


def test_the_same_event_id_in_two_profiles_is_two_events(store: ProfileStore) -> None:
    assert store.append([event(1, "joe"), event(1, "ann")]).accepted == 2


def test_an_event_id_with_other_content_is_evidence(store: ProfileStore) -> None:
    """The first stays; what differs, is kept in quarantine, in one batch or over two."""
    first = event(1)
    receipt = store.append([first, event(1, revision=7), first])
    again = store.append([event(1, etag="now it has one"), event(1, revision=8)])

    assert (receipt.accepted, receipt.quarantined, receipt.duplicate) == (1, 1, 1)
    assert (again.duplicate, again.quarantined) == (1, 1)
    assert current_profile(store.profile(SPACE, "joe")).revision == 1
    conflicts = list(store.quarantine.entries())
    assert {json.loads(c.rejection.text)["revision"] for c in conflicts} == {7, 8}
    assert {c.rejection.reason for c in conflicts} == {"event-id-conflict"}
    assert {c.rejection.profile for c in conflicts} == {(SPACE, "joe")}


@pytest.mark.parametrize(
    "other",
    [
        {"name": "profile.create"},
        {"payload": {"id": "joe", "n": True}},
        {"payload": {"id": "joe", "n": 2}},
        {"revision": 2},
        {"timestamp": "2017-05-31T15:26:58.200Z"},
        {"etag": "b"},
        {"accountId": 2},
    ],
)
def test_each_part_of_the_content_can_conflict(
    store: ProfileStore, other: dict[str, Any]
) -> None:
    store.append([event(1, etag="a", accountId=1)])

    assert store.append([event(1, etag="a", accountId=1) | other]).quarantined == 1


@pytest.mark.parametrize(
    "same",
    [
        {"etag": "a", "accountId": "1"},
        {"eTag": "a"},
        {"payload": {"n": 1.0, "id": "joe"}},
        {"payload": {"n": 1}, "profileId": "joe"},
        {"timestamp": "2017-05-31T16:26:58.1990+01:00"},
        {"apiSpaceId": SPACE.upper().replace("-", "")},
    ],
)
def test_the_same_content_in_another_form_is_a_duplicate(
    store: ProfileStore, same: dict[str, Any]
) -> None:
    store.append([event(1, etag="a", accountId=1)])

    assert store.append([event(1) | same]).duplicate == 1


def test_one_bad_event_harms_nobody_in_its_batch(store: ProfileStore) -> None:
    good = [json.dumps(event(n)).encode() for n in range(499)]
    bad = b'{"eventId": "x", "revision": NaN}'
    body = b"[" + b",".join([*good[:250], bad, *good[250:]]) + b"]"

    receipt = store.append(body)

    assert (receipt.received, receipt.accepted, receipt.quarantined) == (500, 499, 1)
    (entry,) = store.quarantine.entries()
    assert entry.rejection.text == bad


def test_a_bad_event_delivered_again_is_one_entry_that_counts(
    store: ProfileStore,
) -> None:
    with freeze_time("2026-01-01") as clock:
        store.append(b"[1]", ingress="first")
        clock.tick(timedelta(hours=1))
        store.append(b"[1]", ingress="second")

    (entry,) = store.quarantine.entries()
    assert (entry.deliveries, entry.ingress) == (2, "first")
    assert entry.last_at - entry.first_at == timedelta(hours=1)
    assert store.quarantine.entry(entry.id[:6]) == entry


def test_other_families_are_counted_by_name(store: ProfileStore) -> None:
    foreign = event(1, name="message.delivered")
    store.append([foreign, event(2)])
    receipt = store.append([foreign])

    assert receipt.ignored == 1
    assert store.stats()["ignored"] == {"message.delivered": 2}


def test_recorded_at_is_the_clock_at_commit(store: ProfileStore) -> None:
    with freeze_time("2026-05-03T12:00:00.123456Z"):
        store.append([event(1)])

    (recorded,) = store.profile(SPACE, "joe").events
    assert recorded.recorded_at == datetime(2026, 5, 3, 12, 0, 0, 123456, UTC)


def test_a_clock_that_goes_backwards_never_makes_recorded_at_decrease(
    store: ProfileStore,
) -> None:
    with freeze_time("2026-05-03T12:00:00Z") as clock:
        for number, hours in enumerate([0, -1, +2, -5]):
            clock.tick(timedelta(hours=hours))
            store.append([event(number)])

    times = [
        recorded.recorded_at.hour for recorded in store.profile(SPACE, "joe").events
    ]
    assert times == [12, 12, 13, 13]


@pytest.mark.parametrize(
    "change", ["UPDATE events SET name = 'x'", "DELETE FROM events"]
)
def test_the_log_refuses_to_be_changed(
    store: ProfileStore, url: str, change: str
) -> None:
    store.append([event(1)])

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        rows(url, change)


def test_without_its_triggers_the_log_could_be_changed(
    store: ProfileStore, url: str
) -> None:
    """The control of the test above: it is the triggers that refuse."""
    store.append([event(1)])
    rows(url, "DROP TRIGGER events_refuse_update")

    rows(url, "UPDATE events SET name = 'x'")


def test_digests_and_chain_can_be_computed_from_the_columns_alone(
    store: ProfileStore, url: str
) -> None:
    store.append([event(n, f"p{n % 2}") for n in range(5)])
    chain = bytes(32)
    for row in rows(
        url,
        "SELECT partition, position, stream_id, version, event_id, name, revision, "
        "occurred_at, recorded_at, state, digest, chain FROM events ORDER BY position",
    ):
        fields = [*row[:2], UUID(row[2]).bytes, *row[3:10]]
        whole = b""
        for field in fields:
            data = field if isinstance(field, bytes) else str(field).encode()
            whole += len(data).to_bytes(4, "big") + data
        digest = sha256(whole).digest()
        chain = sha256(chain + digest).digest()
        assert (row[10], row[11]) == (digest, chain)

    assert rows(url, "SELECT chain FROM heads") == [(chain,)]


def test_every_unique_key_begins_with_the_partition(
    store: ProfileStore, url: str
) -> None:
    for (table,) in rows(url, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        if table == "store":
            continue
        for index in rows(url, f"PRAGMA index_list({table})"):
            columns = rows(url, f"PRAGMA index_info({index[1]})")
            assert columns[0][2] == "partition", index


def test_an_event_saved_through_the_library_is_the_same_event(
    store: ProfileStore, published_events: bytes
) -> None:
    """`Application.save` goes through the same door as `append`."""
    store.append(published_events)
    with ProfileStore.open("sqlite://") as other:
        for notification in store.notification_log.select(start=1, limit=10):
            profile: Profile = store.repository.get(
                notification.originator_id, projector_func=Profile.project
            )
            other.save(profile.events[notification.originator_version - 1])

        assert other.stats()["events"] == store.stats()["events"]
        assert other.append(published_events).duplicate == 5


def test_durability_does_not_rest_on_defaults(url: str) -> None:
    database = Database.open(url)
    with database.write() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    with database.read() as connection:
        assert connection.execute(text("PRAGMA query_only")).scalar() == 1
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
    database.close()


def test_a_new_file_is_readable_by_its_owner_only(
    store: ProfileStore, url: str
) -> None:
    path = Path(url.removeprefix("sqlite:///"))

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_writer_that_waits_too_long_says_busy_and_stores_nothing(url: str) -> None:
    with ProfileStore.open(url, busy_seconds=0.2) as store:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match="try again"):
                store.append([event(1)])
            other.rollback()

        assert store.append([event(1)]).accepted == 1


def test_threads_that_append_at_once_lose_nothing(store: ProfileStore) -> None:
    def append(thread: int) -> None:
        for number in range(20):
            store.append([event(number, eventId=f"{thread}-{number}")])

    threads = [Thread(target=append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    profile = store.profile(SPACE, "joe")
    assert [r.version for r in profile.events] == list(range(1, 161))


@pytest.fixture
def foreign_file(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (name)")
    return f"sqlite:///{path}"


def test_a_database_of_something_else_is_left_alone(foreign_file: str) -> None:
    with pytest.raises(SchemaMismatchError, match="people"):
        ProfileStore.open(foreign_file)

    assert rows(foreign_file, "SELECT name FROM sqlite_master") == [("people",)]


def test_a_store_of_another_schema_is_refused(store: ProfileStore, url: str) -> None:
    rows(url, "UPDATE store SET schema_version = 99")

    with pytest.raises(SchemaMismatchError, match="99"):
        ProfileStore.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(
        b"not a database, but long enough to be read as one" * 9
    )

    with pytest.raises(StoreUnavailableError, match="not a database"):
        ProfileStore.open(f"sqlite:///{tmp_path / 'x.db'}")


@pytest.mark.parametrize("url", ["profiles.db", "postgresql://x/y", "", "sqlite"])
def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="sqlite:///FILE"):
        ProfileStore.open(url)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="No such file"):
        ProfileStore.open(f"sqlite:///{tmp_path}/no/such.db")


def test_api_spaces_never_see_each_other(store: ProfileStore) -> None:
    other = str(uuid4())
    store.append([event(1), event(1, apiSpaceId=other, payload={"id": "joe", "x": 1})])

    assert current_profile(store.profile(SPACE, "joe")).data == {"id": "joe", "n": 1}
    assert current_profile(store.profile(other, "joe")).data == {"id": "joe", "x": 1}


@pytest.mark.parametrize("other", ["Joe", "joe ", "jo\u00e9", "joe\u0301", "%joe", ""])
def test_profile_ids_are_compared_exactly(store: ProfileStore, other: str) -> None:
    store.append([event(1)])

    with pytest.raises(Exception, match="no profile"):
        store.profile(SPACE, other)


def test_update_policies_can_be_set_by_store_space_and_query(url: str) -> None:
    other = str(uuid4())
    updates = [
        event(n, apiSpaceId=space, payload={"id": "joe", f"m{n}": n})
        for space in (SPACE, other)
        for n in (1, 2)
    ]
    with ProfileStore.open(
        url, updates="replace", space_updates={other.upper(): "merge"}
    ) as store:
        store.append(updates)

        def members(space: str, **query: str) -> set[str]:
            data = current_profile(store.profile(space, "joe", **query)).data
            return set(data or {})

        assert members(SPACE) == {"id", "m2"}
        assert members(other) == {"id", "m1", "m2"}
        assert members(other, updates="replace") == {"id", "m2"}
        with pytest.raises(InvalidArgumentError, match="merge, replace"):
            members(other, updates="append")


def test_a_stream_may_begin_at_version_0_through_the_library(url: str) -> None:
    """Some of the library's users count from 0: the stream goes on all the same."""
    database = Database.open(url)
    recorder, stream = LogRecorder(database), uuid4()
    for version in range(3):
        recorder.insert_events([StoredEvent(stream, version, "topic", b"state")])

    assert [e.originator_version for e in recorder.select_events(stream)] == [0, 1, 2]
    database.close()


@pytest.mark.parametrize(
    "delivery",
    [
        [event(1, payload={"id": "joe", "n": float("nan")})],
        [event(1, payload={"id": "joe", "n": {1, 2}})],
        [5],
        None,
        7,
    ],
)
def test_what_is_no_delivery_is_said_and_nothing_stored(
    store: ProfileStore, delivery: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="delivery"):
        store.append(delivery)

    assert store.stats()["events"] == {}


def test_what_is_not_unicode_names_no_profile(store: ProfileStore) -> None:
    with pytest.raises(InvalidArgumentError, match="Unicode"):
        store.profile(SPACE, "\udcff")


@pytest.mark.parametrize(
    "cut",
    [
        {"valid_at": "2026-05-01T00:00:00Z"},
        {"known_at": "soon"},
        {"known_at": True},
        {"life": "1"},
        {"at_revision": 1.5},
        {"life": -1},
        {"known_at": 2**63},
    ],
)
def test_a_bound_of_another_kind_is_refused(
    store: ProfileStore, cut: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(cut))):
        store.profile(SPACE, "joe", **cut)


def test_a_bound_that_does_not_exist_is_refused(store: ProfileStore) -> None:
    with pytest.raises(TypeError, match="valid_until"):
        store.profile(SPACE, "joe", valid_until=None)  # type: ignore[call-arg]
