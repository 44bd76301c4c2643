"""The field rules and quarantine reasons of SPEC sections 1 and 2."""

import json
from typing import Any

import pytest

from profilestore.domain.envelope import MAX_EVENT_BYTES, read_event
from profilestore.domain.events import EVENT_TYPES, ProfileEvent
from profilestore.domain.json_values import MAX_DEPTH
from profilestore.domain.rejection import Ignored, Reason, Rejection

ABSENT = object()
SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"


def envelope(**members: Any) -> dict[str, Any]:
    """A valid update, with members replaced, or left out where ABSENT."""
    event = {
        "eventId": "e1",
        "accountId": 1234,
        "apiSpaceId": SPACE,
        "name": "profile.update",
        "payload": {"id": "joe"},
        "revision": 1,
        "etag": '"1a"',
        "timestamp": "2017-05-31T15:26:58.199Z",
    } | members
    return {name: value for name, value in event.items() if value is not ABSENT}


def read(**members: Any) -> ProfileEvent | Rejection | Ignored:
    return read_event(json.dumps(envelope(**members)).encode())


def accepted(**members: Any) -> ProfileEvent:
    event = read(**members)
    assert isinstance(event, ProfileEvent), event
    return event


def rejected(**members: Any) -> Rejection:
    rejection = read(**members)
    assert isinstance(rejection, Rejection), rejection
    return rejection


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_of_the_five_names_is_its_own_event(name: str) -> None:
    event = accepted(name=name, payload={"id": "joe", "devices": {}})

    assert type(event) is EVENT_TYPES[name]
    assert event.name == name


def test_the_exact_text_is_kept() -> None:
    text = json.dumps(envelope(), indent=3).encode() + b" "
    event = read_event(text)

    assert isinstance(event, ProfileEvent)
    assert event.text == text


def test_both_dialects_say_the_same() -> None:
    webhook = accepted(payload={"id": "joe", "b": 1, "a": {"d": 1, "c": 2}})
    socket = accepted(
        accountId=ABSENT,
        etag=ABSENT,
        eTag='"1a"',
        timestamp=ABSENT,
        publishedOn="2017-05-31T17:26:58.199+02:00",
        profileId="joe",
        payload={"a": {"c": 2, "d": 1}, "b": 1},
        context={"createdBy": "user"},
    )

    assert socket.content.payload == webhook.content.payload
    assert list(socket.payload) == list(webhook.payload)
    assert socket.content.etag == webhook.content.etag
    assert (socket.profile, socket.occurred_at) == (
        webhook.profile,
        webhook.occurred_at,
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"{", "truncated"),
        (b'{"a": NaN}', "invalid"),
        (b'{"a": Infinity}', "invalid"),
        (b'{"a": -Infinity}', "invalid"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\\ud800"}', ""),
        (b'{"b": ' + b"9" * 5000 + b', "a": "\\ud800"}', "surrogates"),
        (b'{"a": NaN, "b": 1e400}', ""),
        (b'{"a": 1,}', "trailing comma"),
        (b'{"a": "\n"}', "invalid"),
        (b"\xef\xbb\xbf{}", "invalid"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "200 levels"),
        (b"[" * 100_000 + b"]" * 100_000, "200 levels"),
        (b"", "truncated"),
    ],
)
def test_what_is_not_json_is_malformed(text: bytes, rule: str) -> None:
    rejection = read_event(text)

    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.MALFORMED_JSON
    assert rejection.text == text
    assert rule in rejection.problems[0].rule


def test_a_hundred_levels_of_nesting_are_fine() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]

    assert accepted(payload={"id": "joe", "deep": deep}).payload["deep"] == deep


def test_nesting_is_limited_at_a_fixed_depth() -> None:
    def nested(levels: int) -> bytes:
        # The envelope and the payload are two levels more.
        text = json.dumps(envelope(payload={"id": "joe", "deep": 0}))
        inner = "[" * (levels - 2) + "]" * (levels - 2)
        return text.replace('"deep": 0', f'"deep": {inner}').encode()

    assert isinstance(read_event(nested(MAX_DEPTH)), ProfileEvent)
    assert isinstance(read_event(nested(MAX_DEPTH + 1)), Rejection)


def test_of_a_duplicate_key_the_last_counts() -> None:
    text = json.dumps(envelope()).replace('"revision": 1', '"revision":1,"revision":7')
    event = read_event(text.encode())

    assert isinstance(event, ProfileEvent)
    assert event.revision == 7


@pytest.mark.parametrize("text", [b"1", b'"x"', b"null", b"true", b"[1]"])
def test_what_is_no_object_is_not_an_event(text: bytes) -> None:
    rejection = read_event(text)

    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.NOT_AN_EVENT


def test_an_unknown_profile_event_is_unsupported() -> None:
    rejection = rejected(name="profile.merge", revision="broken too")

    assert rejection.reason is Reason.UNSUPPORTED_EVENT
    assert rejection.problems[0].pointer == "/name"
    assert rejection.profile == (SPACE, "joe")
    assert rejection.event_id == "e1"


def test_an_event_over_a_mebibyte_is_too_large() -> None:
    text = json.dumps(envelope()).encode()
    largest = text + b" " * (MAX_EVENT_BYTES - len(text))

    assert isinstance(read_event(largest), ProfileEvent)
    rejection = read_event(largest + b" ")
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TOO_LARGE
    assert rejection.text == largest + b" "


@pytest.mark.parametrize(
    "name", ["message.delivered", "chat.update", "profiles.create"]
)
def test_other_families_are_ignored_whatever_their_revision(name: str) -> None:
    assert read(name=name, revision=ABSENT, payload={"no": "id"}) == Ignored(name)


def test_another_family_in_a_broken_envelope_is_no_envelope() -> None:
    assert rejected(name="message.delivered", eventId=ABSENT).problems[0] == (
        "/eventId",
        "is missing",
    )


@pytest.mark.parametrize(
    ("pointer", "members"),
    [
        ("/eventId", {"eventId": ABSENT}),
        ("/eventId", {"eventId": ""}),
        ("/eventId", {"eventId": "x" * 129}),
        ("/eventId", {"eventId": 7}),
        ("/accountId", {"accountId": "12a"}),
        ("/accountId", {"accountId": ""}),
        ("/accountId", {"accountId": 1.5}),
        ("/accountId", {"accountId": True}),
        ("/accountId", {"accountId": "\u0661"}),
        ("/apiSpaceId", {"apiSpaceId": ABSENT}),
        ("/apiSpaceId", {"apiSpaceId": "fe11e8af"}),
        ("/apiSpaceId", {"apiSpaceId": "{" + SPACE + "}"}),
        ("/apiSpaceId", {"apiSpaceId": None}),
        ("/name", {"name": ABSENT}),
        ("/name", {"name": 1}),
        ("/payload", {"payload": ABSENT}),
        ("/payload", {"payload": []}),
        ("/payload/id", {"payload": {}}),
        ("/payload/id", {"payload": {"id": ""}}),
        ("/payload/id", {"payload": {"id": 5}}),
        ("/payload/id", {"payload": {"id": "x" * 1025}}),
        ("/payload/id", {"payload": {"id": "a\0b"}}),
        ("/profileId", {"profileId": "jo"}),
        ("/profileId", {"profileId": "a\0b", "payload": {}}),
        ("/revision", {"revision": ABSENT}),
        ("/revision", {"revision": -1}),
        ("/revision", {"revision": 2**63}),
        ("/revision", {"revision": 10**300}),
        ("/revision", {"revision": "1"}),
        ("/revision", {"revision": 1.0}),
        ("/revision", {"revision": True}),
        ("/etag", {"etag": 5}),
        ("/eTag", {"etag": ABSENT, "eTag": 5}),
        ("/timestamp", {"timestamp": ABSENT}),
        ("/timestamp", {"timestamp": 1496244418}),
        ("/timestamp", {"timestamp": "2017-05-31T15:26:58.199"}),
        ("/timestamp", {"timestamp": "2017-05-31"}),
        ("/timestamp", {"timestamp": "2017-02-29T00:00:00Z"}),
        ("/timestamp", {"timestamp": "2017-05-31T12:30:60Z"}),
        ("/timestamp", {"timestamp": "0001-01-01T00:00:00+01:00"}),
        ("/publishedOn", {"timestamp": ABSENT, "publishedOn": "yesterday"}),
        (
            "/payload/date",
            {"name": "profile.delete", "payload": {"id": "j", "date": 1}},
        ),
        (
            "/payload/date",
            {
                "name": "profile.delete",
                "payload": {"id": "j", "date": "2017-05-31T15:31"},
            },
        ),
        ("/payload/by", {"name": "profile.delete", "payload": {"id": "j", "by": {}}}),
        ("/payload/devices", {"name": "profile.devicesUpdated"}),
        (
            "/payload/devices/a~1b~0",
            {
                "name": "profile.devicesUpdated",
                "payload": {"id": "j", "devices": {"a/b~": 1}},
            },
        ),
        (
            "/payload/devices/web/count",
            {
                "name": "profile.devicesUpdated",
                "payload": {
                    "id": "j",
                    "devices": {"web": {"count": -1, "pushEnabled": 0}},
                },
            },
        ),
        (
            "/payload/devices/web/pushEnabled",
            {
                "name": "profile.devicesUpdated",
                "payload": {"id": "j", "devices": {"web": {"count": 1}}},
            },
        ),
    ],
)
def test_a_bad_field_is_named_by_its_pointer(
    pointer: str, members: dict[str, Any]
) -> None:
    rejection = rejected(**members)

    assert rejection.reason is Reason.INVALID_FIELD
    assert [problem.pointer for problem in rejection.problems] == [pointer]
    assert rejection.problems[0].rule


def test_every_bad_field_is_named() -> None:
    rejection = rejected(eventId=1, revision=-1, timestamp="now")

    assert {problem.pointer for problem in rejection.problems} == {
        "/eventId",
        "/revision",
        "/timestamp",
    }


@pytest.mark.parametrize(
    "members",
    [
        {"eventId": "x" * 128},
        {"eventId": "\0"},
        {"accountId": ABSENT},
        {"accountId": None},
        {"etag": ABSENT},
        {"etag": None},
        {"payload": {"id": "x" * 1024}},
        {"payload": {"id": "\U0001f600" * 1024}},
        {"payload": {"id": " Joe\n"}},
        {"payload": {}, "profileId": "joe"},
        {"profileId": "joe"},
        {"revision": 2**63 - 1},
        {"revision": 0},
        {"unknown": {"extra": [1]}},
        {"name": "profile.delete", "payload": {"id": "joe"}},
        {"name": "profile.delete", "payload": {"id": "joe", "date": None, "by": None}},
    ],
)
def test_what_the_rules_allow_is_accepted(members: dict[str, Any]) -> None:
    accepted(**members)


@pytest.mark.parametrize("account_id", [1234, "1234"])
def test_an_account_id_may_be_a_numeric_string(account_id: object) -> None:
    assert accepted(accountId=account_id).content.account_id == 1234


@pytest.mark.parametrize(
    "space",
    [SPACE, SPACE.upper(), SPACE.replace("-", ""), SPACE.replace("-", "").upper()],
)
def test_an_api_space_id_is_brought_to_one_form(space: str) -> None:
    assert accepted(apiSpaceId=space).profile.api_space_id == SPACE


def test_extra_members_of_devices_and_payload_are_kept() -> None:
    devices = {"web": {"count": 1, "pushEnabled": 0, "seen": [1]}}
    event = accepted(
        name="profile.devicesUpdated", payload={"id": "j", "devices": devices, "x": 1}
    )

    assert event.payload == {"id": "j", "devices": devices, "x": 1}


@pytest.mark.parametrize(
    "number",
    ["9" * 300, "-" + "9" * 5000, "1e-7", "1e22", "1e400", "-1.5E+999", "0.1", "-0.0"],
)
def test_numbers_come_back_as_the_same_numbers(number: str) -> None:
    from decimal import Decimal

    from profilestore.domain.json_values import write_json

    text = json.dumps(envelope(payload={"id": "joe", "n": 0}))
    event = read_event(text.replace('"n": 0', f'"n": {number}').encode())
    assert isinstance(event, ProfileEvent)
    written = write_json(event.payload).decode()

    digits = written.partition('"n":')[2].rstrip("}")
    assert Decimal(digits) == Decimal(number)


@pytest.mark.parametrize(("count", "fits"), [(10**4000 - 1, True), (10**4000, False)])
def test_counts_of_devices_can_be_summed(count: int, *, fits: bool) -> None:
    web = {"count": count, "pushEnabled": 0}
    payload = {"id": "joe", "devices": {"web": web, "mobile": web}}
    event = read(name="profile.devicesUpdated", payload=payload)

    assert isinstance(event, ProfileEvent) is fits


def test_nul_in_strings_comes_back() -> None:
    assert accepted(payload={"id": "joe", "a\0": "\0"}).payload["a\0"] == "\0"
