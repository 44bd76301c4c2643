"""Hypothesis strategies for the events of profiles and how they arrive (SPEC 1, 2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = Any
Envelope = dict[str, Any]
Batches = list[list[Envelope]]

CREATE = "profile.create"
UPDATE = "profile.update"
DELETE = "profile.delete"
UNDELETE = "profile.undelete"
DEVICES = "profile.devicesUpdated"
CHANGES = [UPDATE, UPDATE, UPDATE, DELETE, UNDELETE]
FLAVOURS = [
    [CREATE, *CHANGES, DEVICES],  # the usual
    [CREATE, *CHANGES, *CHANGES, DEVICES, DEVICES],  # long lives
    [CREATE, DELETE, UNDELETE, DEVICES],  # many lives
    [*CHANGES, DEVICES],  # the create is missing
    [CREATE, UPDATE, DEVICES, DEVICES, DEVICES],
    [DEVICES],  # a profile known by its devices only
]

BASE = datetime(2017, 5, 31, 15, 26, 58, 199000, tzinfo=UTC)
SKEW = timedelta(seconds=5)
MICRO = timedelta(microseconds=1)
STEPS = [
    timedelta(0),
    timedelta(seconds=1),
    timedelta(seconds=60),
    timedelta(seconds=-1),
    timedelta(milliseconds=1),
    SKEW,
    -SKEW,
    SKEW + MICRO,
    -SKEW - MICRO,
    SKEW - MICRO,
    MICRO - SKEW,
    MICRO,
    -MICRO,
    timedelta(hours=-1),
    timedelta(days=1),
]
ZONES = [0, 0, 0, 60, 120, -330, 345, 840, -720]
MAX_REVISION = 2**63 - 1

SPACES = [
    "fe11e8af-5fc3-40d4-a38c-034535c0a385",
    "c124cf6e-4352-4b26-a71a-c3032bea7a01",
]
PROFILE_IDS = [
    "joe@example.com",
    "Joe@example.com",
    " joe ",
    "a/b?c#d%2Fe+f&g",
    "\u00e9\U0001f600",
    "e\u0301",
    "x" * 1024,
    "..",
]
EVENT_IDS = [
    *(f"{n:08x}-5fc3-40d4-a38c-034535c0a385" for n in range(24)),
    *(f"{n}" for n in range(12)),
    *("E1", "e1", "e 1", "\u00e9", "e\u0301", "\U0001f600", "\uffee", "y" * 128),
]
KEYS = [
    *("name", "email", "tags", "facebook", "a/b", "m~n", "~1", "a", "b"),
    *("", "\u00e9", "\uffee", "\U0001f600", "nul\u0000", "status"),
]
WORDS = ["", "Joe", "joe", "1", "null", "nul\u0000", "\u00e9", "e\u0301", "\U0001f600"]
NUMBERS = [0, 1, 1.0, 0.0, -0.0, -1, 0.1, 1e-7, 1e22, 10**22, 2**53 + 1, 10**299 + 7]
LEAVES = [None, None, None, True, False, 1, 0, *NUMBERS, *WORDS]
ETAGS = ['"1c-FQbvdiKOAWc7ELR9RkHnLLjOFA0"', '"1a-XK1W/x="', "", "\u00e9"]
ACCOUNTS = [1234, 1234, 123, 0, 2**53 + 1]


def objects(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[dict[str, Json]]:
    """Draw small objects whose keys collide (SPEC 5)."""
    return st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)


# values that are easily taken for one another
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: objects(inner) | st.lists(inner, max_size=3),
    max_leaves=6,
)


def as_time(moment: datetime, minutes: int, digits: int) -> str:
    """Write an instant in a zone, with a fraction of so many digits (SPEC 1)."""
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    fraction = f"{local.microsecond:06d}999"[:digits]
    text = f"{local:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "")
    if minutes == 0:
        return text + "Z"
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    return f"{text}{sign}{size // 60:02d}:{size % 60:02d}"


@st.composite
def time_texts(draw: st.DrawFn, moment: datetime) -> str:
    """Draw one of the ways to write an instant to the microsecond (SPEC 1)."""
    digits = [6, 6, 9]
    if moment.microsecond % 1000 == 0:
        digits = [3, 3, 3, *digits]
    if moment.microsecond == 0:
        digits = [0, *digits]
    return as_time(
        moment, draw(st.sampled_from(ZONES)), draw(st.sampled_from(sorted(digits)))
    )


@st.composite
def device_maps(draw: st.DrawFn) -> dict[str, Json]:
    """Draw device classes with counts, extra members sometimes (SPEC 2)."""
    counts = st.sampled_from([0, 0, 1, 1, 2, 2**70])
    names = st.sampled_from(["web", "mobile", "a/b~"])
    found: dict[str, Json] = {}
    for name in draw(st.lists(names, max_size=3, unique=True)):
        extra = {"os": draw(VALUES)} if draw(st.booleans()) else {}
        found[name] = {"count": draw(counts), "pushEnabled": draw(counts), **extra}
    return found


@st.composite
def payloads(draw: st.DrawFn, name: str, moment: datetime) -> dict[str, Json]:
    """Draw a valid payload for an event name, without the profile id (SPEC 2)."""
    if name in (CREATE, UPDATE):
        return draw(objects(VALUES))
    found: dict[str, Json] = {}
    if name == DEVICES:
        found["devices"] = draw(device_maps())
    if name == DELETE and draw(st.booleans()):
        date = moment - draw(st.sampled_from([timedelta(0), timedelta(seconds=1)]))
        found["date"] = draw(time_texts(date))
    if name == DELETE and draw(st.booleans()):
        found["by"] = draw(st.sampled_from(["access:91c59b6a", "", "\u00e9"]))
    if draw(st.integers(0, 3)) == 0:
        found["profile"] = draw(VALUES)
    return found


@dataclass
class Clock:
    """What the source has told so far, to tell nearly the same again (SPEC 4)."""

    anchors: list[datetime] = field(default_factory=lambda: [BASE])
    last: datetime = BASE
    counters: dict[bool, int] = field(default_factory=lambda: {True: -1, False: -1})


def next_moment(draw: st.DrawFn, clock: Clock, name: str) -> datetime:
    """Draw an instant on, just beside or far from earlier ones (SPEC 4)."""
    orderly = draw(st.booleans())
    anchor = clock.last if orderly else draw(st.sampled_from(clock.anchors))
    moment = anchor + draw(st.sampled_from(STEPS[:3] if orderly else STEPS))
    clock.last = moment
    if name == CREATE:
        clock.anchors.append(moment)
    return moment


def next_revision(draw: st.DrawFn, clock: Clock, name: str) -> int:
    """Draw the next revision, or one that is lost, claimed twice or reset (SPEC 4)."""
    following = clock.counters[name == DEVICES] + 1
    wrong = [0, 1, 2, max(following - 1, 0), following + 1, following + 2, MAX_REVISION]
    usual = [0] * 4 if name == CREATE else [following] * 10
    revision = draw(st.sampled_from([*usual, following, *wrong]))
    if revision < MAX_REVISION:
        clock.counters[name == DEVICES] = revision
    return revision


@st.composite
def spaces_as_sent(draw: st.DrawFn, space: str) -> str:
    """Draw a way to write an API space id (SPEC 1)."""
    text = draw(st.sampled_from([space, space, space.replace("-", "")]))
    return draw(st.sampled_from([text, text, text.upper()]))


@st.composite
def envelopes(
    draw: st.DrawFn, head: Envelope, profile_id: str, clock: Clock
) -> Envelope:
    """Draw the next event of a profile as a valid envelope (SPEC 1, 2)."""
    name = head["name"]
    moment = next_moment(draw, clock, name)
    envelope = dict(head)
    account = draw(st.sampled_from([*ACCOUNTS, None]))
    if account is not None or draw(st.integers(0, 3)) == 0:
        envelope["accountId"] = account
    envelope["payload"] = {"id": profile_id, **draw(payloads(name, moment))}
    envelope["revision"] = next_revision(draw, clock, name)
    etag = draw(st.sampled_from([*ETAGS, None]))
    if etag is not None or draw(st.integers(0, 3)) == 0:
        envelope["etag"] = etag
    envelope["timestamp"] = draw(time_texts(moment))
    if draw(st.booleans()):
        envelope = draw(renderings(envelope))
    return envelope | ({"new": draw(VALUES)} if draw(st.integers(0, 7)) == 0 else {})


@st.composite
def names_told(draw: st.DrawFn, max_events: int) -> list[str]:
    """Draw the names of a profile's events: a few kinds of history, at most so many."""
    names = st.sampled_from(draw(st.sampled_from(FLAVOURS)))
    low, high = draw(st.sampled_from([(0, 12), (0, 12), (3, 12), (6, 12), (12, 25)]))
    low, high = min(low, max_events), min(high, max_events)
    return draw(st.lists(names, min_size=low, max_size=high))


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    space: str | None = None,
    profile_id: str | None = None,
    max_events: int = 25,
    told: list[str] | None = None,
) -> list[Envelope]:
    """Draw the events of one profile, each event id once (SPEC 1 to 5).

    `told` are their names where these are not to be drawn.
    """
    space = space or draw(st.sampled_from(SPACES))
    profile_id = profile_id or draw(st.sampled_from(PROFILE_IDS))
    if told is None:
        told = draw(names_told(max_events))
    ids = st.lists(
        st.sampled_from(EVENT_IDS),
        min_size=len(told),
        max_size=len(told),
        unique=True,
    )
    clock = Clock()
    heads = [
        {"eventId": event_id, "apiSpaceId": space, "name": name}
        for event_id, name in zip(draw(ids), told, strict=True)
    ]
    return [draw(envelopes(head, profile_id, clock)) for head in heads]


@st.composite
def feeds(draw: st.DrawFn, *, max_events: int = 12) -> list[Envelope]:
    """Draw 1 to 3 profiles of 1 or 2 API spaces, interleaved (SPEC 3)."""
    spaces = SPACES[: draw(st.integers(1, 2))]
    keys = [(space, pid) for pid in PROFILE_IDS[:3] for space in spaces]
    most = draw(st.sampled_from([1, 2, 3, 3]))
    streams: list[Iterator[Envelope]] = []
    turns: list[int] = []
    for space, profile_id in draw(st.permutations(keys))[:most]:
        events = draw(
            histories(space=space, profile_id=profile_id, max_events=max_events)
        )
        turns += [len(streams)] * len(events)
        streams.append(iter(events))
    return [next(streams[turn]) for turn in draw(st.permutations(turns))]


def moment_of(envelope: Envelope) -> datetime:
    """Return the instant of an envelope of either dialect, to the microsecond."""
    text: str = envelope.get("timestamp") or envelope["publishedOn"]
    return datetime.fromisoformat(text).astimezone(UTC)


def reordered(value: Json, order: int) -> Json:
    """Return the same JSON value, keys as they are (0), sorted (1) or reversed (-1)."""
    if isinstance(value, list):
        return [reordered(each, order) for each in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value) if order == 1 else list(value)
    keys = keys[::-1] if order == -1 else keys
    return {key: reordered(value[key], order) for key in keys}


@st.composite
def renderings(draw: st.DrawFn, envelope: Envelope, *, lossy: bool = False) -> Envelope:
    """Draw the same event written otherwise: a duplicate of it (SPEC 1, 2).

    It never changes a number's text. Only when lossy may it lack the etag or account.
    """
    payload = dict(envelope["payload"])
    profile_id = payload.setdefault("id", envelope.get("profileId"))
    etag = envelope.get("etag", envelope.get("eTag"))
    account = envelope.get("accountId")
    found: Envelope = {key: envelope[key] for key in ("eventId", "name", "revision")}
    found["apiSpaceId"] = draw(spaces_as_sent(str(envelope["apiSpaceId"])))
    when = draw(time_texts(moment_of(envelope)))
    socket = draw(st.booleans())
    if account is not None and not (lossy and draw(st.booleans())):
        found["accountId"] = draw(st.sampled_from([int(account), str(account)]))
    if etag is not None and not (lossy and draw(st.booleans())):
        found["eTag" if socket else "etag"] = etag
    found["publishedOn" if socket else "timestamp"] = when
    if socket:
        found |= {"profileId": profile_id, "context": {"createdBy": "access:91c59b6a"}}
    if socket and draw(st.booleans()):
        del payload["id"]
    order = draw(st.sampled_from([0, 1, -1]))
    again: Envelope = reordered({**found, "payload": payload}, order)
    return again


@st.composite
def deliveries_of(
    draw: st.DrawFn, events: list[Envelope], *, lossy: bool = False
) -> Batches:
    """Draw how events may arrive: in any order, repeated, in batches (SPEC 1, 4)."""
    sent: list[Envelope] = []
    for event in events:
        sent.append(event)
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            again = renderings(event, lossy=lossy)
            sent.append(draw(again) if draw(st.booleans()) else event)
    batches: Batches = [[]]
    for event in draw(st.permutations(sent)):
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(event)
    return [batch for batch in batches if batch]


def as_json(
    envelope: Json,
    *,
    separators: tuple[str, str] | None = None,
    indent: int | None = None,
) -> bytes:
    """Write an envelope, or a batch of them, as a sender might (SPEC 1)."""
    text = json.dumps(
        envelope,
        ensure_ascii=False,
        allow_nan=False,
        separators=separators,
        indent=indent,
    )
    return text.encode()
