"""Our rules for the log, beside the library's own."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from freezegun import freeze_time
from sqlalchemy.exc import DBAPIError

from profilestore import (
    InvalidArgumentError,
    Profile,
    ProfileStore,
    current_profile,
)
from profilestore.infrastructure.log.committer import Committer
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.recorder import LogRecorder
from profilestore.infrastructure.log.tables import metadata
from profilestore.infrastructure.log.writer import LogWriter
from tests.simple_events import SPACE, event, rows


def test_positions_and_versions_are_dense_from_one(
    store: ProfileStore, url: str
) -> None:
    store.append([event(n, f"p{n % 3}") for n in range(10)])
    store.append([event(n, f"p{n % 3}") for n in range(5, 15)])

    stored = rows(
        url, "SELECT partition, position, stream_id, version FROM events ORDER BY 1, 2"
    )
    assert len(stored) == 15
    for partition in {row[0] for row in stored}:
        positions = [row[1] for row in stored if row[0] == partition]
        assert positions == list(range(1, len(positions) + 1))
    for stream in {row[2] for row in stored}:
        versions = [row[3] for row in stored if row[2] == stream]
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


CHANGES = ("UPDATE events SET name = 'x'", "DELETE FROM events", "TRUNCATE events")


@pytest.mark.parametrize("change", CHANGES)
def test_the_log_refuses_to_be_changed(
    store: ProfileStore, url: str, change: str
) -> None:
    store.append([event(1)])

    if change.startswith("TRUNCATE") and url.startswith("sqlite"):
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DBAPIError, match="append-only"):
        rows(url, change)


@pytest.mark.parametrize("change", CHANGES)
def test_without_its_triggers_the_log_could_be_changed(
    store: ProfileStore, url: str, change: str
) -> None:
    """The control of the test above: it is the triggers that refuse."""
    store.append([event(1)])
    if url.startswith("sqlite"):
        change = change.replace("TRUNCATE", "DELETE FROM")
        rows(url, "DROP TRIGGER events_refuse_update")
        rows(url, "DROP TRIGGER events_refuse_delete")
    else:
        rows(url, "DROP TRIGGER events_refuse_change ON events")

    rows(url, change)


def test_digests_and_chain_can_be_computed_from_the_columns_alone(
    store: ProfileStore, url: str
) -> None:
    store.append([event(n, f"p{n % 5}") for n in range(20)])
    chains: dict[int, bytes] = {}
    for row in rows(
        url,
        "SELECT partition, position, stream_id, version, event_id, name, revision, "
        "occurred_at, recorded_at, state, digest, chain FROM events "
        "ORDER BY partition, position",
    ):
        whole = b""
        for field in row[:10]:
            data = field if isinstance(field, bytes) else str(field).encode()
            whole += len(data).to_bytes(4, "big") + data
        digest = sha256(whole).digest()
        chains[row[0]] = sha256(chains.get(row[0], bytes(32)) + digest).digest()
        assert (row[10], row[11]) == (digest, chains[row[0]])

    heads = rows(url, "SELECT partition, chain FROM heads WHERE position > 0")
    assert dict(heads) == chains


def _versions(store: ProfileStore) -> list[tuple[UUID, int]]:
    return [
        (notification.originator_id, notification.originator_version)
        for partition in range(store.partitions)
        for notification in store.recorder_of(partition).select_notifications(1, 10)
    ]


def test_an_event_saved_through_the_library_is_the_same_event(
    store: ProfileStore, published_events: bytes
) -> None:
    """`Application.save` goes through the same door as `append`."""
    store.append(published_events)
    with ProfileStore.open("sqlite://") as other:
        for stream_id, version in _versions(store):
            profile: Profile = store.repository.get(
                stream_id, projector_func=Profile.project
            )
            other.save(profile.events[version - 1])

        assert other.stats()["events"] == store.stats()["events"]
        assert other.append(published_events).duplicate == 5


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
    committer = Committer(LogWriter(database))
    recorder, stream = LogRecorder(database, committer, None), uuid4()
    for version in range(3):
        recorder.insert_events([StoredEvent(stream, version, "topic", b"state")])

    assert [e.originator_version for e in recorder.select_events(stream)] == [0, 1, 2]
    committer.close()
    database.close()


def test_an_append_goes_on_behind_the_largest_version_that_the_library_gave(
    store: ProfileStore,
) -> None:
    """In whatever order its caller gave them, and with gaps between them."""
    store.append([event(1)])
    key = store.key(SPACE, "joe")
    (first,) = store.profile(*key).events
    recorder = store.factory.aggregate_recorder()
    for versions in ([9, 5], [3]):
        given = [
            replace(
                store.mapper.to_stored_event(first),
                originator_version=version,
                event_id=f"given-{version}",
            )
            for version in versions
        ]
        recorder.insert_events(given)
        store.append([event(10 + versions[0])])

    stored = [recorded.version for recorded in store.profile(*key).events]
    assert stored == [1, 3, 5, 9, 10, 11]


def test_a_database_that_was_restored_under_an_open_store_is_read_anew(
    new_url: Callable[[str], str],
) -> None:
    """It ends at the same position, with other events."""
    url = new_url("postgresql-1")
    with ProfileStore.open(url) as store:
        store.append([event(1), event(2)])
        for table in ("events", "streams", "heads", "store"):
            rows(url, f"DROP TABLE {table} CASCADE")
        rows(url, "DROP FUNCTION events_refuse_change")
        gone = {"events", "streams", "heads", "store"}
        for table in {table.name for table in metadata.sorted_tables} - gone:
            rows(url, f"DROP TABLE {table}")
        ProfileStore.init(url)
        with ProfileStore.open(url) as other:
            other.append([event(1, "ann"), event(2, "ann")])

        assert store.append([event(3)]).accepted == 1
        assert [r.version for r in store.profile(SPACE, "joe").events] == [1]
        assert len(store.feed().events) == 3


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
