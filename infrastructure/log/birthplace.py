"""The process in which a store was opened, the only one that may use it."""

import os

from profilestore.domain.errors import StoreUnavailableError


class Birthplace:
    """The process that makes this. One that is forked from it is another."""

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def left(self) -> bool:
        """Whether this is a process that was forked since."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise StoreUnavailableError in a process that was forked since."""
        if self.left:
            raise StoreUnavailableError(
                "the store was opened before this process was forked, and its "
                "connections are its parent's: open the store after the fork"
            )
