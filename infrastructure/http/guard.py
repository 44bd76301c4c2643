"""The HTTP protocol of uvicorn, with bounds on senders that are slow, or never end."""

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

HEAD_SECONDS = 10.0
"""For the head of a request to arrive, and for the rest of a body nobody wants."""
HEAD_BYTES = 64 * 1024
"""Of a head, about."""

STOPPING = "stopping"
"""In the state of the application: the event that is set when the server stops."""


class Guarded(HttpToolsProtocol):
    """A connection that must say what it wants in time, and in few words."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._heads = 0
        self._head_bytes = 0
        self._timer: TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._ended = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more, and answer no more."""
        self._wait_no_more()
        if self._answering:  # of several requests only the last would be told
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for one
        """Answer what was asked by who sends no more; who reads a stream has gone."""
        asked = self._answering
        if asked is not None:
            self._ended = not (asked.response_started or self.cycle.more_body)
        return self._ended

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head."""
        head = self._heads if self._in_head else None
        super().data_received(data)
        if self._in_head and self._heads == head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of the request is too long.")
            elif self._timer is None:
                self._wait()

    def on_headers_complete(self) -> None:
        """Leave what follows to the route, which bounds it."""
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        super().on_message_complete()
        self._in_head = True
        self._heads += 1
        self._head_bytes = 0
        self._wait_no_more()

    def on_response_complete(self) -> None:
        """Let what is left of the body come, for a while."""
        super().on_response_complete()
        if self._ended and self.cycle.response_complete:  # the last
            self.transport.close()
        elif not self._in_head:
            self._wait()

    def shutdown(self) -> None:
        """Let what has no end know that the server stops."""
        self.app_state[STOPPING].set()
        super().shutdown()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _wait(self) -> None:
        self._wait_no_more()
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
