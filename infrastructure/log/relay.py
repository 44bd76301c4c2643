"""Waking those whose entries were written together: each is woken by the one before.

Woken all at once they would all wait for the interpreter's lock: with 64 threads a
sixth of what an append costs was handing it around.
"""

from collections import deque
from threading import Lock


class Turn:
    """What one waits for, once; it comes by the relay, soon after it is due."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay
        self._came = Lock()
        self._came.acquire()
        self.waited_for = False
        """Whether somebody waits, who passes the relay on."""

    def come(self) -> None:
        """Let who waits go on, or who will."""
        self._came.release()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; answer whether it came."""
        came = False
        self.waited_for = True
        try:
            came = self._came.acquire(timeout=seconds)
        finally:
            self.waited_for = False
            # It may have come to one who just gave up, and others wait behind.
            came = came or self._came.acquire(blocking=False)
            if came:
                self._relay.pass_on()
        return came


class Relay:
    """Turns that are due, in order; safe to use from any thread."""

    def __init__(self) -> None:
        self._due: deque[Turn] = deque()

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, turn: Turn) -> None:
        """Have a turn come after those before it."""
        self._due.append(turn)

    def pass_on(self) -> None:
        """Let the next come, and with it those before it that nobody waits for."""
        while turn := self._next():
            turn.come()
            if turn.waited_for:
                return

    def finish(self) -> None:
        """Let all that are left come: one before them may be slow to pass it on."""
        while turn := self._next():
            turn.come()

    def _next(self) -> Turn | None:
        try:
            return self._due.popleft()
        except IndexError:
            return None
