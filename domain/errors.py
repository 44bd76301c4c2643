"""The errors raised on purpose, one tree; data as attributes, messages say what to do.

ProfileStoreError
+- InvalidArgumentError
+- DamagedDeliveryError
+- NotFoundError
|  +- ProfileNotFoundError
|  +- QuarantineEntryNotFoundError
+- StorageError
   +- StoreBusyError
   +- StoreOverloadedError
   +- StoreUnavailableError
   +- LeftUnstoredError
   +- SchemaMismatchError
   +- UnreadableEventError
   +- DamagedStoreError
"""

from typing import Any


class ProfileStoreError(Exception):
    """Something profilestore refuses or cannot do. It can be copied and pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.args, self.__dict__.copy())


def _remade(
    kind: type[ProfileStoreError], arguments: tuple[Any, ...], data: dict[str, Any]
) -> ProfileStoreError:
    """Make an error that was made before: by what it says, not by what made it say."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(data)
    return error


class InvalidArgumentError(ProfileStoreError, ValueError):
    """A question or setting that breaks a rule; nothing was read or written."""

    def __init__(self, argument: str, rule: str) -> None:
        super().__init__(f"{argument}: {rule}")
        self.argument = argument
        self.rule = rule


class DamagedDeliveryError(ProfileStoreError):
    """A compressed delivery that cannot be read to its end."""

    def __init__(self, source: str, cause: str, stored: int) -> None:
        super().__init__(
            f"{source}: {cause}. {stored} events before the damage are dealt with; "
            "append the whole delivery again once it is repaired "
            "(what is stored already counts as duplicate)"
        )
        self.source = source
        self.stored = stored


class NotFoundError(ProfileStoreError):
    """What was asked for is not in the store."""


class ProfileNotFoundError(NotFoundError):
    """No event of the profile, or of the life asked for, is in scope (SPEC 6)."""

    def __init__(self, api_space_id: str, profile_id: str, scope: str = "") -> None:
        super().__init__(
            f"no profile {profile_id!r} in API space {api_space_id}"
            + (f" in scope of {scope}" if scope else "")
        )
        self.api_space_id = api_space_id
        self.profile_id = profile_id


class QuarantineEntryNotFoundError(NotFoundError):
    """No quarantine entry has this id, or several begin with it."""

    def __init__(self, entry_id: str, matches: int) -> None:
        super().__init__(
            f"{matches} quarantine entries begin with {entry_id!r}: give more of the id"
            if matches
            else f"no quarantine entry {entry_id!r}: see `profilestore quarantine list`"
        )
        self.entry_id = entry_id
        self.matches = matches


class StorageError(ProfileStoreError):
    """The database did not do what was asked.

    What was answered before is stored; what was not may be. Appending it again is safe.
    """

    disconnected = False
    """Whether the connection was lost: on another one it may work at once."""
    unreachable = False
    """Whether there was no connection: what else waits would not get one either."""


class StoreBusyError(StorageError):
    """Other writers held the database longer than we wait."""

    def __init__(self, waited_seconds: float) -> None:
        super().__init__(
            f"the database is busy: nothing was answered for {waited_seconds:g} s; "
            "try again"
        )
        self.waited_seconds = waited_seconds


class StoreOverloadedError(StorageError):
    """More waits to be stored than the queue takes; nothing of this was taken."""

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting:,} events wait to be stored already: try again in a moment"
        )
        self.waiting = waiting


class StoreUnavailableError(StorageError):
    """The database cannot be reached, read or written."""


class LeftUnstoredError(StorageError):
    """The store was closed while events waited and the database did not answer."""

    def __init__(self, events: int, waited_seconds: float) -> None:
        super().__init__(
            f"the store is closed, but {events:,} events that it took may not be "
            f"stored: the database did not answer for {waited_seconds:g} s; append "
            "them again, what is stored counts as duplicate"
        )
        self.events = events
        self.waited_seconds = waited_seconds


class SchemaMismatchError(StorageError):
    """The database holds something else than a store of this version."""


class UnreadableEventError(StorageError):
    """A stored event is not what an append can have written: the log is damaged."""

    def __init__(self, position: int | None, cause: str) -> None:
        where = "an event" if position is None else f"the event at position {position}"
        super().__init__(f"{where} cannot be read: {cause}")
        self.position = position


class DamagedStoreError(StorageError):
    """A store does not hold what it says it holds."""
