"""What could not be accepted, kept whole until somebody decides."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec
from sqlalchemy import ColumnElement, Row, bindparam, insert, select, tuple_, update

from profilestore.domain.errors import QuarantineEntryNotFoundError
from profilestore.domain.identity import ProfileKey, partition_of
from profilestore.domain.json_values import write_json
from profilestore.domain.rejection import Problem, Reason, Rejection
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .bulk import present
from .database import Database
from .head import Head
from .tables import quarantine

PAGE = 100
"""Entries read at once."""


@dataclass(frozen=True, kw_only=True)
class QuarantineEntry:
    """A rejected event: why, when it first and last came, how often, and from where."""

    id: str
    rejection: Rejection
    ingress: str
    first_at: datetime
    last_at: datetime
    deliveries: int
    settlement: "Settlement | None"


class Settled(StrEnum):
    """How an entry was settled."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Settlement:
    """The fact that somebody decided on an entry."""

    settled: Settled
    at: datetime
    by: str
    why: str


def entry_id(rejection: Rejection) -> str:
    """Name an entry after what it holds, so that a redelivery is the same entry."""
    return sha256(rejection.reason.encode() + b"\0" + rejection.text).hexdigest()[:32]


def entry_partition(id_: str, profile: ProfileKey | None, partitions: int) -> int:
    """Say where an entry lives: with the profile it names, if it names one."""
    return partition_of(profile, partitions) if profile else int(id_, 16) % partitions


class Quarantine:
    """The quarantine of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def write(head: Head, rejections: Sequence[tuple[Rejection, str]]) -> None:
        """Keep rejections, each with its ingress; what comes again is counted."""
        named = [(entry_id(rejection), rejection, by) for rejection, by in rejections]
        times = Counter(id_ for id_, _, _ in named)
        known = present(head.connection, quarantine.c.id, times, head.partition)
        again = [
            {"p": head.partition, "of": id_, "more": times[id_], "at": head.recorded_at}
            for id_ in known
        ]
        if again:
            head.connection.execute(_AGAIN, again)
            Quarantine._keep_purged(head, {id_: of.text for id_, of, _ in named}, known)
        fresh = {
            id_: _row(head, id_, rejection, ingress, times[id_])
            for id_, rejection, ingress in reversed(named)  # the first of each stays
            if id_ not in known
        }
        if fresh:
            head.connection.execute(insert(quarantine), list(fresh.values()))

    @staticmethod
    def _keep_purged(head: Head, texts: dict[str, bytes], known: set[str]) -> None:
        """Keep the bytes of what was purged and came again: it has been delivered."""
        of_partition = quarantine.c.partition == head.partition
        purged = select(quarantine.c.id).where(
            of_partition, quarantine.c.id.in_(known), quarantine.c.text == b""
        )
        for id_ in head.connection.scalars(purged).all():
            of_entry = update(quarantine).where(of_partition, quarantine.c.id == id_)
            head.connection.execute(of_entry.values(text=texts[id_]))

    def entries(self, *, settled: bool = False) -> Iterator[QuarantineEntry]:
        """List the entries that wait for a decision, or all, oldest first."""
        return self._select(*(() if settled else (quarantine.c.settled.is_(None),)))

    def naming(self, profile: ProfileKey) -> Iterator[QuarantineEntry]:
        """List all entries that name a profile, settled ones too."""
        return self._select(
            quarantine.c.partition == partition_of(profile, self._database.partitions),
            quarantine.c.stream_id == profile.stream_bytes,
        )

    def _select(self, *which: ColumnElement[bool]) -> Iterator[QuarantineEntry]:
        """Read page by page, so that no transaction is open while others work."""
        place = tuple_(quarantine.c.first_at, quarantine.c.id)
        query = (
            select(quarantine)
            .where(*which)
            .order_by(quarantine.c.first_at, quarantine.c.id)
            .limit(PAGE)
        )
        page: Sequence[Row[tuple[object, ...]]] = []
        while True:
            after = [place > (page[-1].first_at, page[-1].id)] if page else []
            page = self._database.ask(query.where(*after))
            yield from map(_entry, page)
            if len(page) < PAGE:
                return

    def entry(self, id_prefix: str) -> QuarantineEntry:
        """Find an entry by its id, or by as much of it as no other entry begins with.

        Raise QuarantineEntryNotFoundError if none or several begin with it.
        """
        query = (
            select(quarantine)
            .where(quarantine.c.id.startswith(id_prefix, autoescape=True))
            .limit(2)
        )
        sound = id_prefix.isascii() and id_prefix.isalnum()
        rows = self._database.ask(query) if sound else []
        if len(rows) != 1:
            raise QuarantineEntryNotFoundError(id_prefix, len(rows))
        return _entry(rows[0])

    def settle(self, entry: QuarantineEntry, settlement: Settlement) -> None:
        """Write down what was decided on an entry; the bytes stay."""
        self._update(
            entry,
            settled=settlement.settled.value,
            settled_at=to_microseconds(settlement.at),
            settled_by=settlement.by,
            settled_why=settlement.why,
        )

    def purge(self, entry: QuarantineEntry) -> None:
        """Forget the bytes of an entry; that it was there stays."""
        self._update(entry, text=b"")

    def _update(self, entry: QuarantineEntry, **values: object) -> None:
        partition = entry_partition(
            entry.id, entry.rejection.profile, self._database.partitions
        )
        of_entry = (quarantine.c.partition == partition) & (quarantine.c.id == entry.id)
        with self._database.write() as connection:
            connection.execute(update(quarantine).where(of_entry).values(**values))


_AGAIN = (
    update(quarantine)
    .where(quarantine.c.partition == bindparam("p"), quarantine.c.id == bindparam("of"))
    .values(
        deliveries=quarantine.c.deliveries + bindparam("more"), last_at=bindparam("at")
    )
)


def _row(
    head: Head, id_: str, rejection: Rejection, ingress: str, times: int
) -> dict[str, object]:
    space, profile_id = rejection.profile or (None, None)
    return {
        "partition": head.partition,
        "id": id_,
        "reason": rejection.reason.value,
        "problems": write_json(rejection.problems),
        "ingress": ingress,
        "first_at": head.recorded_at,
        "last_at": head.recorded_at,
        "deliveries": times,
        "stream_id": rejection.profile and rejection.profile.stream_bytes,
        "api_space_id": space,
        "profile_id": profile_id,
        "event_id": rejection.event_id and rejection.event_id.encode(),
        "name": rejection.name,
        "text": rejection.text,
    }


def _entry(row: Row[tuple[object, ...]]) -> QuarantineEntry:
    return QuarantineEntry(
        id=row.id,
        rejection=Rejection(
            text=row.text,
            reason=Reason(row.reason),
            problems=msgspec.json.decode(row.problems, type=tuple[Problem, ...]),
            profile=ProfileKey(row.api_space_id, row.profile_id)
            if row.api_space_id
            else None,
            event_id=row.event_id and row.event_id.decode(),
            name=row.name,
        ),
        ingress=row.ingress,
        first_at=from_microseconds(row.first_at),
        last_at=from_microseconds(row.last_at),
        deliveries=row.deliveries,
        settlement=Settlement(
            Settled(row.settled),
            from_microseconds(row.settled_at),
            row.settled_by,
            row.settled_why,
        )
        if row.settled
        else None,
    )
