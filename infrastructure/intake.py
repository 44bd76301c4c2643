"""Appending from an event loop: no thread waits for a commit."""

import asyncio
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import TypeVar, cast

from profilestore.domain.admission import Outcome
from profilestore.domain.receipt import Receipt
from profilestore.domain.text import storable

from .ingress.webhook import read_webhook
from .log.committer import Committer
from .log.group import Delivery
from .log.ticket import Ticket
from .loop_calls import LoopCalls

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
        self._calls: LoopCalls | None = None

    async def append(self, body: bytes, *, ingress: str) -> Receipt:
        """Store a body; the answer comes when all of it is durable.

        What cannot be accepted is quarantined, be it no JSON at all. Raise
        StoreOverloadedError if too much waits, StorageError if the database fails; the
        same body can be appended again. If it is cancelled, the body may still be
        stored later.
        """
        batches = await aside(len(body), lambda: list(read_webhook(body)))
        named = storable(ingress)
        return await self._commit([Delivery(batch, named) for batch in batches])

    async def _commit(self, deliveries: Sequence[Delivery]) -> Receipt:
        calls, left = self._calls_into(asyncio.get_running_loop()), len(deliveries)
        committed = calls.loop.create_future()

        def settle() -> None:
            nonlocal left
            left -= 1
            if not left and not committed.done():  # who waits may have given up
                committed.set_result(None)

        def told(_: Ticket) -> None:
            calls.soon(settle)

        tickets = [self._committer.submit(each, told) for each in deliveries]
        if not tickets:
            return Receipt()
        await committed
        return reduce(add, (Receipt.of(_outcomes(ticket)) for ticket in tickets))

    def _calls_into(self, loop: asyncio.AbstractEventLoop) -> LoopCalls:
        """Give the calls into a loop: of a store's life there is hardly a second."""
        if self._calls is None or self._calls.loop is not loop:
            self._calls = LoopCalls(loop)
        return self._calls


def _outcomes(ticket: Ticket) -> list[Outcome]:
    return cast("list[Outcome]", ticket.result())


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do work on so many bytes: at once if they are few, else in a thread."""
    return work() if size <= INLINE_BYTES else await asyncio.to_thread(work)
