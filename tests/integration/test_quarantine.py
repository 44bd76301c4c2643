"""Quarantine: replayed when it can be, discarded as a fact; export shows it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from profilestore import ProfileStore, QuarantineEntryNotFoundError, current_profile
from profilestore.infrastructure.bundle import export

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
EVENT = {
    "eventId": "e1",
    "apiSpaceId": SPACE,
    "name": "profile.create",
    "payload": {"id": "joe"},
    "revision": 0,
    "timestamp": "2017-05-31T15:26:58.199Z",
}


def quarantine_valid(store: ProfileStore) -> str:
    """Quarantine an event that today's rules accept, as if they had been stricter."""
    store.append([EVENT | {"revision": "not yet a number"}])
    (entry,) = store.quarantine.entries()
    with store._database.write() as connection:  # noqa: SLF001 - there is no other way
        connection.execute(
            text("UPDATE quarantine SET text = :text"),
            {"text": json.dumps(EVENT).encode()},
        )
    return entry.id


def test_replay_appends_what_can_be_accepted_now(store: ProfileStore) -> None:
    id_ = quarantine_valid(store)

    assert store.quarantine.replay(dry_run=True) == [(id_, "accepted")]
    assert store.stats()["events"] == {}
    assert store.quarantine.replay(by="ann") == [(id_, "accepted")]
    assert store.stats()["events"] == {"profile.create": 1}
    assert list(store.quarantine.entries()) == []
    (entry,) = store.quarantine.entries(settled=True)
    assert entry.settlement is not None
    assert (entry.settlement.settled, entry.settlement.by) == ("replayed", "ann")
    assert store.quarantine.replay([id_]) == [(id_, "duplicate")]


def test_replay_leaves_what_is_still_refused_as_it_is(store: ProfileStore) -> None:
    store.append([EVENT, EVENT | {"revision": 7}, {"name": "profile.merge"}])
    before = list(store.quarantine.entries())

    assert {outcome for _, outcome in store.quarantine.replay()} == {"quarantined"}
    assert list(store.quarantine.entries()) == before


def test_discard_keeps_who_and_why_and_the_bytes(store: ProfileStore) -> None:
    store.append(b"[1]")
    (entry,) = store.quarantine.entries()

    discarded = store.quarantine.discard(
        entry.id[:5], by="ann", why="a test of the sender"
    )

    assert discarded.rejection.text == b"1"
    assert discarded.settlement is not None
    assert discarded.settlement.why == "a test of the sender"
    assert list(store.quarantine.entries()) == []
    assert store.stats()["quarantine"] == {}


def test_purge_forgets_the_bytes_but_not_that_they_were_there(
    store: ProfileStore,
) -> None:
    store.append(b"[1]")
    (entry,) = store.quarantine.entries()

    store.quarantine.discard(entry.id, by="ann", why="personal", purge=True)

    (left,) = store.quarantine.entries(settled=True)
    assert (left.id, left.rejection.text) == (entry.id, b"")


@pytest.mark.parametrize("kind", ["file", "postgresql-8"])
def test_what_was_purged_and_comes_again_is_kept_again(
    kind: str, new_url: Callable[[str], str]
) -> None:
    """It is still discarded, by whom and why is known; and others are left alone."""
    with ProfileStore.open(new_url(kind)) as store:
        store.append(b"[1, 2]")
        for entry in list(store.quarantine.entries()):
            store.quarantine.discard(entry.id, by="ann", why="personal", purge=True)

        store.append(b"[1, 1]")

        kept = {e.rejection.text: e for e in store.quarantine.entries(settled=True)}
    assert set(kept) == {b"1", b""}
    assert kept[b"1"].deliveries == 3
    settlement = kept[b"1"].settlement
    assert settlement is not None
    assert (settlement.settled, settlement.why) == ("discarded", "personal")


@pytest.mark.parametrize("id_", ["zz", "", "%"])
def test_an_entry_that_is_not_there_is_said(store: ProfileStore, id_: str) -> None:
    with pytest.raises(QuarantineEntryNotFoundError):
        store.quarantine.discard(id_, by="ann", why="x")


def test_an_export_holds_all_and_makes_the_same_answers_elsewhere(
    store: ProfileStore, published_events: bytes
) -> None:
    store.append(published_events)
    store.append([EVENT | {"payload": {"id": "[email protected]"}, "revision": -1}])

    bundle: dict[str, Any] = export(store, SPACE, "[email protected]")

    (entry,) = bundle["quarantine"]
    assert json.loads(entry["text"])["revision"] == -1
    with ProfileStore.open("sqlite://") as other:
        other.append(event["text"].encode() for event in bundle["events"])
        again = export(other, SPACE, "[email protected]")
        for name in ("show", "deletion", "devices"):
            assert again["answers"][name] == bundle["answers"][name]
        assert [e["text"] for e in again["events"]] == [
            e["text"] for e in bundle["events"]
        ]


def test_what_is_in_quarantine_only_is_exported_too(store: ProfileStore) -> None:
    store.append([EVENT | {"revision": -1}])

    bundle = export(store, SPACE, "joe")
    assert (bundle["events"], bundle["answers"]) == ([], {})
    assert bundle["quarantine"]


def test_an_export_holds_nothing_of_others(
    store: ProfileStore, published_events: bytes
) -> None:
    store.append(published_events)
    store.append([EVENT])

    bundle = json.dumps(export(store, SPACE, "joe"))
    assert "Blogs" not in bundle
    assert current_profile(store.profile(SPACE, "joe")).data == {"id": "joe"}
