"""Events at versions of their caller's choice: what the library's recorders write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eventsourcing.persistence import IntegrityError, Tracking
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError as DatabaseIntegrityError

from profilestore.domain.identity import ProfileKey

from .head import Head, NewEvent
from .tables import tracking

Shares = dict[int, list[NewEvent]]
"""Events by partition."""
Positions = dict[int, range]
Heads = Mapping[int, Head]


@dataclass(frozen=True)
class Insertion:
    """Events, and a tracking position: all or none."""

    shares: Shares
    profiles: dict[bytes, ProfileKey | None]
    tracking: Tracking | None = None


def insert_each(
    heads: Heads, insertions: Sequence[Insertion]
) -> list[Positions | IntegrityError]:
    """Write insertions together; where that fails, each on its own."""
    try:
        return _insert_all(heads, insertions)
    except DatabaseIntegrityError as error:
        if len(insertions) == 1:
            return [IntegrityError(str(error.orig))]
    return [answer for one in insertions for answer in insert_each(heads, [one])]


def _insert_all(
    heads: Heads, insertions: Sequence[Insertion]
) -> list[Positions | IntegrityError]:
    if not insertions:
        return []
    (connection,) = {head.connection for head in heads.values()}
    with connection.begin_nested() as savepoint:
        before = {partition: head.place() for partition, head in heads.items()}
        try:
            return [_insert_one(heads, one) for one in insertions]
        except BaseException:
            savepoint.rollback()
            for partition, place in before.items():
                heads[partition].go_back(place)
            raise


def _insert_one(heads: Heads, insertion: Insertion) -> Positions:
    positions = {}
    for partition, new in insertion.shares.items():
        if insertion.tracking is not None:
            _track(heads[partition], insertion.tracking)
        positions[partition] = heads[partition].append(new, insertion.profiles)
    return positions


def _track(head: Head, position: Tracking) -> None:
    """Move a tracking position forward; anything else is an IntegrityError."""
    key = {"partition": head.partition, "application_name": position.application_name}
    of_key = [tracking.c[name] == value for name, value in key.items()]
    moved = head.connection.execute(
        update(tracking)
        .where(*of_key, tracking.c.notification_id < position.notification_id)
        .values(notification_id=position.notification_id)
    )
    if not moved.rowcount:
        # Either it is the first, or the key exists and this one is not ahead of it.
        head.connection.execute(
            insert(tracking).values(**key, notification_id=position.notification_id)
        )
