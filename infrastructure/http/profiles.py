"""`profiles` and `timemap`: a profile as it is and was, and since when (RFC 7089)."""

from fastapi import APIRouter, Request, Response

from profilestore.projections.current import CurrentProfile

from .caching import answer
from .memento import LINK_FORMAT, Resource, find, read_date, timemap, write_date
from .parameters import pairs
from .paths import profile_id, profile_paths
from .queries import Cuts, Folded
from .service import service_of, space_of

ACCEPT_DATETIME = "Accept-Datetime"
VARY = f"{ACCEPT_DATETIME}, Authorization"

_ACCEPT_DATETIME = {
    "name": ACCEPT_DATETIME,
    "in": "header",
    "description": "As it was then (RFC 7089).",
    "schema": {"type": "string", "examples": ["Sat, 02 May 2026 09:32:00 GMT"]},
}

router = APIRouter(tags=["profiles"])


@router.get(
    "/v1/spaces/{space}/profiles/{profile_id:rest}",
    response_model=CurrentProfile,
    summary="What a profile is, was, or was known to be",
    openapi_extra={"parameters": [*Cuts.describe(), _ACCEPT_DATETIME]},
)
async def profile(request: Request) -> Response:
    """Answer the current profile; a deleted one with `status: "deleted"`."""
    space, id_ = space_of(request), profile_id(request)
    cut = Cuts.read(request)
    service = service_of(request)
    resource = _resource(request, id_)
    headers = {"Vary": VARY, "Link": resource.links()}
    accepted = request.headers.get(ACCEPT_DATETIME)
    if accepted is None or cut.valid_at is not None:
        body = await service.ask(
            lambda store: store.current(space, id_, **cut.given()).to_json()
        )
        if cut.valid_at is not None:
            headers["Memento-Datetime"] = write_date(cut.valid_at)
        return answer(request, body, headers)
    asked = read_date(accepted)
    memento = await service.ask(
        lambda store: find(store.profile(space, id_, **cut.given()), asked)
    )
    headers["Memento-Datetime"] = write_date(memento.at)
    headers["Content-Location"] = resource.memento(memento.at)
    return answer(request, memento.body, headers)


@router.get(
    "/v1/spaces/{space}/timemap/{profile_id:rest}",
    summary="The times at which a profile changed (RFC 7089)",
    responses={200: {"content": {LINK_FORMAT: {"schema": {"type": "string"}}}}},
    response_class=Response,
    openapi_extra={"parameters": Folded.describe()},
)
async def times(request: Request) -> Response:
    """List the mementos of a profile, oldest first, as links."""
    space, id_ = space_of(request), profile_id(request)
    cut = Folded.read(request).given()
    resource = _resource(request, id_)
    body = await service_of(request).ask(
        lambda store: timemap(store.profile(space, id_, **cut), resource)
    )
    return answer(request, body, media_type=LINK_FORMAT)


def _resource(request: Request, id_: str) -> Resource:
    """Name the original in the words of who asks."""
    space = request.path_params["space"]
    query = {k: v for k, v in pairs(request) if k != "valid_at"}
    path, timemap_path = profile_paths(space, id_, "profiles", "timemap")
    return Resource(path, timemap_path, query)
