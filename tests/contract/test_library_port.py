"""What the library's callers may write beside profiles, and what is refused by name."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent, Tracking

from profilestore import InvalidArgumentError, ProfileStore
from profilestore.domain.identity import ProfileKey, home_of
from profilestore.infrastructure.log.logged_event import LoggedEvent
from profilestore.infrastructure.log.recorder import LogRecorder
from tests.simple_events import SPACE, event, rows

JOE = ProfileKey(SPACE, "joe")


def home(store: ProfileStore, stream: UUID) -> LogRecorder:
    return store.recorder_of(home_of(stream, store.partitions))


def test_a_stream_is_written_in_its_own_partition_only(store: ProfileStore) -> None:
    stream = uuid4()
    at = home_of(stream, store.partitions)
    for partition in set(range(store.partitions)) - {at}:
        with pytest.raises(InvalidArgumentError, match=f"lives in partition {at}"):
            store.recorder_of(partition).insert_events(
                [StoredEvent(stream, 1, "topic", b"")]
            )

    home(store, stream).insert_events([StoredEvent(stream, 1, "topic", b"")])
    assert store.stats()["events"] == {"topic": 1}


def test_a_stream_gets_its_name_with_the_first_event_of_its_profile(
    store: ProfileStore, url: str
) -> None:
    """Whatever events of others stood in it before, and whichever way it comes."""
    ann, bob = ProfileKey(SPACE, "ann"), ProfileKey(SPACE, "bob")
    for key in (JOE, ann, bob):
        bare = StoredEvent(key.stream_id, 1, "topic", b"")
        home(store, key.stream_id).insert_events([bare])
    store.append([event(1), event(2), event(1, "ann")])
    with ProfileStore.open("sqlite://") as other:
        other.append([event(1, "bob")])
        (first,) = other.profile(*bob).events
        given = replace(store.mapper.to_stored_event(first), originator_version=2)
    home(store, bob.stream_id).insert_events([given])
    bare = StoredEvent(JOE.stream_id, 4, "topic", b"")
    home(store, JOE.stream_id).insert_events([bare])
    store.append([event(3)])

    seen = [
        (of.event.profile.profile_id, of.version)
        for n in range(store.partitions)
        for of in store.feed(partition=n).events
    ]
    assert sorted(seen) == [("ann", 2), ("bob", 2), ("joe", 2), ("joe", 3), ("joe", 5)]
    assert [r.version for r in store.profile(*JOE).events] == [2, 3, 5]
    assert store.current(*JOE).revision == 3
    named = rows(url, "SELECT profile_id FROM streams ORDER BY 1")
    assert named == [("ann",), ("bob",), ("joe",)]


def logged(**members: Any) -> LoggedEvent:
    given: dict[str, Any] = {
        "originator_id": JOE.stream_id,
        "originator_version": 1,
        "topic": "profile.update",
        "state": b"{}",
        "profile": JOE,
        "event_id": "e1",
        "revision": 0,
        "occurred_at": 0,
    }
    return LoggedEvent(**given | members)


BARE: dict[str, Any] = dict.fromkeys(
    ("profile", "event_id", "revision", "occurred_at"), None
)
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("topic: .* is no profile event", {"topic": "other"}),
    ("topic: must be Unicode", {"topic": "a\0b", **BARE}),
    ("topic: must be Unicode", {"topic": "\ud800", **BARE}),
    ("originator_version: must be from 0", {"originator_version": 2**63}),
    ("originator_version: must be from 0", {"originator_version": -1}),
    ("revision: must be from 0", {"revision": 2**63}),
    ("event_id: give", {"revision": None}),
    ("event_id: give", {"profile": None}),
    ("event_id: must have 1 to 128", {"event_id": "e" * 129}),
    ("event_id: must be Unicode", {"event_id": "\ud800"}),
    ("originator_id: .* not the stream", {"profile": ProfileKey(SPACE, "ann")}),
]


@pytest.mark.parametrize(("said", "members"), REFUSED)
def test_an_event_that_cannot_be_kept_is_refused_alike_on_both_engines(
    store: ProfileStore, said: str, members: dict[str, Any]
) -> None:
    recorder = store.factory.application_recorder()
    with pytest.raises(InvalidArgumentError, match=said):
        recorder.insert_events([logged(**members)])

    assert recorder.insert_events([logged()]) == [1]
    assert store.append([event(1, eventId="e2")]).accepted == 1


def test_an_event_of_another_topic_does_not_take_a_profiles_event_id(
    store: ProfileStore,
) -> None:
    recorder = home(store, JOE.stream_id)
    recorder.insert_events([logged(topic="other", **BARE)])

    assert store.append([event(1)]).accepted == 1
    assert store.append([event(1)]).duplicate == 1


@pytest.mark.parametrize(
    ("said", "position"),
    [
        ("application_name: must have at most 512", Tracking("a" * 513, 1)),
        ("application_name: must be Unicode", Tracking("a\0b", 1)),
        ("notification_id: must be from 0", Tracking("a", 2**63)),
    ],
)
def test_a_tracking_position_that_cannot_be_kept_is_refused(
    store: ProfileStore, said: str, position: Tracking
) -> None:
    recorder = store.recorder_of(0)
    with pytest.raises(InvalidArgumentError, match=said):
        recorder.insert_tracking(position)

    recorder.insert_tracking(Tracking("\U0001f600" * 512, 2**63 - 1))
    assert recorder.max_tracking_id("\U0001f600" * 512) == 2**63 - 1


def test_questions_with_what_cannot_be_there_are_answered_alike(
    store: ProfileStore,
) -> None:
    recorder, far = store.recorder_of(0), 2**70
    stream = JOE.stream_id
    home(store, stream).insert_events([StoredEvent(stream, 1, "topic", b"")])
    of_stream = home(store, stream).select_events

    assert len(of_stream(stream, gt=-far, lte=far)) == 1
    assert of_stream(stream, gt=far) == []
    assert recorder.select_notifications(far, 10, inclusive_of_start=False) == []
    assert len(recorder.select_notifications(-far, 10, far)) <= 1
    with pytest.raises(InvalidArgumentError, match="topics: must be Unicode"):
        recorder.select_notifications(None, 10, topics=["a\0b"])
    with pytest.raises(InvalidArgumentError, match="application_name"):
        recorder.max_tracking_id("a\0b")
