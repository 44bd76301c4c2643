"""The body of a request, read with a bound on each and on all of them together."""

from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from profilestore.domain.errors import StoreOverloadedError

from .problems import TOO_LARGE, ProblemError

MOST_BYTES = 16 * 1024 * 1024
"""Of one body (SPEC section 9)."""
MOST_BYTES_TOGETHER = 256 * 1024 * 1024
"""Of all bodies that are being received by a process."""


class Bodies:
    """Receives bodies: what a sender declares is believed only if it is too much."""

    def __init__(self) -> None:
        self._bytes = 0

    async def receive(self, receive: Receive, declared: bytes) -> bytes:
        """Receive a body, byte for byte; `declared` is its content length, if any.

        Raise ProblemError for one of over 16 MiB as soon as that is known, and
        StoreOverloadedError while all that are on their way have over 256 MiB.
        ClientDisconnect if the sender goes.
        """
        with suppress(ValueError):  # of digits past counting: the stream will tell
            if declared.isdigit() and int(declared) > MOST_BYTES:
                raise _too_large()
        chunks: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(chunk)
                self._bytes += len(chunk)
                if size > MOST_BYTES:
                    raise _too_large()
                if self._bytes > MOST_BYTES_TOGETHER:
                    raise StoreOverloadedError(0)
                chunks.append(chunk)
        finally:
            self._bytes -= size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> ProblemError:
    return ProblemError(TOO_LARGE, f"over {MOST_BYTES:,} bytes")


__all__ = ["MOST_BYTES", "Bodies", "ClientDisconnect"]
