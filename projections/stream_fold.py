"""Whole streams folded from the log's columns: what read models are made by.

The same answers as `Standing.of` and `spans_of`, for millions of events: an event is a
plain tuple here, ordered as tuples are; its text is decoded once, and only where the
answer needs it. That both ways agree is proved by property, and by `check` on a store.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec.structs import replace

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.json_values import sort_members
from profilestore.domain.merge_patch import merge_all

from .completeness import Clashes, Ranges, gaps_and_clashes
from .spans import Span
from .standing import Standing
from .state import Status
from .stream_lives import StreamLife, by_revision, follow, lives_of_rows
from .stream_row import Kind, Row, read, read_all, read_entity_tag
from .stream_spans import add_spans, begin_span


class Folded(NamedTuple):
    """How a profile stands, and the conditions it went through in valid time."""

    standing: Standing
    spans: list[Span]


def fold_stream(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    """Fold all events of one profile, in any order; they are sorted in place.

    Raise UnreadableEventError for what is no event of a profile, ValueError for none.
    """
    if _FOREIGN in map(_kind, rows):
        raise UnreadableEventError(None, "one is no event of a profile")
    rows.sort()
    return fold_plainly(profile_id, rows, updates) or _fold(profile_id, rows, updates)


def fold_plainly(
    profile_id: str, rows: list[Row], updates: UpdatePolicy
) -> Folded | None:
    """Fold a create and the updates that follow it without a gap; None for all else.

    They are in order of time. Most profiles are of such events only, or nearly: where
    there is nothing to find out, it need not be looked for.
    """
    times, kinds, revisions, event_ids, texts, *_ = zip(*rows, strict=True)
    if kinds != (_CREATE, *[_UPDATE] * (len(rows) - 1)) or not follow(revisions):
        return None
    data, account_id = _read_through(None, kinds, texts, updates)
    standing = Standing(
        life=1,
        status=Status.ACTIVE,
        data=None if data is None else data | {"id": profile_id},
        devices=None,
        created_at=times[0],
        account_id=account_id,
        account_of_devices=account_id is None,
        revision=revisions[-1],
        etag=read_entity_tag(texts[-1]),
        event_id=event_ids[-1].decode(),
        updated_at=times[-1],
        create_seen=True,
        missing=[],
        clashes=[],
        until=times[-1],
        largest=revisions[-1],
    )
    return Folded(standing, [Span(times[0], standing.condition.code)])


def _fold(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    lives = lives_of_rows(rows)
    spans: list[Span] = []
    for life in lives:
        add_spans(spans, life)
    life = lives[-1]
    # The devices last: their account id counts only if no other event has one.
    begun = _begun(life, until=rows[-1][0])
    standing = _with_lifecycle(begun, profile_id, life.lifecycle, updates)
    return Folded(_with_devices(standing, life.devices), spans)


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
    What the standing holds is changed, also then.
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
        begin_span(spans, time, standing.condition)
    return Folded(standing, spans)


_CREATE, _UPDATE, _DELETE, _, _DEVICES, _FOREIGN = map(int, Kind)
_NOT_AFTER = (_CREATE, _FOREIGN)
AT_ONCE = 100
"""Texts of one profile that are decoded at once."""
_kind = itemgetter(1)


def _apart(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Take lifecycle events, by revision, and device events, by time, apart."""
    lifecycle: list[Row] = []
    devices: list[Row] = []
    for row in rows:
        (devices if row[1] == _DEVICES else lifecycle).append(row)
    lifecycle.sort(key=by_revision)
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
) -> Standing:
    """Put lifecycle events on top (SPEC section 5); they are in source order."""
    if not rows:
        return standing
    kinds = [row[1] for row in rows]
    texts = [row[4] for row in rows]
    data, account_id = _read_through(standing.data, kinds, texts, updates)
    missing, clashes = _gaps_and_clashes(standing.largest, rows)
    return replace(
        standing,
        status=_status(standing.status, kinds),
        data=None if data is None else data | {"id": profile_id},
        account_id=standing.account_id if account_id is None else account_id,
        account_of_devices=standing.account_of_devices and account_id is None,
        revision=rows[-1][2],
        etag=read_entity_tag(texts[-1]),
        event_id=rows[-1][3].decode(),
        updated_at=rows[-1][0],
        missing=[*standing.missing, *missing],
        clashes=[*standing.clashes, *clashes],
        largest=max(standing.largest, *[row[2] for row in rows]),
    )


def _read_through(
    data: dict[str, Any] | None,
    kinds: Sequence[int],
    texts: Sequence[bytes],
    updates: UpdatePolicy,
) -> tuple[dict[str, Any] | None, int | None]:
    """Read lifecycle events in source order: what becomes of the data, which account.

    Of a long profile not all texts are decoded at once.
    """
    account_id = None
    for start in range(0, len(texts), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        all_said = list(zip(kinds[some], read_all(texts[some]), strict=True))
        for _, said in reversed(all_said):
            if said.accountId is not None:
                account_id = int(said.accountId)
                break
        if kinds[start] == _CREATE:
            data = all_said[0][1].payload
        payloads = [said.payload for kind, said in all_said if kind == _UPDATE]
        if payloads and updates is UpdatePolicy.REPLACE:
            data = payloads[-1]
        elif payloads:
            data = {} if data is None else data
            merge_all(data, payloads)
    return data, account_id


def _status(before: Status, kinds: list[int]) -> Status:
    """Say the status after lifecycle events: the last delete or undelete decides."""
    if turns := [kind for kind in kinds if kind > _UPDATE]:
        return Status.DELETED if turns[-1] == _DELETE else Status.ACTIVE
    return Status.ACTIVE if before is Status.UNKNOWN else before


def _gaps_and_clashes(before: int, rows: list[Row]) -> tuple[Ranges, Clashes]:
    """Find what is missing after the largest revision before, -1 for none."""
    if follow([row[2] for row in rows], before if before >= 0 else None):
        return [], []  # as nearly always
    claims = [(row[2], row[3].decode()) for row in rows]
    return gaps_and_clashes([(before, ""), *claims] if before >= 0 else claims)


def _with_devices(standing: Standing, rows: list[Row]) -> Standing:
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
