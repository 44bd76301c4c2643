"""profilestore as a user has it: deliveries in, answers out, all of it durable."""

import io
from collections.abc import Iterator, Sequence

from workload import SPACE, Figure, concurrently, timed

from profilestore import ProfileStore

THREADS = 64


def figures(
    url: str, again: str, events: Sequence[bytes]
) -> Iterator[tuple[str, Figure]]:
    """Measure on two new stores: what is appended in bulk is read, too."""
    body = b"\n".join(events)
    with ProfileStore.open(url) as store:
        yield (
            "bulk append",
            timed(len(events), lambda: store.append_stream(io.BytesIO(body))),
        )
        yield (
            "bulk append, all duplicates",
            timed(len(events), lambda: store.append_stream(io.BytesIO(body))),
        )
        yield "read the log by position", timed(len(events), lambda: _read(store))
        profiles = [f"joe.blogs.{n}@example.com" for n in range(2000)]
        yield (
            "current profile (profiles/s)",
            timed(len(profiles), lambda: [store.current(SPACE, p) for p in profiles]),
        )
    with ProfileStore.open(again) as store:
        singles = events[: max(2000, len(events) // 4)]
        yield (
            f"single appends, {THREADS} threads",
            concurrently(THREADS, singles, store.append),
        )


def _read(store: ProfileStore) -> int:
    """Go through the log as a feed does."""
    page = store.feed(limit=1000)
    count = 0
    while page.events:
        count += len(page.events)
        page = store.feed(after=page.position, limit=1000)
    return count
