"""Around the whole application: what each request came to, logged and measured."""

import time
from itertools import count
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import places
from .metrics import Metrics
from .problems import REQUEST_ID

NO_ROUTE = "none"


class Observed:
    """Gives each request an id, and tells of it by its route's template only.

    The path itself would hold profile ids. An error that nobody expected is answered
    500 and logged by its kind and place, without what it says.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger().bind()  # once, not for each line
        # Unique without asking the system for chance each time.
        self._ids = map(f"{uuid4().hex[:16]}-{{:x}}".format, count())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, request_id, status = time.perf_counter(), next(self._ids), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        method = scope["method"]
        # To HEAD the server gives the answer to GET without its body (RFC 9110).
        asked = "GET" if method == "HEAD" else method
        seen = {**scope, "method": asked, REQUEST_ID: request_id}
        try:
            await self._app(seen, receive, sending)
        except Exception as error:  # noqa: BLE001 - the last one who can say something
            self._log.error(
                "request failed",
                request_id=request_id,
                error=type(error).__name__,
                frames=places(error),
            )
        finally:
            route = getattr(seen.get("route"), "path_format", NO_ROUTE)
            seconds = time.perf_counter() - began
            self._metrics.requested(method, route, status, seconds)
            self._log.info(
                "request",
                request_id=request_id,
                method=method,
                route=route,
                status=status,
                seconds=round(seconds, 6),
            )
