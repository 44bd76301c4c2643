"""Whole streams folded from the log's columns: what read models are made by.

The same answers as `Standing.of` and `spans_of`, for millions of events: an event is a
plain tuple here, ordered as tuples are; its text is decoded once, and only where the
answer needs it. That both ways agree is proved by property, and by `check` on a store.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec.structs import replace

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.json_values import sort_members
from profilestore.domain.merge_patch import merge_patch
from profilestore.domain.source_order import CLOCK_SKEW

from .completeness import gaps_and_clashes
from .condition import Condition, Push
from .spans import Span
from .standing import Standing
from .state import Status
from .stream_row import Kind, Row, told


class Folded(NamedTuple):
    """How a profile stands, and the conditions it went through in valid time."""

    standing: Standing
    spans: list[Span]


def fold_stream(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    """Fold all events of one profile, in any order; they are sorted in place.

    Raise UnreadableEventError for what is no event of a profile.
    """
    for row in rows:
        if row[1] == _FOREIGN:
            raise UnreadableEventError(row[6], "it is no event of a profile")
    rows.sort()
    lives = _lives(rows)
    spans: list[Span] = []
    for life in lives:
        _walk(life, spans)
    life = lives[-1]
    lifecycle, devices = _apart(life.others)
    if life.create:
        lifecycle.insert(0, life.create)
    # The devices last: their account id counts only if no other event has one.
    begun = _begun(life, until=rows[-1][0])
    standing = _with_lifecycle(begun, profile_id, lifecycle, updates)
    return Folded(_with_devices(standing, devices), spans)


def extend_fold(
    standing: Standing,
    span: Span,
    profile_id: str,
    rows: list[Row],
    updates: UpdatePolicy,
) -> Folded | None:
    """Put later events on top of how a profile stands; they are sorted in place.

    `span` is its last; the spans of the answer begin with it. None where the events do
    not simply come after in source order: then the whole stream is to be folded.
    """
    rows.sort()
    if rows[0][0] <= standing.until or any(r[1] in _NOT_AFTER for r in rows):
        return None
    spans = [span]
    for time, at_once in groupby(rows, itemgetter(0)):
        lifecycle, devices = _apart(at_once)
        if lifecycle and lifecycle[0][2] <= standing.largest:
            return None
        standing = _with_devices(replace(standing, until=time), devices)
        standing = _with_lifecycle(standing, profile_id, lifecycle, updates)
        _add(spans, time, standing.condition)
    return Folded(standing, spans)


_CREATE, _UPDATE, _DELETE, _UNDELETE, _DEVICES, _FOREIGN = map(int, Kind)
_SKEW = CLOCK_SKEW // CLOCK_SKEW.resolution
_NOT_AFTER = (_CREATE, _FOREIGN)
_by_revision = itemgetter(2, 0, 3)


def _apart(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Take lifecycle events, by revision, and device events, by time, apart."""
    lifecycle: list[Row] = []
    devices: list[Row] = []
    for row in rows:
        (devices if row[1] == _DEVICES else lifecycle).append(row)
    lifecycle.sort(key=_by_revision)
    return lifecycle, devices


class _Life(NamedTuple):
    number: int
    create: Row | None
    others: list[Row]
    """In order of time."""


def _lives(rows: list[Row]) -> list[_Life]:
    """Divide events in order of time into lives (SPEC section 4)."""
    creates = [index for index, row in enumerate(rows) if row[1] == _CREATE]
    lives = []
    if not creates or creates[0]:
        lives.append(_Life(0, None, rows[: creates[0] if creates else None]))
    for number, (begin, end) in enumerate(pairwise([*creates, len(rows)]), 1):
        lives.append(_Life(number, rows[begin], rows[begin + 1 : end]))
    if creates and creates[0]:
        lives[1].others[:0] = _skewed(rows, creates[0])
    return lives


def _skewed(rows: list[Row], first: int) -> list[Row]:
    """Find what is before the first create by differing clocks only."""
    create = rows[first]
    near = bisect_left(rows, create[0] - _SKEW, 0, first, key=itemgetter(0))
    return [row for row in rows[near:first] if row[1] == _DEVICES or create[2] < row[2]]


def _walk(life: _Life, spans: list[Span]) -> None:
    """Add the spans of a life, event by event in order of time.

    What came before in time may come after in source order: of the deletes and
    undeletes so far that of the largest revision decides, and the last device event.
    """
    status, push, complete = Status.UNKNOWN, Push.UNKNOWN, False
    start, revisions = 0, None
    if life.create:
        status, complete = Status.ACTIVE, True
        start, revisions = life.create[0], _Revisions(life.create[2])
        _add(spans, start, Condition(status, push, complete))
    decided: tuple[Any, ...] = ()
    before: tuple[Any, ...] = (status, push, complete) if life.create else ()
    for occurred_at, kind, revision, event_id, text, *_ in life.others:
        if kind == _DEVICES:
            push = Push.of(told(text).payload["devices"])
        else:
            if kind == _UPDATE:
                status = Status.ACTIVE if status is Status.UNKNOWN else status
            elif (revision, occurred_at, event_id) > decided:
                decided = (revision, occurred_at, event_id)
                status = Status.DELETED if kind == _DELETE else Status.ACTIVE
            if revisions:
                complete = revisions.claim(revision)
        if (status, push, complete) != before:
            before = (status, push, complete)
            since = max(occurred_at, start) if life.create else occurred_at
            _add(spans, since, Condition(status, push, complete))


class _Revisions:
    """The revisions that the lifecycle events of a life claimed so far."""

    def __init__(self, first: int) -> None:
        self._low = self._high = first
        self._seen: set[int] | None = None  # while none is missing, the ends say it all
        self._clash = False

    def claim(self, revision: int) -> bool:
        """Claim one more; say whether none is missing and none is claimed twice."""
        if self._seen is None:
            if revision == self._high + 1:
                self._high = revision
                return True
            self._seen = set(range(self._low, self._high + 1))
        self._clash = self._clash or revision in self._seen
        self._seen.add(revision)
        self._low, self._high = min(self._low, revision), max(self._high, revision)
        return not self._clash and self._high - self._low + 1 == len(self._seen)


def _add(spans: list[Span], since: int, condition: Condition) -> None:
    """Let a condition begin; of several at one time the last is what was true then."""
    if spans and spans[-1].since == since:
        spans.pop()
    if not spans or spans[-1].code != condition.code:
        spans.append(Span(since, condition.code))


def _begun(life: _Life, until: int) -> Standing:
    """Say how a profile stands when a life has only just begun."""
    create = life.create
    return Standing(
        life=life.number,
        status=Status.UNKNOWN,
        data=None,
        devices=None,
        created_at=create and create[0],
        account_id=None,
        account_of_devices=True,
        revision=None,
        etag=None,
        event_id=None,
        updated_at=None,
        create_seen=create is not None,
        missing=[],
        clashes=[],
        until=until,
        largest=-1,
    )


def _with_lifecycle(
    standing: Standing, profile_id: str, rows: list[Row], updates: UpdatePolicy
) -> Standing:
    """Put lifecycle events on top (SPEC section 5); they are in source order."""
    if not rows:
        return standing
    status, data = standing.status, standing.data
    account_id, of_devices = standing.account_id, standing.account_of_devices
    for row in rows:
        kind, said = row[1], told(row[4])
        if said.accountId is not None:
            account_id, of_devices = int(said.accountId), False
        if kind == _UPDATE:
            merging = updates is UpdatePolicy.MERGE
            data = merge_patch(data, said.payload) if merging else said.payload
            status = Status.ACTIVE if status is Status.UNKNOWN else status
        elif kind == _CREATE:
            data, status = said.payload, Status.ACTIVE
        else:
            status = Status.DELETED if kind == _DELETE else Status.ACTIVE
    before = [] if standing.largest < 0 else [(standing.largest, "")]
    claims = [(row[2], row[3].decode()) for row in rows]
    missing, clashes = gaps_and_clashes([*before, *claims])
    return replace(
        standing,
        status=status,
        data=None if data is None else sort_members(data | {"id": profile_id}),
        account_id=account_id,
        account_of_devices=of_devices,
        revision=rows[-1][2],
        etag=said.entity_tag,
        event_id=claims[-1][1],
        updated_at=rows[-1][0],
        missing=[*standing.missing, *missing],
        clashes=[*standing.clashes, *clashes],
        largest=max(row[2] for row in rows),
    )


def _with_devices(standing: Standing, rows: list[Row]) -> Standing:
    """Put device events on top; they are in order of time."""
    if not rows:
        return standing
    account_id = standing.account_id
    if standing.account_of_devices:
        ids = (told(row[4]).accountId for row in reversed(rows))
        last = next((id_ for id_ in ids if id_ is not None), None)
        account_id = account_id if last is None else int(last)
    devices = sort_members(told(rows[-1][4]).payload["devices"])
    return replace(standing, devices=devices, account_id=account_id)
