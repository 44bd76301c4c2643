"""Threads that answer an event loop: none waits for a slow one, none for ever."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from profilestore.domain.errors import StoreBusyError
from profilestore.infrastructure.http import answerers as module
from profilestore.infrastructure.http.answerers import Answerers

MINUTE = 60
SECONDS = 3


def answered_by(threads: int, ask: Callable[[Answerers], Awaitable[None]]) -> None:
    async def run() -> None:
        answerers = Answerers(threads, "test")
        try:
            await ask(answerers)
        finally:
            answerers.close()

    asyncio.run(run())


def test_each_is_answered_with_its_own() -> None:
    async def ask(answerers: Answerers) -> None:
        asked = (answerers.ask(lambda n=n: n * n, MINUTE) for n in range(500))
        assert await asyncio.gather(*asked) == [n * n for n in range(500)]

    answered_by(3, ask)


@pytest.mark.parametrize("error", [ValueError, StopIteration, SystemExit])
def test_what_is_raised_is_raised_where_it_was_asked(
    error: type[BaseException],
) -> None:
    def fail() -> None:
        raise error("of the question")

    async def ask(answerers: Answerers) -> None:
        with pytest.raises((error, RuntimeError)):  # a coroutine cannot stop iteration
            await answerers.ask(fail, MINUTE)
        assert await answerers.ask(lambda: 7, MINUTE) == 7  # the thread goes on

    answered_by(1, ask)


async def beside_a_slow_one(answerers: Answerers) -> None:
    release = threading.Event()
    slow = asyncio.create_task(answerers.ask(release.wait, MINUTE))
    await asyncio.sleep(0)
    try:
        for n in range(100):
            assert await answerers.ask(lambda n=n: n, 1) == n
    finally:
        release.set()
        await slow


def test_a_slow_question_does_not_hold_up_others() -> None:
    answered_by(2, beside_a_slow_one)


def test_the_control_with_one_thread_holds_them_up() -> None:
    with pytest.raises(StoreBusyError):
        answered_by(1, beside_a_slow_one)


async def in_one_turn_with_a_slow_one(answerers: Answerers) -> None:
    release = threading.Event()
    quick, slow = (
        asyncio.create_task(answerers.ask(work, MINUTE))
        for work in (lambda: 7, release.wait)
    )
    try:
        async with asyncio.timeout(SECONDS):
            assert await quick == 7
        assert not slow.done()
    finally:
        release.set()


async def who_wait_for_each_other(answerers: Answerers) -> None:
    all_here = threading.Barrier(4)
    asked = [answerers.ask(all_here.wait, MINUTE) for _ in range(4)]
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*asked)
    finally:
        all_here.abort()


def test_an_answer_is_told_though_its_thread_is_at_a_slow_one() -> None:
    answered_by(1, in_one_turn_with_a_slow_one)


def test_all_threads_wait_at_once_for_what_is_far_away() -> None:
    answered_by(4, who_wait_for_each_other)


@pytest.mark.parametrize(
    "asked", [in_one_turn_with_a_slow_one, who_wait_for_each_other]
)
def test_the_control_without_an_end_of_patience_waits(
    asked: Callable[[Answerers], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600)
    with pytest.raises(TimeoutError):
        answered_by(4 if asked is who_wait_for_each_other else 1, asked)


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    begun: list[str] = []

    async def ask(answerers: Answerers) -> None:
        release = threading.Event()
        slow = asyncio.create_task(answerers.ask(release.wait, MINUTE))
        await asyncio.sleep(0)
        with pytest.raises(StoreBusyError):
            await answerers.ask(lambda: begun.append("late"), 0.05)
        gone = asyncio.create_task(answerers.ask(lambda: begun.append("gone"), MINUTE))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        release.set()
        await slow
        await answerers.ask(lambda: begun.append("last"), MINUTE)

    answered_by(1, ask)
    assert begun == ["last"]


def test_one_that_takes_too_long_is_given_up_and_harms_nobody() -> None:
    async def ask(answerers: Answerers) -> None:
        release = threading.Event()
        with pytest.raises(StoreBusyError):
            await answerers.ask(release.wait, 0.05)
        release.set()
        assert await answerers.ask(lambda: 7, MINUTE) == 7

    answered_by(1, ask)


def test_at_the_end_what_is_begun_is_done_and_the_rest_is_not() -> None:
    done: list[str] = []

    async def run() -> None:
        answerers, begun = Answerers(1, "test"), threading.Event()
        release = threading.Event()

        def slow() -> None:
            begun.set()
            release.wait()
            done.append("begun")

        tasks = [asyncio.create_task(answerers.ask(slow, MINUTE))]
        await asyncio.to_thread(begun.wait)
        tasks.append(
            asyncio.create_task(answerers.ask(lambda: done.append("rest"), MINUTE))
        )
        await asyncio.sleep(0)
        threading.Timer(0.2, release.set).start()
        answerers.close()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [False, True]

    asyncio.run(run())
    assert done == ["begun"]
