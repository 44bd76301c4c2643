"""`POST /webhooks/dotdigital`: deliveries in, receipts out (SPEC section 9).

The platform never sends again what was answered 400, and the rest for a day. So a body
with a valid signature is stored or answered 503, whatever it is.
"""

import asyncio

from fastapi import Request, Response
from starlette.routing import Route

from profilestore.domain.errors import StorageError, StoreBusyError
from profilestore.domain.json_values import write_json
from profilestore.domain.receipt import Receipt
from profilestore.infrastructure.intake import aside

from .body import ClientDisconnect
from .caching import JSON
from .credentials import SIGNATURE_BYTES
from .problems import ENCODED, TOO_SLOW, UNSIGNED, ProblemError
from .service import Service, service_of

PATH = "/webhooks/dotdigital"
INGRESS = "webhook"
ANSWER_SECONDS = 8.0
"""From the head of a request to its answer: the platform waits 10."""
SIGNATURE = b"x-comapi-signature"
ENCODING = b"content-encoding"
LENGTH = b"content-length"


async def receive(request: Request) -> Response:
    """Store a delivery."""
    service = service_of(request)
    outcome = "failed"
    try:
        receipt = await _store(request, service)
        outcome = "stored"
    except ProblemError as error:
        outcome = error.problem.name
        raise
    except StorageError:
        outcome = "not-stored"
        raise
    except ClientDisconnect:
        outcome = "broken-off"
        return Response(status_code=400)  # nobody hears it
    finally:
        service.metrics.delivered(outcome)
    return Response(write_json(receipt), media_type=JSON)


async def _store(request: Request, service: Service) -> Receipt:
    loop = asyncio.get_running_loop()
    taken = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            body = await _signed_body(request, service)
            taken = loop.time()
            receipt = await service.store.intake.append(body, ingress=INGRESS)
    except TimeoutError:
        if taken is not None:
            raise StoreBusyError(ANSWER_SECONDS) from None
        raise ProblemError(TOO_SLOW, "send it again", Connection="close") from None
    service.metrics.committed(receipt, loop.time() - taken)
    return receipt


async def _signed_body(request: Request, service: Service) -> bytes:
    """Receive a body and check its signature; nothing of it is parsed before.

    Without what could be a signature the body is not even received.
    """
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    said = dict(headers)
    if ENCODING in said:
        # Whatever it says: a body is taken as it was signed.
        raise ProblemError(
            ENCODED, "send the body as it is", Accept_Encoding="identity"
        )
    signatures = [value for name, value in headers if name == SIGNATURE]
    unsigned = service.keyring.takes_unsigned(lambda: request.url.hostname)
    if not unsigned and all(len(s) != SIGNATURE_BYTES for s in signatures):
        raise _unsigned()
    body = await service.bodies.receive(request.receive, said.get(LENGTH, b""))
    credentials = service.keyring.credentials
    if unsigned or await aside(len(body), lambda: credentials.signed(body, signatures)):
        return body
    raise _unsigned()


ROUTE = Route(PATH, receive, methods=["POST"])


def _unsigned() -> ProblemError:
    rule = "X-Comapi-Signature is the HMAC-SHA1 of the body under a secret set here"
    return ProblemError(UNSIGNED, rule)
