"""Whether the profile is deleted, since when, by whom (SPEC section 7)."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from pydantic import Field

from profilestore.domain.events import ProfileDeleted, ProfileUndeleted, RecordedEvent
from profilestore.domain.profile import Profile

from .answer import Answer, Time, View
from .state import Status, next_status


class Period(View):
    """A span of one status; `to` is where the next begins, null for the last."""

    life: int
    status: Status
    from_: Time = Field(serialization_alias="from")
    to: Time | None
    event_id: str


class DeletionStatus(Answer):
    """The status of the current life and the periods of all lives in scope."""

    status: Status
    since: Time
    deleted_at: Time | None
    deleted_by: str | None
    restored_at: Time | None
    event_id: str
    periods: list[Period]


@dataclass(frozen=True)
class _Standing:
    """A status, the event it began with, and the last deletion of the life."""

    life: int
    status: Status
    began: RecordedEvent
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    restored_at: datetime | None = None


def deletion_status(profile: Profile) -> DeletionStatus:
    """Fold the status of every life of a profile."""
    standings = _standings(profile)
    starts = [standing.began.event.occurred_at for standing in standings]
    ends = [until for _, until in pairwise([*starts, None])]
    last = standings[-1]
    return DeletionStatus.about(
        profile,
        status=last.status,
        since=last.began.event.occurred_at,
        deleted_at=last.deleted_at,
        deleted_by=last.deleted_by,
        restored_at=last.restored_at,
        event_id=last.began.event.event_id,
        periods=[
            Period(
                life=standing.life,
                status=standing.status,
                from_=start,
                to=end,
                event_id=standing.began.event.event_id,
            )
            for standing, start, end in zip(standings, starts, ends, strict=True)
        ],
    )


def _standings(profile: Profile) -> list[_Standing]:
    """List the statuses the profile went through; each life begins a new one."""
    standings: list[_Standing] = []
    for life in profile.lives:
        current: _Standing | None = None
        for recorded in life.events():
            status = next_status(current.status if current else None, recorded.event)
            if current is None:
                begun = _Standing(life.number, status, recorded)
            elif status is current.status:
                continue
            else:
                begun = replace(current, status=status, began=recorded)
            current = _noted(begun)
            standings.append(current)
    return standings


def _noted(standing: _Standing) -> _Standing:
    """Take down what the delete or undelete that began a status says."""
    match standing.began.event:
        case ProfileDeleted() as event:
            return replace(
                standing,
                deleted_at=event.deleted_at,
                deleted_by=event.deleted_by,
                restored_at=None,
            )
        case ProfileUndeleted() as event:
            return replace(standing, restored_at=event.occurred_at)
        case _:
            return standing
