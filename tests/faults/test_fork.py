"""A process that forks with a store open: the child must not use it, the parent may."""

import os
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select

from profilestore import ProfileStore, StoreUnavailableError
from profilestore.infrastructure.log.birthplace import Birthplace
from tests.simple_events import SPACE, event

PATIENCE_SECONDS = 30


def forked(work: Callable[[], None]) -> str:
    """Do work in a child; answer the error it ends with, "" without one.

    A child that says nothing for a long time is ended.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    end = time.monotonic() + PATIENCE_SECONDS
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
        time.sleep(0.01)
    with os.fdopen(reader) as pipe:
        return pipe.read() or ("" if time.monotonic() < end else "it never ended")


@pytest.fixture(params=["file", "memory", "postgresql-1"])
def any_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    return "sqlite://" if request.param == "memory" else new_url(request.param)


def test_a_store_used_after_a_fork_is_refused_at_once(any_url: str) -> None:
    with ProfileStore.open(any_url) as store:
        store.append([event(1)])
        recorder = store.recorder_of(0)
        for use in (
            lambda: store.append([event(2)]),
            lambda: store.profile(SPACE, "joe"),
            lambda: store.current(SPACE, "joe"),
            store.feed,
            recorder.max_notification_id,
            store.stats,
        ):
            said = forked(use)  # type: ignore[arg-type]
            assert said.startswith("StoreUnavailableError"), said
            assert "open the store after the fork" in said

        assert store.append([event(2)]).accepted == 1


def test_a_child_that_closes_the_store_does_not_harm_its_parent(any_url: str) -> None:
    with ProfileStore.open(any_url) as store:
        store.append([event(1)])

        assert forked(store.close) == ""

        assert store.append([event(2)]).accepted == 1
        assert store.profile(SPACE, "joe").version == 2


def test_a_store_opened_after_the_fork_is_as_any(either_url: str) -> None:
    def work() -> None:
        with ProfileStore.open(either_url) as own:
            assert own.append([event(2)]).accepted == 1

    with ProfileStore.open(either_url) as store:
        store.append([event(1)])

        assert forked(work) == ""

        assert store.append([event(3)]).accepted == 1
        assert store.profile(SPACE, "joe").version == 3


def test_without_looking_at_the_process_a_child_waits_and_harms_its_parent(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests above: nobody in the child will ever commit."""
    monkeypatch.setattr(Birthplace, "left", False)
    monkeypatch.setattr("profilestore.infrastructure.log.committer.GRACE_SECONDS", 0)
    with ProfileStore.open(new_url("postgresql-1"), busy_seconds=1) as store:
        store.append([event(1)])

        assert "StoreBusyError" in forked(lambda: store.append([event(2)]) and None)
        forked(store.close)

        with pytest.raises(StoreUnavailableError):
            store._database._ask(select(1), None)
