"""The aggregate: one profile as the set of its events."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self
from uuid import UUID

from .cut import Cut
from .errors import ProfileNotFoundError
from .events import RecordedEvent
from .identity import ProfileKey
from .source_order import Life, lives_of


@dataclass(frozen=True)
class Profile:
    """A profile, or what a cut leaves of it: never empty.

    An immutable aggregate of the `eventsourcing` library. Its state is a function of
    the *set* of its events; the answers in `profilestore.projections` are folds of it.
    """

    key: ProfileKey
    version: int
    """Of the last event in scope."""
    events: tuple[RecordedEvent, ...]
    """In order of arrival."""
    cut: Cut = field(default_factory=Cut)

    @classmethod
    def project(
        cls, profile: Self | None, events: Iterable[RecordedEvent]
    ) -> Self | None:
        """Rebuild the aggregate from its stream: the library's projector function."""
        known = () if profile is None else profile.events
        known += tuple(events)
        if not known:
            return None
        last = known[-1]
        return cls(key=last.event.profile, version=last.version, events=known)

    @property
    def id(self) -> UUID:
        """The stream's id, in the library's words."""
        return self.key.stream_id

    @cached_property
    def lives(self) -> tuple[Life, ...]:
        """Its lives in source order (SPEC section 4)."""
        return lives_of(self.events)

    @property
    def life(self) -> Life:
        """The current life: the highest with events in scope."""
        return self.lives[-1]

    def at(self, cut: Cut) -> Self:
        """Leave what is in scope of the cut (SPEC section 6).

        Raise ProfileNotFoundError if that is nothing, or nothing of the life asked for.
        """
        kept = self.within(cut)
        if kept is None:
            raise ProfileNotFoundError(*self.key, scope=str(cut))
        return kept

    def within(self, cut: Cut) -> Self | None:
        """Leave what is in scope of the cut; None where `at` would find nothing."""
        scope = tuple(r for r in self.events if _in_time(r, cut))
        if cut.life is not None or cut.at_revision is not None:
            scope = _in_life(lives_of(scope), cut)
        if not scope:
            return None
        kept = replace(self, version=scope[-1].version, events=scope, cut=cut)
        return kept if cut.life in (None, kept.life.number) else None


def _in_time(recorded: RecordedEvent, cut: Cut) -> bool:
    if cut.valid_at is not None and recorded.event.occurred_at > cut.valid_at:
        return False
    return cut.knows(recorded)


def _in_life(lives: tuple[Life, ...], cut: Cut) -> tuple[RecordedEvent, ...]:
    """Drop later lives and, of the life asked for, what is past the revision."""
    if cut.life is not None:
        lives = tuple(life for life in lives if life.number <= cut.life)
    scope = [r for life in lives[:-1] for r in life.events()]
    if lives and cut.at_revision is not None and cut.life in (None, lives[-1].number):
        scope += _until_revision(lives[-1], cut.at_revision)
    elif lives:
        scope += lives[-1].events()
    return tuple(sorted(scope, key=lambda recorded: recorded.position))


def _until_revision(life: Life, revision: int) -> list[RecordedEvent]:
    kept = [r for r in life.lifecycle if r.event.revision <= revision]
    if not kept:
        return []
    end = kept[-1].event.occurred_at
    return kept + [r for r in life.devices if r.event.occurred_at <= end]
