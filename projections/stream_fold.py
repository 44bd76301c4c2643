"""Whole streams folded from the log's columns: what read models are made by.

The same answers as `Standing.of` and `spans_of`, for millions of events: an event is a
plain tuple here, ordered as tuples are; its text is decoded once, and only where the
answer needs it. That both ways agree is proved by property, and by `check` on a store.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.json_values import sort_members
from profilestore.domain.merge_patch import merge_into, merge_patch

from .completeness import Clashes, Ranges, gaps_and_clashes
from .spans import Span
from .standing import Standing
from .state import Status
from .stream_lives import StreamLife, lives_of_rows
from .stream_row import Kind, Read, Row, read_exactly, read_quickly
from .stream_spans import add_spans, begin_span


class Folded(NamedTuple):
    """How a profile stands, and the conditions it went through in valid time."""

    standing: Standing
    spans: list[Span]


def fold_stream(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    """Fold all events of one profile, in any order; they are sorted in place.

    Raise UnreadableEventError for what is no event of a profile.
    """
    if _FOREIGN in [row[1] for row in rows]:
        raise UnreadableEventError(None, "one is no event of a profile")
    rows.sort()
    try:
        return _fold(profile_id, rows, updates, read_quickly)
    except msgspec.ValidationError:
        return _fold(profile_id, rows, updates, read_exactly)


def _fold(
    profile_id: str, rows: list[Row], updates: UpdatePolicy, read: Read
) -> Folded:
    lives = lives_of_rows(rows)
    spans: list[Span] = []
    for life in lives:
        add_spans(spans, life, read)
    life = lives[-1]
    lifecycle, devices = _apart(life.others)
    if life.create:
        lifecycle.insert(0, life.create)
    # The devices last: their account id counts only if no other event has one.
    begun = _begun(life, until=rows[-1][0])
    standing = _with_lifecycle(begun, profile_id, lifecycle, updates, read)
    return Folded(_with_devices(standing, devices, read), spans)


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
        standing = _with_devices(replace(standing, until=time), devices, read_exactly)
        standing = _with_lifecycle(
            standing, profile_id, lifecycle, updates, read_exactly
        )
        begin_span(spans, time, standing.condition)
    return Folded(standing, spans)


_CREATE, _UPDATE, _DELETE, _, _DEVICES, _FOREIGN = map(int, Kind)
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


def _begun(life: StreamLife, until: int) -> Standing:
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
    standing: Standing,
    profile_id: str,
    rows: list[Row],
    updates: UpdatePolicy,
    read: Read,
) -> Standing:
    """Put lifecycle events on top (SPEC section 5); they are in source order."""
    if not rows:
        return standing
    kinds = [row[1] for row in rows]
    data = None if standing.data is None else dict(standing.data)
    account_id = None
    merging = updates is UpdatePolicy.MERGE
    for kind, said in zip(kinds, map(read, [row[4] for row in rows]), strict=True):
        if said.accountId is not None:
            account_id = said.accountId
        if kind == _UPDATE and merging and data is not None:
            merge_into(data, said.payload)
        elif kind == _UPDATE and merging:
            data = merge_patch(None, said.payload)
        elif kind <= _UPDATE:
            data = said.payload
    largest = max([row[2] for row in rows])
    missing, clashes = _gaps_and_clashes(standing.largest, rows, largest)
    return replace(
        standing,
        status=_status(standing.status, kinds),
        data=None if data is None else data | {"id": profile_id},
        account_id=standing.account_id if account_id is None else int(account_id),
        account_of_devices=standing.account_of_devices and account_id is None,
        revision=rows[-1][2],
        etag=said.entity_tag,
        event_id=rows[-1][3].decode(),
        updated_at=rows[-1][0],
        missing=[*standing.missing, *missing],
        clashes=[*standing.clashes, *clashes],
        largest=largest,
    )


def _status(before: Status, kinds: list[int]) -> Status:
    """Say the status after lifecycle events: the last delete or undelete decides."""
    if turns := [kind for kind in kinds if kind > _UPDATE]:
        return Status.DELETED if turns[-1] == _DELETE else Status.ACTIVE
    return Status.ACTIVE if before is Status.UNKNOWN else before


def _gaps_and_clashes(
    before: int, rows: list[Row], largest: int
) -> tuple[Ranges, Clashes]:
    """Find what is missing after the largest revision before, -1 for none."""
    seen = {row[2] for row in rows}
    smallest = min(seen) if before < 0 else before + 1
    if len(seen) == len(rows) == largest - smallest + 1:
        return [], []  # as nearly always
    claims = [(row[2], row[3].decode()) for row in rows]
    return gaps_and_clashes([(before, ""), *claims] if before >= 0 else claims)


def _with_devices(standing: Standing, rows: list[Row], read: Read) -> Standing:
    """Put device events on top; they are in order of time."""
    if not rows:
        return standing
    account_id = standing.account_id
    if standing.account_of_devices:
        ids = (read(row[4]).accountId for row in reversed(rows))
        last = next((id_ for id_ in ids if id_ is not None), None)
        account_id = account_id if last is None else int(last)
    devices = sort_members(read(rows[-1][4]).payload["devices"])
    return replace(standing, devices=devices, account_id=account_id)
