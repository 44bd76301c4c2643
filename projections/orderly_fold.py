"""Events put on top of how a profile stands, where they come after all it is made of.

So nearly all events do, and all of nearly all profiles: then none belongs before
another, all are dealt with at once, and few change the condition of the profile.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.json_values import sort_members
from profilestore.domain.merge_patch import merge_all

from .completeness import Ranges
from .condition import Push, code_of
from .spans import Span
from .standing import Standing
from .state import Status
from .stream_lives import apart, follow
from .stream_row import Kind, Row, Said, read_all, read_tags
from .stream_spans import begin_span

NOTHING = Standing(
    life=0,
    status=Status.UNKNOWN,
    data=None,
    devices=None,
    created_at=None,
    account_id=None,
    account_of_devices=True,
    revision=None,
    etag=None,
    event_id=None,
    updated_at=None,
    create_seen=False,
    missing=[],
    clashes=[],
    until=-(2**63),
    largest=-1,
)
"""How a profile stands that has no events."""

AT_ONCE = 100
"""Texts of one profile that are decoded at once."""

_CREATE, _UPDATE, _DELETE, _, _DEVICES, _FOREIGN = map(int, Kind)
_UNKNOWN, _ACTIVE, _DELETED = Status


class Folded(NamedTuple):
    """How a profile stands, and the conditions it went through in valid time."""

    standing: Standing
    spans: list[Span]


def fold_orderly(
    base: Standing,
    spans: list[Span],
    profile_id: str,
    rows: list[Row],
    updates: UpdatePolicy,
) -> Folded | None:
    """Put events, in order of time, on top of how a profile stands, or on NOTHING.

    `spans` are its last, and gone on with. None where the events do not simply come
    after in source order: then the whole stream is to be folded. What `base` holds and
    `spans` are changed, also then.
    """
    lifecycle, devices = apart(rows)
    kinds = [row[1] for row in lifecycle]
    begins = base is NOTHING and rows[0][1] == _CREATE
    if _FOREIGN in kinds or kinds.count(_CREATE) != begins or rows[0][0] <= base.until:
        return None
    if any(a[:3] == b[:3] for a, b in pairwise(devices)):
        return None  # their ids decide
    revisions = [row[2] for row in lifecycle]
    missing: Ranges = []
    if not follow(revisions, base.largest):
        known = [base.largest, *revisions] if base.largest >= 0 else revisions
        if any(a >= b for a, b in pairwise(known)):
            return None
        missing = [(a + 1, b - 1) for a, b in pairwise(known) if b - a > 1]
    told = read_all([row[3] for row in devices]) if devices else []
    _add_spans(spans, base, rows, told, missing)
    standing = replace(
        put_on_top(base, profile_id, lifecycle, told, updates),
        until=rows[-1][0],
        missing=base.missing + missing,
        largest=revisions[-1] if revisions else base.largest,
    )
    return Folded(standing, spans)


def _add_spans(
    spans: list[Span],
    base: Standing,
    rows: Sequence[Row],
    devices: Sequence[Said],
    missing: Ranges,
) -> None:
    """Add the spans of events, each of which comes after those before it."""
    status, push, complete = base.status, Push.of(base.devices), base.complete
    if not missing and (status is not _UNKNOWN or rows[0][1] == _CREATE):
        rows = [row for row in rows if row[1] != _UPDATE]  # these change nothing
    behind_gaps = {last + 1 for _, last in missing}
    told = iter(devices)
    for row in rows:
        kind = row[1]
        if kind == _DEVICES:
            push = Push.of(next(told).payload["devices"])
        elif kind == _CREATE:
            status, complete = _ACTIVE, True
        else:
            if kind == _DELETE:
                status = _DELETED
            elif kind != _UPDATE or status is _UNKNOWN:
                status = _ACTIVE
            complete = complete and row[2] not in behind_gaps
        begin_span(spans, row[0], code_of(status, push, complete))


def put_on_top(
    base: Standing,
    profile_id: str,
    lifecycle: Sequence[Row],
    devices: Sequence[Said],
    updates: UpdatePolicy,
) -> Standing:
    """Put lifecycle events in source order and device events in order of time on top.

    How far one has come, what is missing and what clashes is left to the caller.
    """
    standing = _with_lifecycle(base, profile_id, lifecycle, updates)
    if not devices:
        return standing
    account_id = None
    if standing.account_of_devices:  # no other event has one
        account_id = _last_account_id(devices)
    return replace(
        standing,
        devices=sort_members(devices[-1].payload["devices"]),
        account_id=standing.account_id if account_id is None else account_id,
    )


def _with_lifecycle(
    base: Standing, profile_id: str, rows: Sequence[Row], updates: UpdatePolicy
) -> Standing:
    if not rows:
        return base
    data, account_id = base.data, None
    for start in range(0, len(rows), AT_ONCE):  # not all of a long profile are decoded
        some = rows[start : start + AT_ONCE]
        told = read_all([row[3] for row in some])
        if some[0][1] == _CREATE:
            data = told[0].payload
        payloads = [
            said.payload
            for row, said in zip(some, told, strict=True)
            if row[1] == _UPDATE
        ]
        if payloads and updates is UpdatePolicy.REPLACE:
            data = payloads[-1]
        elif payloads:
            data = {} if data is None else data
            merge_all(data, payloads)
        last = _last_account_id(told)
        account_id = account_id if last is None else last
    if data is not None:
        data["id"] = profile_id
    time, _, revision, text = rows[-1][:4]
    tags = read_tags(text)
    begins = rows[0][1] == _CREATE
    return replace(
        base,
        life=1 if begins else base.life,
        created_at=rows[0][0] if begins else base.created_at,
        create_seen=begins or base.create_seen,
        status=_status(base.status, rows),
        data=data,
        account_id=base.account_id if account_id is None else account_id,
        account_of_devices=base.account_of_devices and account_id is None,
        revision=revision,
        etag=tags.etag,
        event_id=tags.id,
        updated_at=time,
    )


def _last_account_id(told: Sequence[Said]) -> int | None:
    """Take the last account id there is: not every delivery carries one."""
    for said in reversed(told):
        if said.accountId is not None:
            return int(said.accountId)
    return None


def _status(before: Status, rows: Sequence[Row]) -> Status:
    """Say the status after lifecycle events: the last delete or undelete decides."""
    if turns := [row[1] for row in rows if row[1] > _UPDATE]:
        return _DELETED if turns[-1] == _DELETE else _ACTIVE
    return _ACTIVE if before is _UNKNOWN else before
