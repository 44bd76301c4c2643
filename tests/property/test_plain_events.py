"""The short way to an event agrees with the rules on everything it answers."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profilestore.domain.envelope import read_carefully
from profilestore.domain.events import EVENT_TYPES, ProfileEvent
from profilestore.domain.plain_event import plain_event

PUBLISHED: dict[str, Any] = {
    "eventId": "e1",
    "accountId": 39,
    "apiSpaceId": "fe11e8af-5fc3-40d4-a38c-034535c0a385",
    "name": "profile.update",
    "payload": {"id": "joe", "a": {"b": [1, 2.5, None, True, "\u00e9"]}},
    "revision": 1,
    "etag": '"1a"',
    "timestamp": "2017-05-31T15:26:58.199Z",
}
SPACES = ["fe11e8af5fc340d4a38c034535c0a385", "FE11E8AF-5FC3-40D4-A38C-034535C0A385"]
TIMES = [
    "2016-12-31T23:59:60.5Z",
    "2017-05-31 15:26:58.1234567+05:30",
    "2017-05-31T15:26:58",
    "2017-05-31t15:26:58z",
    "2017-05-31T24:00:00Z",
    "0001-01-01T00:00:00+01:00",
]
SIZES = st.sampled_from([0, 1, 127, 128, 129, 1023, 1024, 1025])
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(2**63 - 2, 2**64),
    st.sampled_from([1.0, 0.5, -0.0, 10**50, 10**4000, "39", "-7", "", "\0", "a\0b"]),
    st.sampled_from([*EVENT_TYPES, "profile.merge", "message.sent", *SPACES, *TIMES]),
    st.text(max_size=5),
    st.builds(str.__mul__, st.sampled_from("a\u00e9\U0001f600"), SIZES),
    st.recursive(
        st.none(), lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(), v)
    ),
)
MEMBERS = st.sampled_from([*PUBLISHED, "eTag", "publishedOn", "profileId", "context"])
PIECES = st.sampled_from(
    [b"1e999", b"1e-999", b"1e99999999999999999999", b"9" * 5000, b"NaN", b"-", b"1.",
     b"01", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\\x", b"\0", b"\n",
     b'"', b"{", b"}", b"[", b"]", b",", b":", b"[" * 250 + b"]" * 250, b"true", b" ",
     b'"revision":-1,', b'"revision":7,', b'"x":1e99999999999999999999,']
)  # fmt: skip


def agrees(text: bytes) -> bool:
    """Tell whether the short way answers, which must be what the rules answer."""
    event = plain_event(text)
    if event is None:
        return False
    careful = read_carefully(text)
    assert event == careful
    assert type(event) is type(careful)
    assert repr(event) == repr(careful)
    return True


@settings(max_examples=500)
@given(st.dictionaries(MEMBERS, ODD, max_size=3), st.dictionaries(MEMBERS, ODD))
@example({"revision": True}, {})
@example({"revision": 1.0}, {})
@example({"payload": {"id": "joe", "date": 5}}, {})
@example({"eTag": 5}, {})
def test_it_agrees_on_members_of_any_kind(
    members: dict[str, Any], inside: dict[str, Any]
) -> None:
    envelope = PUBLISHED | members
    if isinstance(payload := envelope["payload"], dict):
        renamed = {"id" if k == "eventId" else k: v for k, v in inside.items()}
        envelope["payload"] = payload | renamed
    agrees(json.dumps(envelope).encode())
    agrees(json.dumps(envelope, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@settings(max_examples=1000)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 250), st.integers(0, 4), st.binary(max_size=2) | PIECES
        ),
        min_size=1,
        max_size=3,
    )
)
def test_it_agrees_on_texts_that_were_damaged(
    cuts: list[tuple[int, int, bytes]],
) -> None:
    text = json.dumps(PUBLISHED).encode()
    for at, size, piece in cuts:
        text = text[:at] + piece + text[at + size :]
    agrees(text)


@given(st.integers(0, 300), st.sampled_from(["[", '{"a":']))
def test_it_agrees_on_how_deep_an_event_may_nest(levels: int, opens: str) -> None:
    closes = "]" if opens == "[" else "}"
    inner = f"{opens * levels}1{closes * levels}"
    agrees(json.dumps(PUBLISHED).replace("39", inner).encode())
    agrees(json.dumps(PUBLISHED).replace("2.5", inner).encode())


@pytest.mark.parametrize(
    "name", ["profile.create", "profile.update", "profile.undelete"]
)
def test_what_is_published_goes_the_short_way(name: str) -> None:
    """The control of the tests above: they are not about nothing."""
    assert agrees(json.dumps(PUBLISHED | {"name": name}).encode())


def test_what_the_rules_would_refuse_is_told_apart() -> None:
    """The other control: another revision is another event."""
    texts = [json.dumps(PUBLISHED | {"revision": n}).encode() for n in (1, 2)]
    one, other = map(plain_event, texts)
    assert isinstance(one, ProfileEvent)
    assert one != other
