"""A delivery, from bytes to what the log takes."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from profilestore.domain.envelope import Delivered, read_event
from profilestore.domain.rejection import Problem, Reason, Rejection

from .compression import DamagedStreamError, chunks
from .frames import BLANK, KEPT_BYTES, Oversized, frames

BATCH_EVENTS = 2000
BATCH_BYTES = 8 * 1024 * 1024
"""What one transaction takes at most, so that it stays short and memory bounded."""


def read_alone(body: bytes) -> Delivered | None:
    """Read a delivery of one event; None if there may be more in it."""
    text = body.strip(BLANK)
    if not text.startswith(b"{"):
        return None
    event = read_event(text)
    whole = not isinstance(event, Rejection) or event.reason in _WHOLE
    return event if whole else None


_WHOLE = (Reason.UNSUPPORTED_EVENT, Reason.INVALID_FIELD)
"""What can only be said of one JSON object that is read to its end."""


def read_delivery(body: bytes) -> Iterator[list[Delivered]]:
    """Read a delivery that is at hand, in batches."""
    return _batches(frames([body]))


def read_stream(stream: BinaryIO) -> Iterator[list[Delivered]]:
    """Read a delivery of any length, plain, gzip or zstd, in batches.

    Raise DamagedStreamError where the compression is broken, after what came before.
    """
    return _batches(frames(chunks(stream)))


def read_events(texts: Iterable[bytes]) -> Iterator[list[Delivered]]:
    """Read events whose texts are already apart, in batches."""
    return _batches([text] for text in texts)


def _batches(
    groups: Iterable[Iterable[bytes | Oversized]],
) -> Iterator[list[Delivered]]:
    batch: list[Delivered] = []
    size = 0
    try:
        for group in groups:
            for frame in group:
                batch.append(_read(frame))
                size += len(frame) if isinstance(frame, bytes) else len(frame.head)
                if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
    except DamagedStreamError:
        # What came whole before the damage is not to be lost with it.
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _read(frame: bytes | Oversized) -> Delivered:
    if isinstance(frame, bytes):
        return read_event(frame)
    rule = (
        f"is {frame.size:,} bytes, over 1 MiB; only the first {KEPT_BYTES:,} are kept "
        f"(SHA-256 of the whole: {frame.sha256})"
    )
    return Rejection(
        text=frame.head, reason=Reason.TOO_LARGE, problems=(Problem("", rule),)
    )
