"""Read models compared with the folds of the log, profile by profile."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from secrets import token_bytes
from typing import Any

from sqlalchemy import Connection, func, select

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import (
    format_timestamp,
    from_microseconds,
    parse_timestamp,
    to_microseconds,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.streams import COLUMNS, recorded
from profilestore.infrastructure.log.tables import (
    events,
    read_profiles,
    read_spans,
    streams,
)
from profilestore.projections.changes import Change, changes_between
from profilestore.projections.condition import Condition
from profilestore.projections.listed import ListedProfile, listed_from, listed_profile
from profilestore.projections.spans import condition_at
from profilestore.projections.standing import Standing

from .generation import Generation

CHUNK = 100
"""Profiles that are compared in one transaction."""
TIMES = 200
"""Times of a profile's past that are compared, at most; of more, so many are chosen."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """What a read model has of a profile, and what the log says instead."""

    profile: ProfileKey
    changes: Sequence[Change]
    """From what is kept to what is right: paths into `listed`, the entry of a list,
    `filter`, what filters go by, and `past`, the same by time."""
    error: str | None = None
    """Why its fold fails, if it does: then it is in no list and no count."""


Group = tuple[int, list[Difference]]
"""How many profiles were compared, and in what they differ."""


def compare(database: Database, generation: Generation) -> Iterator[Group]:
    """Compare all profiles, a group of them at a time."""
    after, end = b"", b"\xff" * 17  # larger than any stream id
    while after != end:
        some = _after(generation, after).limit(CHUNK).subquery()
        with database.read() as connection:
            last = connection.scalar(select(func.max(some.c.stream_id)))
            yield _differences(connection, generation, after, last or end)
        after = last or end


def compare_some(
    database: Database, generation: Generation, sample: int
) -> Iterator[Group]:
    """Compare so many profiles, chosen by chance."""
    for _ in range(sample):
        after = token_bytes(16)
        with database.read() as connection:
            one = connection.scalar(_after(generation, after).limit(1))
            if one is None:
                after, one = b"", connection.scalar(_after(generation, b"").limit(1))
            yield _differences(connection, generation, after, one or b"")


def _after(generation: Generation, stream_id: bytes) -> Any:
    return (
        select(streams.c.stream_id)
        .where(streams.c.partition == generation.partition)
        .where(streams.c.stream_id > stream_id)
        .order_by(streams.c.stream_id)
    )


def _differences(
    connection: Connection, generation: Generation, after: bytes, until: bytes
) -> Group:
    """Compare the profiles whose streams are in a range of ids, its end inclusive."""
    now = generation.refreshed(connection)
    if now is None:
        return 0, []  # another one is read in its place

    def by_stream(query: Any, ids: Any) -> dict[bytes, list[Any]]:
        rows = defaultdict(list)
        for row in connection.execute(query.where(ids > after, ids <= until)):
            rows[row.stream_id].append(row)
        return rows

    of_log = streams.c.partition == now.partition, events.c.partition == now.partition
    names = by_stream(select(streams).where(of_log[0]), streams.c.stream_id)
    log = by_stream(
        select(events.c.stream_id, *COLUMNS).where(of_log[1]), events.c.stream_id
    )
    kept, spans = (
        by_stream(select(table).where(*now.rows_of(table)), table.c.stream_id)
        for table in (read_profiles, read_spans)
    )
    found = []
    for stream_id in sorted(names.keys() | kept.keys() | spans.keys()):
        row = next(iter(kept[stream_id]), None)
        spans_ = sorted(spans[stream_id], key=attrgetter("since"))
        named = next((n for n in names[stream_id] if n.api_space_id), None)
        position = max(now.position, row.position if row else 0)
        told = [event for event in log[stream_id] if event.position <= position]
        if named and not told and not row and not spans_:
            continue  # it is new
        whose = named or row or next(iter(spans_), None)
        if whose is None:
            continue  # a stream of the library's callers, of no profile
        profile_id = getattr(whose, "profile_id", f"of stream {stream_id.hex()}")
        key = ProfileKey(whose.api_space_id, profile_id)
        right, error = _right(key, now.updates, told if named else ())
        had = _kept(key, now.updates, row, spans_, right.get("past", {}))
        if (changes := changes_between(had, right)) or error:
            found.append(Difference(key, changes, error))
    return len(names), found


def _right(
    key: ProfileKey, updates: UpdatePolicy, rows: Sequence[Any]
) -> tuple[Document, str | None]:
    """Fold the events of a profile as an answer about it alone is folded."""
    try:
        told = [recorded(key, *row[1:]) for row in rows]
        profile = Profile.project(None, told)
        if profile is None:
            return {}, None
        profile = profile.at(Cut(updates=updates))
        past = {time: _told(condition_at(profile, time)) for time in _times(profile)}
        listed = listed_profile(profile)
        now = _told(Standing.of(profile).condition)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one profile
        return {}, f"{type(error).__name__}: {error}"
    return _document(listed, now, past), None


def _kept(
    key: ProfileKey,
    updates: UpdatePolicy,
    row: Any,
    spans: Sequence[Any],
    past: Mapping[str, object],
) -> Document:
    """Give what is kept, with the past at given times and at all that it names."""
    starts = [span.since for span in spans]
    times = {to_microseconds(parse_timestamp(time)) for time in past} | {*starts}
    conditions: dict[datetime, Document] = {}
    try:
        for time in times:
            at = bisect_right(starts, time) - 1
            if at >= 0 and spans[at].until > time:
                code = spans[at].condition
                conditions[from_microseconds(time)] = _told(Condition.of(code))
        if row is None or row.body is None:
            return {"past": _by_time(conditions)} if conditions else {}
        standing = Standing.from_json(row.body)
        listed = listed_from(key, Cut(updates=updates), standing)
        return _document(listed, _told(Condition.of(row.condition)), conditions)
    except Exception as error:  # noqa: BLE001 - whatever was done to it
        return {"unreadable": f"{type(error).__name__}: {error}"}


def _document(
    listed: ListedProfile, now: Document, past: Mapping[datetime, Document]
) -> Document:
    return {"listed": listed.document(), "filter": now, "past": _by_time(past)}


def _by_time(past: Mapping[datetime, Document]) -> Document:
    return {format_timestamp(time): told for time, told in past.items()}


def _told(condition: Condition) -> Document:
    reason = condition.unreachable
    return {
        "status": condition.status.value,
        "pushCapable": condition.push_capable,
        "unreachable": reason and reason.value,
        "complete": condition.complete,
    }


def _times(profile: Profile) -> list[datetime]:
    """Choose the times of a profile's past that are compared."""
    times = sorted({recorded.event.occurred_at for recorded in profile.events})
    return times if len(times) <= TIMES else times[:: len(times) // TIMES] + times[-1:]
