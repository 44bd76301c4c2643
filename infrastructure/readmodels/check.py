"""Read models compared with the folds of the log, profile by profile."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

from sqlalchemy import Connection, select

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.errors import ProfileNotFoundError
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import (
    format_timestamp,
    from_microseconds,
    to_microseconds,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.streams import COLUMNS, recorded
from profilestore.infrastructure.log.tables import (
    FOREVER,
    events,
    read_profiles,
    read_spans,
    streams,
)
from profilestore.projections.changes import Change, changes_between
from profilestore.projections.condition import Condition
from profilestore.projections.listed import listed_from, listed_profile
from profilestore.projections.spans import condition_at
from profilestore.projections.standing import Standing

from .generation import Generation, Phase

CHUNK = 100
"""Profiles that are compared in one transaction."""
TIMES = 200
"""Times of a profile's past that are compared, at most; of more, so many are chosen."""
EARLIEST = to_microseconds(datetime.min.replace(tzinfo=UTC))
LATEST = to_microseconds(datetime.max.replace(tzinfo=UTC))
"""The ends of all time: whoever corrupted a row need not have kept to them."""

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
        with database.read() as connection:
            some = connection.scalars(_after(generation, after).limit(CHUNK)).all()
            until = some[-1] if some else end
            group = _differences(connection, generation, after, until)
        yield group
        after = until


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
            group = _differences(connection, generation, after, one or b"")
        yield group


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
    now = Generation.find(
        connection, generation.partition, generation.updates, Phase.LIVE
    )  # a rebuild may have put another in its place meanwhile
    if now is None:
        return 0, []  # nothing is read that could be wrong

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
        spans_ = spans[stream_id]
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
        told = told if named else []
        times = _times(told, spans_)
        right, error = _right(key, now.updates, told, times)
        had = _kept(now.updates, row, spans_, times)
        if (changes := changes_between(had, right)) or error:
            found.append(Difference(key, changes, error))
    return len(names), found


def _times(log: Sequence[Any], spans: Sequence[Any]) -> list[datetime]:
    """Choose the times of a profile's past that are compared, in any order."""
    happened = {e.occurred_at for e in log if e.occurred_at is not None}
    ends = {span.since for span in spans} | {span.until for span in spans}
    real = {max(EARLIEST, min(time, LATEST)) for time in {*happened, *ends} - {FOREVER}}
    every = sorted(real)
    if len(every) > TIMES:
        every = every[:: len(every) // TIMES] + every[-1:]
    return list(map(from_microseconds, every))


def _right(
    key: ProfileKey,
    updates: UpdatePolicy,
    rows: Sequence[Any],
    times: Iterable[datetime],
) -> tuple[Document, str | None]:
    """Fold the events of a profile as an answer about it alone is folded."""
    try:
        told = [recorded(key, *row[1:]) for row in rows]
        profile = Profile.project(None, told)
        if profile is None:
            return {}, None
        profile = profile.at(Cut(updates=updates))
        conditions = {}
        for time in times:
            with suppress(ProfileNotFoundError):
                conditions[time] = condition_at(profile, time)
        listed = listed_profile(profile)
        now = Standing.of(profile).condition
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one profile
        return {}, f"{type(error).__name__}: {error}"
    return {"listed": listed.document(), "filter": _told(now)} | _past(conditions), None


def _kept(
    updates: UpdatePolicy,
    row: Any,
    spans: Sequence[Any],
    times: Iterable[datetime],
) -> Document:
    """Give what is kept."""
    try:
        conditions: dict[datetime, Condition] = {}
        for time in times:
            at = to_microseconds(time)
            codes = [s.condition for s in spans if s.since <= at < s.until]
            if len(codes) > 1:
                return {"ambiguous": format_timestamp(time)}
            for code in codes:
                conditions[time] = Condition.of(code)
        if row is None or row.body is None:
            return _past(conditions)
        key = ProfileKey(row.api_space_id, row.profile_id)
        listed = listed_from(key, Cut(updates=updates), Standing.from_json(row.body))
        now = Condition.of(row.condition)
    except Exception as error:  # noqa: BLE001 - whatever was done to it
        return {"unreadable": f"{type(error).__name__}: {error}"}
    return {"listed": listed.document(), "filter": _told(now)} | _past(conditions)


def _past(conditions: Mapping[datetime, Condition]) -> Document:
    past = {format_timestamp(time): _told(told) for time, told in conditions.items()}
    return {"past": past} if past else {}


def _told(condition: Condition) -> Document:
    reason = condition.unreachable
    return {
        "status": condition.status.value,
        "pushCapable": condition.push_capable,
        "unreachable": reason and reason.value,
        "complete": condition.complete,
    }
