"""The source's five published example events, and one profile's story in both dialects.

Every answer is spelled out.
"""

import json
from datetime import UTC, datetime
from typing import Any

from freezegun import freeze_time

from profilestore import (
    Profile,
    ProfileStore,
    current_profile,
    deletion_status,
    device_push,
    history,
)

JOE = "[email protected]"
FIRST = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
SECOND = "fb42e8af-5fc3-40d4-a38c-034535c0a385"
THIRD = "c124cf6e-4352-4b26-a71a-c3032bea7a01"
CUT = {"validAt": None, "knownAt": None, "atRevision": None, "updates": "merge"}


def head(space: str, life: int) -> dict[str, Any]:
    return {"apiSpaceId": space, "profileId": JOE, "life": life, "cut": CUT}


def answers(profile: Profile) -> dict[str, Any]:
    return {
        project.__name__: json.loads(project(profile).to_json())
        for project in (current_profile, deletion_status, device_push)
    }


def test_the_create(store: ProfileStore, published_events: bytes) -> None:
    store.append(published_events)

    assert answers(store.profile(FIRST, JOE)) == {
        "current_profile": head(FIRST, 1)
        | {
            "accountId": 1234,
            "status": "active",
            "data": {
                "id": JOE,
                "fbMessengerId": "1924625477645988",
                "facebook": {
                    "first_name": "Joe",
                    "last_name": "Blogs",
                    "profile_pic": "https://scontent.xx.fbcdn.net/v/t31.0-1/18491707_966210440149072_5125726667986939281_o.jpg?oh=1d2e9d127908108d583816b4a2d3029f&oe=59B76722",
                    "locale": "en_GB",
                    "timezone": 1,
                    "gender": "male",
                    "is_payment_enabled": True,
                    "lastRefreshedOn": "2017-05-30T14:56:46.161Z",
                },
            },
            "revision": 0,
            "etag": '"1c-FQbvdiKOAWc7ELR9RkHnLLjOFA0"',
            "eventId": "ef21e48a-44ab-45a5-b0df-d69efefd84f4",
            "createdAt": "2017-05-30T14:56:47.293Z",
            "updatedAt": "2017-05-30T14:56:47.293Z",
            "completeness": {
                "complete": True,
                "createSeen": True,
                "missingRevisions": [],
                "clashes": [],
            },
        },
        "deletion_status": head(FIRST, 1)
        | {
            "status": "active",
            "since": "2017-05-30T14:56:47.293Z",
            "deletedAt": None,
            "deletedBy": None,
            "restoredAt": None,
            "eventId": "ef21e48a-44ab-45a5-b0df-d69efefd84f4",
            "periods": [
                {
                    "life": 1,
                    "status": "active",
                    "from": "2017-05-30T14:56:47.293Z",
                    "to": None,
                    "eventId": "ef21e48a-44ab-45a5-b0df-d69efefd84f4",
                }
            ],
        },
        "device_push": head(FIRST, 1)
        | {
            "known": False,
            "devices": {},
            "count": 0,
            "pushEnabled": 0,
            "pushCapable": False,
            "reachable": False,
            "reason": "unknown",
            "changedAt": None,
            "eventId": None,
        },
    }


def test_update_delete_and_undelete(
    store: ProfileStore, published_events: bytes
) -> None:
    store.append(published_events)

    got = answers(store.profile(SECOND, JOE))
    assert got["current_profile"] == head(SECOND, 0) | {
        "accountId": 1234,
        "status": "active",
        "data": {"id": JOE, "name": "Joe Blogs", "email": JOE},
        "revision": 3,
        "etag": '"1a-iSV8wt9PDMKB7YICuT/LmQtrSys"',
        "eventId": "99d27031-7802-4e3d-9980-322027f869f3",
        "createdAt": None,
        "updatedAt": "2017-05-31T15:34:25.066Z",
        "completeness": {
            "complete": False,
            "createSeen": False,
            "missingRevisions": [],
            "clashes": [],
        },
    }
    assert got["deletion_status"] == head(SECOND, 0) | {
        "status": "active",
        "since": "2017-05-31T15:34:25.066Z",
        "deletedAt": "2017-05-31T15:31:13.311Z",
        "deletedBy": "access:91c59b6a-5ff9-4a97-84a7-1b1ca4a0fe82",
        "restoredAt": "2017-05-31T15:34:25.066Z",
        "eventId": "99d27031-7802-4e3d-9980-322027f869f3",
        "periods": [
            {
                "life": 0,
                "status": "active",
                "from": "2017-05-31T15:26:58.199Z",
                "to": "2017-05-31T15:31:13.479Z",
                "eventId": "e625d046-80b9-430d-bfeb-fda6ba5194ed",
            },
            {
                "life": 0,
                "status": "deleted",
                "from": "2017-05-31T15:31:13.479Z",
                "to": "2017-05-31T15:34:25.066Z",
                "eventId": "8e1503da-952b-4946-86c4-5c51218f39ed",
            },
            {
                "life": 0,
                "status": "active",
                "from": "2017-05-31T15:34:25.066Z",
                "to": None,
                "eventId": "99d27031-7802-4e3d-9980-322027f869f3",
            },
        ],
    }
    assert got["device_push"]["reason"] == "unknown"


def test_devices_updated(store: ProfileStore, published_events: bytes) -> None:
    store.append(published_events)

    assert answers(store.profile(THIRD, JOE)) == {
        "current_profile": head(THIRD, 0)
        | {
            "accountId": 123,
            "status": "unknown",
            "data": None,
            "revision": None,
            "etag": None,
            "eventId": None,
            "createdAt": None,
            "updatedAt": None,
            "completeness": {
                "complete": False,
                "createSeen": False,
                "missingRevisions": [],
                "clashes": [],
            },
        },
        "deletion_status": head(THIRD, 0)
        | {
            "status": "unknown",
            "since": "2021-07-08T14:52:29.484Z",
            "deletedAt": None,
            "deletedBy": None,
            "restoredAt": None,
            "eventId": "e8b015b0-dd11-4f2d-a4b8-52c20739e16b",
            "periods": [
                {
                    "life": 0,
                    "status": "unknown",
                    "from": "2021-07-08T14:52:29.484Z",
                    "to": None,
                    "eventId": "e8b015b0-dd11-4f2d-a4b8-52c20739e16b",
                }
            ],
        },
        "device_push": head(THIRD, 0)
        | {
            "known": True,
            "devices": {
                "web": {"count": 2, "pushEnabled": 0},
                "mobile": {"count": 1, "pushEnabled": 1},
            },
            "count": 3,
            "pushEnabled": 1,
            "pushCapable": True,
            "reachable": True,
            "reason": None,
            "changedAt": "2021-07-08T14:52:29.484Z",
            "eventId": "e8b015b0-dd11-4f2d-a4b8-52c20739e16b",
        },
    }


def test_the_history_lists_them_in_source_order(
    store: ProfileStore, published_events: bytes
) -> None:
    with freeze_time(datetime(2026, 5, 3, 12, tzinfo=UTC)):
        store.append(published_events)

    listed = json.loads(history(store.profile(SECOND, JOE)).to_json())
    assert [
        (event["position"], event["version"], event["name"], event["recordedAt"])
        for event in listed["events"]
    ] == [
        (2, 1, "profile.update", "2026-05-03T12:00:00.000Z"),
        (3, 2, "profile.delete", "2026-05-03T12:00:00.000Z"),
        (4, 3, "profile.undelete", "2026-05-03T12:00:00.000Z"),
    ]
    assert listed["events"][1]["payload"] == {
        "id": JOE,
        "by": "access:91c59b6a-5ff9-4a97-84a7-1b1ca4a0fe82",
        "date": "2017-05-31T15:31:13.311Z",
    }


def test_the_socket_dialect_is_the_same_events(
    store: ProfileStore, published_events: bytes
) -> None:
    """The same events as the app-messaging socket tells them are duplicates."""
    receipt = store.append(published_events)
    assert receipt.accepted == 5

    decoder = json.JSONDecoder()
    text, socket = published_events.decode(), []
    while text := text.strip():
        event, end = decoder.raw_decode(text)
        text = text[end:]
        event["eTag"] = event.pop("etag")
        event["publishedOn"] = event.pop("timestamp")
        event["profileId"] = event["payload"].pop("id")
        event["context"] = {"createdBy": "profile:joe"}
        del event["accountId"]
        socket.append(event)

    again = store.append(socket)
    assert (again.received, again.duplicate) == (5, 5)

    with ProfileStore.open("sqlite://") as other:
        assert other.append(socket).accepted == 5
        for space in (FIRST, SECOND, THIRD):
            expected = answers(store.profile(space, JOE))
            expected["current_profile"]["accountId"] = None
            assert answers(other.profile(space, JOE)) == expected
