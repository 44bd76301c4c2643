"""Threads that answer what an event loop asks, so that it need not wait itself."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar, cast

from profilestore.domain.errors import StoreBusyError
from profilestore.infrastructure.loop_calls import LoopCalls

T = TypeVar("T")


class Answerers:
    """So many threads, that take questions in the order in which they come.

    A slow question keeps one of them, and the others go on. Made in the loop that asks,
    closed in it.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._calls = LoopCalls(asyncio.get_running_loop())
        self._waiting: SimpleQueue[_Question[object] | None] = SimpleQueue()
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
        question = _Question(work, self._calls.loop.create_future())
        late = self._calls.loop.call_later(seconds, question.settled)
        self._waiting.put(question)  # type: ignore[arg-type] # whatever it answers
        try:
            await question.told
        finally:
            late.cancel()
        return question.result(seconds)

    def close(self) -> None:
        """End the threads, when what they have begun is done; nothing else is begun."""
        with suppress(Empty):
            while question := self._waiting.get_nowait():
                question.told.cancel()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        for question in iter(self._waiting.get, None):
            if not question.told.done():
                question.answer()
                self._calls.soon(question.settled)


class _Question(Generic[T]):
    """What is asked, until it is answered or given up."""

    def __init__(self, work: Callable[[], T], told: asyncio.Future[None]) -> None:
        self.told = told
        self._work = work
        self._answer: T | None = None
        self._error: BaseException | None = None
        self._answered = False

    def answer(self) -> None:
        """Do the work, in a thread."""
        try:
            self._answer = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
            self._error = error
        self._answered = True

    def settled(self) -> None:
        """Let who asked go on, in the loop; once."""
        if not self.told.done():
            self.told.set_result(None)

    def result(self, seconds: float) -> T:
        """Give the answer, or raise what kept it away."""
        if not self._answered:
            raise StoreBusyError(seconds)
        if self._error is not None:
            raise self._error
        return cast("T", self._answer)
