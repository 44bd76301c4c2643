"""Appending from an event loop: no thread waits for a commit."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar, cast

from profilestore.domain.admission import Outcome
from profilestore.domain.errors import StoreBusyError
from profilestore.domain.receipt import Receipt
from profilestore.domain.text import storable

from .ingress.webhook import read_webhook
from .log.committer import Committer
from .log.group import Delivery
from .log.ticket import Ticket

T = TypeVar("T")

INLINE_BYTES = 16 * 1024
"""A body up to this is read where it came, sooner than it would be handed over."""


class Intake:
    """The door of the log for what comes over a network: bodies in, receipts out.

    Any number of bodies can wait to be stored, and those that wait together are
    committed together.
    """

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    async def append(self, body: bytes, *, ingress: str, seconds: float) -> Receipt:
        """Store a body; the answer comes when all of it is durable.

        What cannot be accepted is quarantined, be it no JSON at all. Raise
        StoreBusyError if it is not committed within so many seconds: it may still be
        stored later. Raise StoreOverloadedError if too much waits, StorageError if the
        database fails; the same body can be appended again.
        """
        try:
            async with asyncio.timeout(seconds):
                batches = await aside(len(body), lambda: list(read_webhook(body)))
                named = storable(ingress)
                return await self._commit(Delivery(batch, named) for batch in batches)
        except TimeoutError:
            raise StoreBusyError(seconds) from None

    async def _commit(self, deliveries: Iterable[Delivery]) -> Receipt:
        futures: list[asyncio.Future[list[Outcome]]] = []
        try:
            for delivery in deliveries:
                futures.append(self._submit(delivery))  # noqa: PERF401 - to have those before a failure
        except BaseException:
            for future in futures:
                future.cancel()  # nobody will hear of it
            raise
        answers = await asyncio.gather(*futures)
        return sum(map(Receipt.of, answers), start=Receipt())

    def _submit(self, delivery: Delivery) -> asyncio.Future[list[Outcome]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()

        def settle(ticket: Ticket) -> None:
            if future.done():
                return  # who waited has given up
            try:
                future.set_result(cast("list[Outcome]", ticket.result()))
            except Exception as error:  # noqa: BLE001 - it is the waiter's
                future.set_exception(error)

        def told(ticket: Ticket) -> None:
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(settle, ticket)

        self._committer.submit(delivery, told)
        return future


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do work on so many bytes: at once if they are few, else in a thread."""
    return work() if size <= INLINE_BYTES else await asyncio.to_thread(work)
