"""What is measured: events as a real feed has them, and how a figure is taken."""

import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from statistics import quantiles
from threading import Barrier, Thread
from uuid import UUID

BEGUN = date(2026, 5, 1)
SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"


def texts(
    events: int,
    profiles: int = 5000,
    seed: int = 1,
    *,
    first: int = 0,
    all_kinds: bool = False,
) -> list[bytes]:
    """Make events of about 450 bytes, interleaved over the profiles.

    Creates and updates; with `all_kinds` also devices, each tenth, and some deletes.
    """
    chance = random.Random(seed)

    def text(number: int) -> bytes:
        revision, profile = divmod(number, profiles)
        name = "update" if revision else "create"
        payload = {
            "id": f"joe.blogs.{profile}@example.com",
            "name": f"Joe Blogs {chance.randrange(1000)}",
            "email": f"joe.blogs.{profile}@example.com",
            "address": {"street": "Downing Street 10", "city": "London"},
            "visits": number,
        }
        if all_kinds and revision and not number % 10:
            name = "devicesUpdated"
            devices = {"count": 1, "pushEnabled": chance.randrange(2)}
            payload = {"id": payload["id"], "devices": {"mobile": devices}}
        elif all_kinds and revision and number % 50 == 1:
            name = "delete"
        envelope = {
            "eventId": str(UUID(int=chance.getrandbits(128), version=4)),
            "accountId": 39,
            "apiSpaceId": SPACE,
            "name": f"profile.{name}",
            "payload": payload,
            "revision": revision,
            "etag": f'"{chance.getrandbits(80):x}"',
            "timestamp": f"{BEGUN + timedelta(revision)}T15:26:58.{number % 1000:03}Z",
        }
        return json.dumps(envelope).encode()

    return [text(number) for number in range(first, first + events)]


class Figure:
    """Events in seconds, and the latencies of single calls where they were taken."""

    def __init__(
        self, events: int, seconds: float, latencies: Sequence[float] = ()
    ) -> None:
        self.rate = events / seconds
        self.p99 = quantiles(latencies, n=100)[98] if latencies else None


def timed(events: int, work: Callable[[], object]) -> Figure:
    """Time one piece of work that deals with so many events."""
    began = time.perf_counter()
    work()
    return Figure(events, time.perf_counter() - began)


def concurrently(
    threads: int, items: Sequence[bytes], call: Callable[[bytes], object]
) -> Figure:
    """Call with each item, from so many threads that start together."""
    latencies: list[float] = []
    start = Barrier(threads + 1)

    def work(share: Sequence[bytes]) -> None:
        start.wait()
        for item in share:
            began = time.perf_counter()
            call(item)
            latencies.append(time.perf_counter() - began)

    workers = [Thread(target=work, args=(items[n::threads],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return Figure(len(items), time.perf_counter() - began, latencies)
