"""The body of a webhook's request, from bytes to what the log takes."""

from collections.abc import Iterable, Iterator

from profilestore.domain.envelope import Delivered
from profilestore.domain.json_values import MalformedJsonError, read_json
from profilestore.domain.rejection import Problem, Reason, Rejection

from .delivery import read_alone, read_delivery
from .frames import BLANK


def read_webhook(body: bytes) -> Iterator[list[Delivered]]:
    """Read a body that is to be one event or an array of events, in batches.

    Of one that is no JSON, what can be told to be an event is taken. Where that is
    nothing the body is one thing, and kept whole: its pieces would not tell any more
    what was sent.
    """
    if (event := read_alone(body)) is not None:
        yield [event]  # as nearly always
        return
    batches = list(read_delivery(body))
    items = (item for batch in batches for item in batch)
    if body.strip(BLANK) and _is_debris(items):
        try:
            read_json(body)
        except MalformedJsonError as error:
            problem = Problem("", f"the body is no JSON: {error}")
            reason = Reason.MALFORMED_JSON
            yield [Rejection(text=body, reason=reason, problems=(problem,))]
            return
    yield from batches


_PIECES = (Reason.MALFORMED_JSON, Reason.NOT_AN_EVENT, Reason.TOO_LARGE)
"""What pieces of anything are found to be."""


def _is_debris(items: Iterable[Delivered]) -> bool:
    return all(isinstance(item, Rejection) and item.reason in _PIECES for item in items)
