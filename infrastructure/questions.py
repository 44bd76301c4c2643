"""Questions to a store: about one profile, and about many."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, TypedDict, Unpack

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.errors import InvalidArgumentError, ProfileNotFoundError
from profilestore.domain.events import RecordedEvent
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.text import storable
from profilestore.projections.counts import Count, CountSeries
from profilestore.projections.current import (
    CurrentProfile,
    current_from,
    current_profile,
)
from profilestore.projections.listed import ListedProfile
from profilestore.projections.standing import Standing

from .arguments import space_id
from .log.checkpoints import Checkpoints
from .log.database import Database
from .log.streams import Streams
from .readmodels.question import Filters, Question, times_between
from .readmodels.read_models import ReadModels

LISTED = 500
"""Profiles that are read at once."""


class Cuts(TypedDict, total=False):
    """The bounds of SPEC section 6 and the update policy, by name."""

    valid_at: datetime | None
    known_at: datetime | int | None
    at_revision: int | None
    life: int | None
    updates: str | None


class Questions:
    """What a store answers; each is asked of one moment of it."""

    def __init__(
        self,
        database: Database,
        updates: UpdatePolicy,
        space_updates: Mapping[str, UpdatePolicy],
    ) -> None:
        self._updates = updates
        self._space_updates = {
            space_id(space): policy for space, policy in space_updates.items()
        }
        self._streams = Streams(database)
        self._checkpoints = Checkpoints(database, self._streams)
        self.read_models = ReadModels(database)

    def key(self, api_space_id: str, profile_id: str) -> ProfileKey:
        """Name a profile; raise InvalidArgumentError for what names none."""
        if not isinstance(profile_id, str):
            raise InvalidArgumentError("profile", f"{profile_id!r} is no string")
        if profile_id != storable(profile_id):
            raise InvalidArgumentError("profile", "the id is not Unicode")
        return ProfileKey(space_id(api_space_id), profile_id)

    def profile(
        self, api_space_id: str, profile_id: str, **cut: Unpack[Cuts]
    ) -> Profile:
        """Read a profile, or what the inclusive bounds leave of it (SPEC section 6).

        Times need an offset. Raise ProfileNotFoundError if nothing is in scope,
        InvalidArgumentError for a bound or an API space id that is none.
        """
        key = self.key(api_space_id, profile_id)
        bounds = self._cut(key, cut)
        return _projected(key, bounds, self._streams.read(key, bounds))

    def current(
        self, api_space_id: str, profile_id: str, **cut: Unpack[Cuts]
    ) -> CurrentProfile:
        """Answer the current profile: `current_profile(store.profile(...))`, sooner.

        Long profiles are answered from checkpoints, at the head and at any `valid_at`;
        the first question to one makes them.
        """
        key = self.key(api_space_id, profile_id)
        bounds = self._cut(key, cut)
        found = self._checkpoints.find(key, bounds)
        if isinstance(found, Standing):
            return current_from(key, bounds, found)
        return current_profile(_projected(key, bounds, found))

    def _cut(self, key: ProfileKey, cut: Cuts) -> Cut:
        bounds: dict[str, Any] = {**cut}
        if bounds.get("updates") is None:
            default = self._space_updates.get(key.api_space_id, self._updates)
            bounds["updates"] = default
        return Cut(**bounds)

    def profiles(
        self,
        api_space_id: str,
        *,
        valid_at: datetime | None = None,
        updates: str | None = None,
        after: str = "",
        limit: int | None = None,
        **filters: Unpack[Filters],
    ) -> Iterator[ListedProfile]:
        """List the profiles of an API space, in order of the bytes of their ids.

        `status` is one or several of `active`, `deleted`, `unknown`; `where` is one or
        several `PATH=VALUE`, all of which hold for `data`; `valid_at` asks for what was
        true then. `after` is a profile id: the list goes on behind it, however the
        profiles changed meanwhile. Raise InvalidArgumentError for what is no filter.
        """
        question = self._question(api_space_id, valid_at, updates, filters)
        if limit is not None and limit < 1:
            raise InvalidArgumentError("limit", "must be 1 or more")
        return self._pages(question, after, inf if limit is None else limit)

    def _pages(
        self, question: Question, after: str, left: float
    ) -> Iterator[ListedProfile]:
        while left > 0:
            asked = int(min(left, LISTED))
            page = self.read_models.page(question, after, asked)
            yield from page
            if len(page) < asked:
                return
            after, left = page[-1].profile_id, left - asked

    def count(
        self,
        api_space_id: str,
        *,
        valid_at: datetime | None = None,
        updates: str | None = None,
        **filters: Unpack[Filters],
    ) -> Count:
        """Count the profiles of an API space, with the filters of `profiles`."""
        question = self._question(api_space_id, valid_at, updates, filters)
        return self.read_models.count(question)

    def count_over(
        self,
        api_space_id: str,
        *,
        from_: datetime,
        to: datetime,
        step: timedelta,
        updates: str | None = None,
        **filters: Unpack[Filters],
    ) -> CountSeries:
        """Count what was true at `from_`, one `step` later, and so on until `to`.

        The times need an offset; 10,000 of them can be counted, with `where` 100.
        """
        question = self._question(api_space_id, None, updates, filters)
        return self.read_models.count_over(question, times_between(from_, to, step))

    def _question(
        self,
        api_space_id: str,
        valid_at: datetime | None,
        updates: str | None,
        filters: Filters,
    ) -> Question:
        space = space_id(api_space_id)
        cut = self._cut(
            ProfileKey(space, ""), {"valid_at": valid_at, "updates": updates}
        )
        return Question.read(space, cut, filters)


def _projected(key: ProfileKey, cut: Cut, events: list[RecordedEvent]) -> Profile:
    profile = Profile.project(None, events)
    if profile is None:
        raise ProfileNotFoundError(*key, scope=str(cut))
    return profile.at(cut)
