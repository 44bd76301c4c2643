"""The application: routes, errors and description, around a store of its process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from starlette.types import ASGIApp

from profilestore import __version__
from profilestore.domain.json_values import write_json
from profilestore.infrastructure.store import ProfileStore

from . import answers, docs, feed, health, logs, many, problems, profiles, webhook
from .caching import JSON
from .guard import STOPPING
from .keyring import Keyring
from .metrics import Metrics
from .observed import Observed
from .openapi import describe
from .service import Service

TITLE = "profilestore"
DESCRIPTION = (
    "Profiles of Dotdigital's Omnichannel API as the set of their events: what a "
    "profile is, was, and was known to be. Times are RFC 3339 with an offset; all "
    "bounds are inclusive. Errors are RFC 9457 problems."
)


@dataclass(frozen=True)
class Options:
    """What a process needs to know to serve; it can be sent to one."""

    url: str
    updates: str = "merge"
    space_updates: Mapping[str, str] = field(default_factory=dict)
    busy_seconds: float = 60.0
    config: Path | None = None
    allow_unsigned: bool = False
    allow_anonymous: bool = False
    log_level: str = "info"


def build(options: Options) -> ASGIApp:
    """Build the application of a process; its store is open while it is served."""
    logs.configure(options.log_level)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        keyring = Keyring(
            options.config,
            allow_unsigned=options.allow_unsigned,
            allow_anonymous=options.allow_anonymous,
        )
        # At the end the store commits what it took: all that was answered is stored.
        with _open(options) as store, store.keep_warm():
            metrics.watch(store.vitals)
            service = Service(store, keyring, metrics)
            watching = asyncio.gather(keyring.watch(), service.tail.watch())
            try:
                yield {"service": service, STOPPING: service.stopping}
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
                service.close()

    return Observed(_application(lifespan), metrics)


def _open(options: Options) -> ProfileStore:
    return ProfileStore.open(
        options.url,
        updates=options.updates,
        space_updates=options.space_updates,
        busy_seconds=options.busy_seconds,
    )


def _application(lifespan: Any) -> FastAPI:
    app = FastAPI(
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would send paths, which hold profile ids, to who collects them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.routes.append(webhook.ROUTE)
    for part in (profiles, answers, many, feed, health):
        app.include_router(part.router)
    problems.handle(app)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Add the API's description, as a document and as a page."""
    document = describe(app)
    text, page = write_json(document), docs.page(document)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(text, media_type=JSON)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> Response:
        headers = {"Content-Security-Policy": docs.POLICY}
        return Response(page, headers=headers, media_type="text/html")
