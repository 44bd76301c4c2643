"""Calls from threads into an event loop, many with one wake-up of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class LoopCalls:
    """Has functions called in an event loop, in the order in which they come.

    To wake a loop takes a system call, and that longer than what is called: so all that
    comes until the loop looks is called then.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False

    def soon(self, function: Callable[[], None]) -> None:
        """Have a function called, from any thread; never, if the loop is closed.

        It must not fail.
        """
        self._calls.append(function)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # it is closed
                self.loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        self._woken = False  # before it looks: who comes later wakes it again
        while self._calls:
            self._calls.popleft()()
