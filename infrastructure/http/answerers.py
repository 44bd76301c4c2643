"""Threads that answer what an event loop asks, so that it need not wait itself."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from profilestore.domain.errors import StoreBusyError

T = TypeVar("T")

PATIENCE_SECONDS = 0.01
"""How long a question waits behind others until one more thread takes questions, and
an answer until it is told though its thread is at the next one."""


class Answerers:
    """So many threads, that take questions in the order in which they come.

    Mostly one of them works, through all that waits, and tells the answers together:
    several would wait for the interpreter's lock, and for each other, longer than most
    answers take. Others help where a question is slow, or the database far away.

    Made in the loop that asks, closed in it.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Question] = deque()
        self._answered: deque[_Question] = deque()
        self._turns: set[_Turn] = set()
        self._begun: SimpleQueue[_Turn | None] = SimpleQueue()
        self._looking: asyncio.TimerHandle | None = None
        self._threads = [
            Thread(target=self._run, name=f"{name} {number}")
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def ask(self, work: Callable[[], T], seconds: float) -> T:
        """Have a thread do what answers a question; raise what it raises.

        StoreBusyError if that has not ended within so many seconds: if it has not begun
        by then, it never will.
        """
        question = _Question(work, self._loop)
        late = self._loop.call_later(seconds, question.tell)
        self._waiting.append(question)
        if not any(turn.moves for turn in self._turns):
            self._begin()
        try:
            await question.told
        finally:
            late.cancel()
        return cast("T", question.result(seconds))

    def close(self) -> None:
        """End the threads, when what they have begun is done; nothing else is begun."""
        while (question := self._next()) is not None:
            question.told.cancel()
        for _ in self._threads:
            self._begun.put(None)
        for thread in self._threads:
            thread.join()
        if self._looking:
            self._looking.cancel()

    def _begin(self) -> None:
        """Have one more thread work through what waits, if one is free."""
        if len(self._turns) < len(self._threads):
            turn = _Turn()
            self._turns.add(turn)
            self._begun.put(turn)
        if self._looking is None:
            self._looking = self._loop.call_later(PATIENCE_SECONDS, self._look)

    def _look(self) -> None:
        """See to it that nobody waits for what is slow."""
        self._looking = None
        self._tell()
        for turn in self._turns:
            turn.look()
        with suppress(IndexError):  # a thread took it just now
            if self._loop.time() - self._waiting[0].asked >= PATIENCE_SECONDS:
                self._begin()
        if self._turns and self._looking is None:
            self._looking = self._loop.call_later(PATIENCE_SECONDS, self._look)

    def _end(self, turn: "_Turn") -> None:
        self._turns.discard(turn)
        self._tell()
        # What came when it had seen that nothing waits.
        if self._waiting and not any(turn.moves for turn in self._turns):
            self._begin()

    def _tell(self) -> None:
        while self._answered:
            self._answered.popleft().tell()

    def _run(self) -> None:
        for turn in iter(self._begun.get, None):
            while (question := self._next()) is not None:
                turn.questions += 1
                if not question.told.done():
                    question.answer()
                    self._answered.append(question)
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._end, turn)

    def _next(self) -> "_Question | None":
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


class _Turn:
    """A thread's work through what waits."""

    def __init__(self) -> None:
        self.questions = 0
        self.moves = True
        """Whether it took a question since it was last looked at."""
        self._seen = 0

    def look(self) -> None:
        self.moves = self.questions > self._seen
        self._seen = self.questions


class _Question:
    """What is asked, until it is answered or given up."""

    def __init__(
        self, work: Callable[[], object], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.asked = loop.time()
        self.told: asyncio.Future[None] = loop.create_future()
        self._work = work
        self._answer: Any = None
        self._error: BaseException | None = None
        self._answered = False

    def answer(self) -> None:
        """Do the work, in a thread."""
        try:
            self._answer = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
            self._error = error
        self._answered = True

    def tell(self) -> None:
        """Let who asked go on, in the loop; once."""
        if not self.told.done():
            self.told.set_result(None)

    def result(self, seconds: float) -> Any:
        """Give the answer, or raise what kept it away."""
        if not self._answered:
            raise StoreBusyError(seconds)
        if self._error is not None:
            raise self._error
        return self._answer
