"""`/healthz`, `/readyz`, `/metrics`: for who runs the service. Keep them inside."""

from fastapi import APIRouter, Request, Response

from profilestore.domain.errors import StorageError

from .metrics import CONTENT_TYPE
from .problems import problem_of, render
from .service import service_of

router = APIRouter(tags=["operations"])

_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get(
    "/healthz",
    summary="Whether the process lives",
    responses={200: _TEXT},
    response_class=Response,
)
async def healthz(_: Request) -> Response:
    """Answer: that is all it says. It asks nothing of the database."""
    return Response("ok\n", media_type="text/plain")


@router.get(
    "/readyz",
    summary="Whether a delivery would be stored now",
    responses={200: _TEXT},
    response_class=Response,
)
async def readyz(request: Request) -> Response:
    """Check the database, its schema and its disk, and that the queue is not full."""
    try:
        await service_of(request).scan(lambda store: store.vitals.check())
    except StorageError as error:
        return render(problem_of(error))
    return Response("ready\n", media_type="text/plain")


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    responses={200: _TEXT},
    response_class=Response,
)
async def metrics(request: Request) -> Response:
    """Write counts, times, lag and sizes; no label says who or what."""
    service = service_of(request)
    text = await service.scan(lambda _: service.metrics.render())
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
