"""Calls into an event loop: none is lost, and many are one wake-up."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from profilestore.infrastructure.loop_calls import LoopCalls

THREADS, CALLS = 8, 2000


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often it is woken."""

    woken = 0

    def call_soon_threadsafe(self, *arguments: Any, **named: Any) -> asyncio.Handle:
        self.woken += 1
        return super().call_soon_threadsafe(*arguments, **named)


def test_whatever_threads_call_is_called_once_and_in_their_order() -> None:
    called: list[tuple[int, int]] = []

    async def collect() -> None:
        calls = LoopCalls(asyncio.get_running_loop())
        all_called = asyncio.Event()

        def call(thread: int, number: int) -> None:
            called.append((thread, number))
            if len(called) == THREADS * CALLS:
                all_called.set()

        def make(thread: int) -> None:
            for number in range(CALLS):
                calls.soon(partial(call, thread, number))

        with ThreadPoolExecutor(THREADS) as threads:
            for thread in range(THREADS):
                threads.submit(make, thread)
            await asyncio.wait_for(all_called.wait(), 60)

    asyncio.run(collect())
    for thread in range(THREADS):
        assert [n for t, n in called if t == thread] == list(range(CALLS))


def test_what_comes_until_the_loop_looks_is_one_wake_up() -> None:
    called: list[int] = []

    async def collect() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        calls = LoopCalls(loop)
        with ThreadPoolExecutor(1) as thread:
            for first in (0, 64):
                loop.woken = 0
                for number in range(first, first + 64):
                    thread.submit(calls.soon, partial(called.append, number)).result()
                assert (loop.woken, len(called)) == (1, first)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert called == list(range(first + 64))

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(collect())


def test_a_loop_that_is_closed_is_left_alone() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    LoopCalls(loop).soon(lambda: None)
