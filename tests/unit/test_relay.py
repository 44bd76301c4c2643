"""Those whose entries were written together are all woken, whoever else gives up."""

import sys
from collections.abc import Callable
from random import Random
from threading import Event, Lock, Thread

import pytest

from profilestore.infrastructure.log.relay import Relay, Turn

SECONDS = 30


class NeverLooksAgain(Turn):
    """One who gives up without looking whether its turn came just then."""

    def wait(self, seconds: float) -> bool:
        self.waited_for = True
        came = self._came.acquire(timeout=seconds)
        self.waited_for = False
        if came:
            self._relay.pass_on()
        return came


class TimedOut:
    """A lock at which the time to wait is over in the moment in which it is let go."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()
        self._released = Event()

    def release(self) -> None:
        self._lock.release()
        self._released.set()

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            return self._lock.acquire(blocking=False)
        assert self._released.wait(timeout)
        return False


def waiting(turns: list[Turn], seconds: Callable[[int], float]) -> list[Thread]:
    """Wait for each turn in a thread of its own, again and again until it came."""

    def wait(turn: Turn, most: float) -> None:
        while not turn.wait(most):
            pass

    threads = [
        Thread(target=wait, args=(turn, seconds(n)), daemon=True)
        for n, turn in enumerate(turns)
    ]
    for thread in threads:
        thread.start()
    while not all(turn.waited_for for turn in turns if seconds(0) == SECONDS):
        pass
    return threads


def left_waiting(threads: list[Thread], seconds: float) -> int:
    for thread in threads:
        thread.join(seconds)
    return sum(thread.is_alive() for thread in threads)


def test_one_word_wakes_all_who_wait_and_lets_through_who_come_later() -> None:
    relay = Relay()
    turns = [Turn(relay) for _ in range(20)]
    threads = waiting(turns[:10], lambda _: SECONDS)
    for turn in turns:
        relay.add(turn)

    relay.pass_on()

    assert left_waiting(threads, SECONDS) == 0
    assert all(turn.wait(SECONDS) for turn in turns[10:])
    assert not relay


@pytest.mark.parametrize(("kind", "left"), [(Turn, 0), (NeverLooksAgain, 1)])
def test_who_gives_up_as_the_turn_comes_passes_it_on(
    kind: type[Turn], left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who does not look again is the control: who is behind waits for ever."""
    relay = Relay()
    gives_up, behind = kind(relay), Turn(relay)
    monkeypatch.setattr(gives_up, "_came", TimedOut())
    threads = [
        Thread(target=turn.wait, args=(SECONDS,), daemon=True)
        for turn in (gives_up, behind)
    ]
    for thread in threads:
        thread.start()
    while not (gives_up.waited_for and behind.waited_for):
        pass
    for turn in (gives_up, behind):
        relay.add(turn)

    relay.pass_on()

    assert left_waiting(threads, 1 if left else SECONDS) == left
    relay.finish()
    assert left_waiting(threads, SECONDS) == 0


@pytest.mark.parametrize("seed", range(5))
def test_all_are_woken_though_each_gives_up_again_and_again(seed: int) -> None:
    chance, interval = Random(seed), sys.getswitchinterval()
    relay = Relay()
    turns = [Turn(relay) for _ in range(16)]
    times = [chance.choice((0.0001, 0.001, 0.01)) for _ in turns]
    sys.setswitchinterval(0.00001)
    try:
        threads = waiting(turns, times.__getitem__)
        for turn in turns:
            relay.add(turn)
        relay.pass_on()
        assert left_waiting(threads, SECONDS) == 0
    finally:
        sys.setswitchinterval(interval)
