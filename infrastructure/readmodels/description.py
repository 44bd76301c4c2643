"""What read models there are, how far they are, and what is set aside in them."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log.fold_version import fold_version
from profilestore.infrastructure.log.tables import read_profiles

from .generation import Generation, Phase
from .stream_rows import end_of_log

SHOWN = 20
"""Profiles that are set aside and named, at most."""


@dataclass
class Description:
    """One read model: what all partitions have of it, added up."""

    updates: UpdatePolicy
    stale: bool
    """Whether other folds than the present ones made it: then it is not read."""
    phase: Phase
    profiles: int = 0
    events_behind: int = 0
    set_aside: int = 0
    """Profiles whose fold failed: they are in no list and no count."""
    errors: list[dict[str, str]] = field(default_factory=list)
    """Some of these, by name."""

    @property
    def is_read(self) -> bool:
        """Whether answers come from it."""
        return self.phase is Phase.LIVE and not self.stale

    def document(self) -> dict[str, object]:
        """Give it as JSON values."""
        return {
            "updates": self.updates.value,
            "fold": "stale" if self.stale else "current",
            "phase": self.phase.value,
            "profiles": self.profiles,
            "eventsBehind": self.events_behind,
            "setAside": self.set_aside,
            "errors": self.errors,
        }

    def add(self, connection: Connection, generation: Generation, end: int) -> None:
        """Add what one partition has."""
        kept = read_profiles.c
        every = generation.rows_of(read_profiles)
        query = select(func.count(), func.count(kept.condition)).where(*every)
        profiles, whole = connection.execute(query).one()
        self.profiles += profiles
        self.set_aside += profiles - whole
        self.events_behind += end - generation.position
        if profiles > whole:
            aside = (
                select(kept.api_space_id, kept.profile_id, kept.error)
                .where(*every, kept.condition.is_(None))
                .limit(SHOWN - len(self.errors))
            )
            for space, profile_id, error in connection.execute(aside):
                self.errors.append(
                    {"apiSpaceId": space, "profileId": profile_id, "error": error}
                )


def describe(connection: Connection, partitions: int) -> list[Description]:
    """Tell of all read models."""
    found: dict[tuple[UpdatePolicy, bool, Phase], Description] = {}
    for partition in range(partitions):
        end = end_of_log(connection, partition)
        for generation in Generation.list_all(connection, partition):
            stale = generation.fold != fold_version()
            key = generation.updates, stale, generation.phase
            found.setdefault(key, Description(*key)).add(connection, generation, end)
    return [found[key] for key in sorted(found, key=str)]
