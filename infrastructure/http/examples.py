"""One event of each kind, for the API's description; each is one the store accepts."""

from typing import Any

_SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
_ID = "ada@example.com"


def _event(number: int, kind: str, revision: int, /, **payload: Any) -> dict[str, Any]:
    return {
        "eventId": f"3f0b7c52-6d1e-4a80-9f6e-00000000000{number}",
        "accountId": 4711,
        "apiSpaceId": _SPACE,
        "name": f"profile.{kind}",
        "payload": {"id": _ID, **payload},
        "revision": revision,
        "etag": f'"2a-example{number}"',
        "timestamp": f"2026-05-0{number}T10:15:30.250Z",
    }


EVENTS = {
    "create": _event(1, "create", 0, name="Ada", languages=["en", "fr"]),
    "update": _event(2, "update", 1, name="Ada Lovelace", email=_ID),
    "delete": _event(
        3, "delete", 2, date="2026-05-03T10:15:30.101Z", by="access:example"
    ),
    "undelete": _event(4, "undelete", 3),
    "devicesUpdated": _event(
        5,
        "devicesUpdated",
        0,
        devices={"iOS": {"count": 1, "pushEnabled": 1}},
    ),
}

RECEIPT = {
    "received": 5,
    "accepted": 5,
    "duplicate": 0,
    "quarantined": 0,
    "ignored": 0,
}
