"""The end of the log, watched once for all who wait for more of it."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from profilestore.domain.errors import StorageError

SHORTEST_SECONDS = 0.02
LONGEST_SECONDS = 0.5

_log = structlog.get_logger()


class Tail:
    """Says when there is something after a position; it looks only while asked."""

    def __init__(
        self,
        ends: Callable[[], Awaitable[dict[int, int]]],
        stopping: asyncio.Event,
    ) -> None:
        self._ask = ends
        self._stopping = stopping
        self._ends: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._waiting = 0

    async def wait_beyond(self, partition: int, position: int, seconds: float) -> None:
        """Wait until there is more, for so long at most, or until the server stops."""
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while self._ends.get(partition, 0) <= position:
                    if self._stopping.is_set():
                        return
                    await self._moved.wait()
        except TimeoutError:
            return
        finally:
            self._waiting -= 1

    async def watch(self) -> None:
        """Look at the ends of the log, for as long as this task lives.

        After something came it looks at once, else less and less often.
        """
        pause = SHORTEST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_SECONDS)
            if self._stopping.is_set():
                self.wake()
            if self._waiting and await self._look():
                pause = SHORTEST_SECONDS

    async def _look(self) -> bool:
        try:
            ends = await self._ask()
        except StorageError as error:
            _log.warning("the log cannot be read", error=type(error).__name__)
            return False
        if ends == self._ends:
            return False
        self._ends = ends
        self.wake()
        return True

    def wake(self) -> None:
        """Let all who wait look for themselves."""
        self._moved.set()
        self._moved = asyncio.Event()
