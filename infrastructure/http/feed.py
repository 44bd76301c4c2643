"""`GET /v1/feed`: the log in its order, page by page and live, to build on.

Of the API spaces of who asks, or one of them. Positions are those of the whole
partition, so they show how many events others have; that is what makes each position a
place to go on from.
"""

from collections.abc import AsyncIterator, Collection
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from profilestore.domain.errors import InvalidArgumentError, StorageError
from profilestore.domain.events import RecordedEvent
from profilestore.domain.timestamps import format_timestamp
from profilestore.infrastructure.log.feed import Page

from .caching import answer
from .credentials import Reader
from .parameters import MOST, pairs
from .queries import Following, Paged, Streamed
from .service import Service, read_space, reader_of, service_of

HEARTBEAT_SECONDS = 15.0
"""Between two signs of life, so that proxies keep the connection."""
RETRY_MILLISECONDS = 2000
AT_ONCE = 500
LAST_EVENT_ID = "Last-Event-ID"
EVENT_STREAM = "text/event-stream"

_LAST_EVENT_ID = {
    "name": LAST_EVENT_ID,
    "in": "header",
    "description": "The position that was read last.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MOST},
}

router = APIRouter(tags=["feed"])


@router.get(
    "/v1/feed",
    summary="The log, page by page",
    responses={200: {"content": {"application/json": {}}}},
    openapi_extra={"parameters": Paged.describe()},
)
async def page(request: Request) -> Response:
    """Read events after a position, in order; `Link` has the next page.

    Go on from `position`, also where a page is short or empty: the rest of it was
    others'. None is skipped or repeated.
    """
    reader, service = reader_of(request), service_of(request)
    paged = Paged.read(request)
    spaces = _spaces(reader, paged)
    read = await _page(service, spaces, paged, paged.after, paged.limit)
    events = b",".join(_document(paged.partition, event) for event in read.events)
    body = b'{"partition":%d,"partitions":%d,"position":%d,"events":[%b]}' % (
        paged.partition,
        service.store.partitions,
        read.position,
        events,
    )
    query = [(k, v) for k, v in pairs(request) if k != "after"]
    query.append(("after", str(read.position)))
    link = f'</v1/feed?{urlencode(query)}>; rel="next"'
    return answer(request, body, {"Link": link})


@router.get(
    "/v1/feed/stream",
    summary="The log, live: server-sent events",
    responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
    response_class=StreamingResponse,
    openapi_extra={"parameters": [*Streamed.describe(), _LAST_EVENT_ID]},
)
async def stream(request: Request) -> Response:
    """Send all events after a position, then those to come; each id is its position.

    A client that comes again with `Last-Event-ID` goes on where it was.
    """
    reader, service = reader_of(request), service_of(request)
    streamed = Streamed.read(request)
    last = request.headers.get(LAST_EVENT_ID)
    after = streamed.after if last is None else _position(last)
    spaces = _spaces(reader, streamed)
    await _page(service, spaces, streamed, after, 1)  # or say now what is wrong
    return StreamingResponse(
        _send(service, spaces, streamed, after),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _send(
    service: Service, spaces: Collection[str] | None, part: Following, after: int
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS
    while not service.stopping.is_set():
        try:
            read = await _page(service, spaces, part, after, AT_ONCE)
        except StorageError:
            return  # the client comes again with the id it had last
        if read.events:
            yield b"".join(_message(part.partition, event) for event in read.events)
        if read.position > after:
            if not read.events or read.events[-1].position < read.position:
                yield b"id: %d\n\n" % read.position  # over what is others'
            after = read.position
            continue
        yield b": \n\n"
        await service.tail.wait_beyond(part.partition, after, HEARTBEAT_SECONDS)


async def _page(
    service: Service,
    spaces: Collection[str] | None,
    part: Following,
    after: int,
    limit: int,
) -> Page:
    return await service.scan(
        lambda store: store.feed(
            after=after, limit=limit, partition=part.partition, api_space_id=spaces
        )
    )


def _spaces(reader: Reader, part: Following) -> Collection[str] | None:
    return (
        reader.spaces if part.space is None else {reader.seen(read_space(part.space))}
    )


def _position(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MOST):
        raise InvalidArgumentError(LAST_EVENT_ID, "must be a position of the log")
    return int(text)


def _document(partition: int, recorded: RecordedEvent) -> bytes:
    """Write an event with the exact text that was received."""
    return (
        b'{"partition":%d,"position":%d,"version":%d,"recordedAt":"%b","event":%b}'
    ) % (
        partition,
        recorded.position,
        recorded.version,
        format_timestamp(recorded.recorded_at).encode(),
        recorded.event.text,
    )


def _message(partition: int, recorded: RecordedEvent) -> bytes:
    # A line break in JSON is blank space, and would end the message here.
    line = _document(partition, recorded).translate(_IN_A_LINE)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        recorded.position,
        recorded.event.name.encode(),
        line,
    )


_IN_A_LINE = bytes.maketrans(b"\r\n", b"  ")
