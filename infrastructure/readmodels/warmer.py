"""Keeping read models caught up, so that who asks need not wait for it."""

from collections.abc import Iterable
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log.feed import Pause

from .read_models import ReadModels

REST = 9
"""It rests so many times as long as it worked: the core is for who appends, and what
came meanwhile is folded together, which takes less than one by one."""
LONGEST_REST_SECONDS = 5.0
"""So that who asks has seconds of events to fold, not minutes, where more of them come
than a tenth of a core can fold: about 1,000 a second."""


class Warmer:
    """A thread that folds what is new, for as long as its `with` block lasts.

    Answers are right without it: it only saves them time. It works a tenth of the time,
    as far as that allows a rest of 5 s at most; what came since, who asks folds. What
    fails is tried again, whatever it was: a thread that ends unseen would still seem to
    keep up. `failure` is the error for as long as that lasts, else None.
    """

    def __init__(self, models: ReadModels, policies: Iterable[UpdatePolicy]) -> None:
        self._models = models
        self._policies = sorted(set(policies))
        self._stop = Event()
        self._thread = Thread(target=self._run, name="read models", daemon=True)
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = Pause(self._stop)
        while not pause.stopped:
            began = monotonic()
            try:
                moved = [self._models.catch_up(policy) for policy in self._policies]
                self.failure = None
            except Exception as error:  # noqa: BLE001 - it is told, and may pass
                moved, self.failure = [], error
            if any(moved):
                pause.reset()
            worked = monotonic() - began
            pause.wait(least=min(REST * worked, LONGEST_REST_SECONDS))
