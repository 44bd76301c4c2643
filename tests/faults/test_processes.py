"""Real processes: killed while appending, or appending at once."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from profilestore import ProfileNotFoundError, ProfileStore
from profilestore.domain.events import RecordedEvent

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"

APPENDER = f"""
import sys
from profilestore import ProfileNotFoundError, ProfileStore
from profilestore.domain.events import RecordedEvent
url, first, count, size = sys.argv[1], *map(int, sys.argv[2:5])
with ProfileStore.open(url) as store:
    print("open", flush=True)
    for start in range(first, first + count, size):
        batch = [
            {{
                "eventId": f"e{{n}}", "apiSpaceId": "{SPACE}", "name": "profile.update",
                "payload": {{"id": f"p{{n % 7}}", "n": n}}, "revision": n,
                "timestamp": "2017-05-31T15:26:58.199Z",
            }}
            for n in range(start, start + size)
        ]
        store.append(batch)
        print(start, flush=True)
"""


def appender(
    url: str, first: int, count: int, size: int, code: str = APPENDER
) -> subprocess.Popen[str]:
    arguments = [url, *map(str, (first, count, size))]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )


def numbers(store: ProfileStore) -> list[int]:
    return sorted(
        json.loads(recorded.event.text)["payload"]["n"]
        for p in range(7)
        for recorded in store.profile(SPACE, f"p{p}").events
    )


def test_killed_while_appending_what_was_reported_is_there_once(url: str) -> None:
    """20 times kill -9: no reported batch lost, none twice, no half batch."""
    seeded = random.Random(1)
    size = 50
    reported: set[int] = set()
    for _ in range(20):
        # Begin before the end of what is stored: that counts as duplicate.
        first = max(reported, default=size) - size
        with appender(url, first, 100_000, size) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            for _ in range(seeded.randrange(2, 12)):
                reported.add(int(process.stdout.readline()))
            process.send_signal(signal.SIGKILL)
            # What it still said before it died was said, too.
            reported |= {int(line) for line in process.stdout.read().split()}

        with ProfileStore.open(url) as store:
            stored = numbers(store)
            assert len(stored) == len(set(stored))
            assert set(stored) >= {n + i for n in reported for i in range(size)}
            assert len(stored) % size == 0
            assert store.stats()["positions"] == {0: len(stored)}
    assert len(reported) > 20


def test_reported_before_it_is_stored_it_can_be_lost(url: str) -> None:
    """The control of the test above: it is the answer after the commit that protects."""
    store, say = "store.append(batch)", "print(start, flush=True)"
    assert f"{store}\n        {say}" in APPENDER
    hasty = APPENDER.replace(f"{store}\n        {say}", f"{say}\n        {store}")
    with ProfileStore.open(url) as opened:
        for first in range(0, 100_000, 10_000):
            with appender(url, first, 5_000, 500, hasty) as process:
                assert process.stdout is not None
                process.stdout.readline()
                last = int(process.stdout.readline())
                process.send_signal(signal.SIGKILL)
            if f"e{last}" not in {
                r.event.event_id for p in range(7) for r in _events(opened, f"p{p}")
            }:
                return
    raise AssertionError("nothing was ever lost: the test above proves nothing")


def _events(store: ProfileStore, profile_id: str) -> tuple[RecordedEvent, ...]:
    try:
        return store.profile(SPACE, profile_id).events
    except ProfileNotFoundError:
        return ()


def test_processes_that_append_at_once_lose_nothing(url: str) -> None:
    """Four processes make the store together and share it; half of it is the same."""
    processes = [appender(url, first, 600, 20) for first in (0, 0, 600, 300)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0

    with ProfileStore.open(url) as store:
        assert numbers(store) == list(range(1200))
        assert store.stats()["positions"] == {0: 1200}


def test_without_the_immediate_lock_processes_lose_each_others_place(
    tmp_path: Path,
) -> None:
    """The control of the test above: with deferred transactions appends fail."""
    url = f"sqlite:///{tmp_path / 'deferred.db'}"
    ProfileStore.open(url).close()
    deferred = APPENDER.replace(
        "url, first",
        "from profilestore.infrastructure.log import sqlite as s\n"
        "engine = s._engine\n"
        "s._engine = lambda u, mode, busy, readonly: "
        "engine(u, 'DEFERRED', busy, readonly=readonly)\n"
        "url, first",
        1,
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", deferred, url, str(first), "6000", "20"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for first in (0, 6000)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]

    assert any(b"StoreBusyError" in error for error in errors)
