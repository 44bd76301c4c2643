"""The application: routes, errors and description, around a store of its process."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from profilestore.infrastructure.store import ProfileStore

from . import answers, docs, feed, health, logs, many, profiles, webhook
from .guard import STOPPING
from .keyring import Keyring
from .metrics import Metrics
from .observed import Observed
from .openapi import describe
from .routes import Routes
from .service import Service

TITLE = "profilestore"
DESCRIPTION = (
    "Profiles of Dotdigital's Omnichannel API as the set of their events: what a "
    "profile is, was, and was known to be. Times are RFC 3339 with an offset; all "
    "bounds are inclusive. Errors are RFC 9457 problems."
)

YOUNG_OBJECTS = 10_000
"""What requests make until the garbage collector looks through it."""


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
    async def lifespan(_: Router) -> AsyncIterator[dict[str, Any]]:
        keyring = Keyring(
            options.config,
            allow_unsigned=options.allow_unsigned,
            allow_anonymous=options.allow_anonymous,
        )
        # At the end the store commits what it took: all that was answered is stored.
        with _open(options) as store, store.keep_warm():
            metrics.watch(store.vitals)
            service = Service(store, keyring, metrics)
            _keep_what_is_loaded()
            watching = asyncio.gather(keyring.watch(), service.tail.watch())
            try:
                yield {"service": service, STOPPING: service.stopping}
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
                service.close()

    return Observed(Routes(_routes(), lifespan), metrics)


def _keep_what_is_loaded() -> None:
    """Have the garbage collector pass over what is there for good.

    That is hundreds of thousands of objects, which it would else look through every few
    thousand requests; and what is young, every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _routes() -> list[Route]:
    """Give all routes; the webhook's, which is asked for most, first."""
    parts = (profiles, answers, many, feed, health)
    described = [route for part in parts for route in part.router.routes]
    document = describe(TITLE, DESCRIPTION, described)
    served = [webhook.ROUTE, *described, *docs.routes(document)]
    return [route for route in served if isinstance(route, Route)]


def _open(options: Options) -> ProfileStore:
    return ProfileStore.open(
        options.url,
        updates=options.updates,
        space_updates=options.space_updates,
        busy_seconds=options.busy_seconds,
    )
