"""`GET /v1/spaces/{space}/{answer}/{profile id}`: answers about one profile."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from profilestore.domain.profile import Profile
from profilestore.infrastructure.store import ProfileStore
from profilestore.projections import blame as blaming
from profilestore.projections import deletion as deleting
from profilestore.projections import devices as pushing
from profilestore.projections import diff as comparing
from profilestore.projections import explain as explaining
from profilestore.projections import history as telling
from profilestore.projections.answer import Answer

from .caching import answer
from .paths import profile_id
from .problems import Broken, InvalidParametersError
from .queries import Between, Cuts, Since
from .service import service_of, space_of

router = APIRouter(tags=["profiles"])


def _add(
    name: str, fold: Callable[[Profile], Answer], model: type[Answer], summary: str
) -> None:
    """Add the route of an answer that is a fold of a profile."""

    @router.get(
        f"/v1/spaces/{{space}}/{name}/{{profile_id:rest}}",
        response_model=model,
        summary=summary,
        name=name,
        openapi_extra={"parameters": Cuts.describe()},
    )
    async def route(request: Request) -> Response:
        space, id_ = space_of(request), profile_id(request)
        cut = Cuts.read(request).given()

        def ask(store: ProfileStore) -> bytes:
            return fold(store.profile(space, id_, **cut)).to_json()

        return answer(request, await service_of(request).ask(ask))


_add(
    "deletion",
    deleting.deletion_status,
    deleting.DeletionStatus,
    "Whether a profile is deleted, since when and by whom",
)
_add(
    "devices",
    pushing.device_push,
    pushing.DevicePush,
    "Whether a profile can be pushed to, and if not, why",
)
_add(
    "history",
    telling.history,
    telling.History,
    "All events of a profile, in the order of their source",
)
_add(
    "blame",
    blaming.blame,
    blaming.Blame,
    "Which event set each member of the data",
)


@router.get(
    "/v1/spaces/{space}/diff/{profile_id:rest}",
    response_model=comparing.Diff,
    summary="What changed between two times",
    openapi_extra={"parameters": Between.describe()},
)
async def diff(request: Request) -> Response:
    """Compare what was true `from` and `to`, or known; one end left out is now."""
    space, id_ = space_of(request), profile_id(request)
    ends = Between.read(request)
    if not ends.model_fields_set - {"updates"}:
        rule = "give from or to, or known_from or known_to"
        raise InvalidParametersError([Broken("from", rule)])

    def ask(store: ProfileStore) -> bytes:
        whole = store.profile(space, id_, updates=ends.updates)
        return comparing.diff(
            whole,
            replace(whole.cut, valid_at=ends.from_, known_at=ends.known_from),
            replace(whole.cut, valid_at=ends.to, known_at=ends.known_to),
        ).to_json()

    return answer(request, await service_of(request).ask(ask))


@router.get(
    "/v1/spaces/{space}/explain/{profile_id:rest}",
    response_model=explaining.Explanation,
    summary="Why an answer is another now",
    openapi_extra={"parameters": Since.describe()},
)
async def explain(request: Request) -> Response:
    """Tell the events that came to be known between, each with what it changed."""
    space, id_ = space_of(request), profile_id(request)
    since = Since.read(request)

    def ask(store: ProfileStore) -> bytes:
        profile = store.profile(
            space, id_, valid_at=since.valid_at, updates=since.updates
        )
        return explaining.explain(
            profile, known_from=since.known_from, known_to=since.known_to
        ).to_json()

    return answer(request, await service_of(request).ask(ask))
