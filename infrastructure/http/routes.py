"""The routes as they are served: a table of paths, and each error as a problem."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Lifespan, Receive, Scope, Send

from .problems import NO_METHOD, NOT_FOUND, ProblemError, is_expected, respond


class Routes:
    """Serves routes that FastAPI describes.

    It does not serve them itself: to look for parameters, bodies and dependencies that
    no route of ours has takes it longer than an answer.
    """

    def __init__(self, routes: Iterable[Route], lifespan: Lifespan[Router]) -> None:
        self._routes = list(routes)
        self._lifespan = Router(lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; raise an error nobody expected once that is answered."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        request = Request(scope, receive)
        unexpected = None
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - each has an answer
            response = respond(error, request)
            unexpected = None if is_expected(error) else error
        await response(scope, receive, send)
        if unexpected is not None:
            raise unexpected

    async def _answer(self, request: Request) -> Response:
        scope = request.scope
        for route in self._routes:
            if found := route.path_regex.match(scope["path"]):
                scope["route"], scope["path_params"] = route, found.groupdict()
                methods = route.methods or ()
                if scope["method"] not in methods:
                    raise ProblemError(NO_METHOD, "", Allow=", ".join(sorted(methods)))
                response: Response = await route.endpoint(request)
                return response
        raise ProblemError(NOT_FOUND, "")
