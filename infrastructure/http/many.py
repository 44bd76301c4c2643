"""Lists, counts and series of an API space's profiles, from the read models."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from profilestore.domain.errors import NotFoundError
from profilestore.domain.json_values import write_json
from profilestore.infrastructure.store import ProfileStore
from profilestore.projections.answer import View
from profilestore.projections.counts import Count, CountSeries
from profilestore.projections.listed import ListedProfile

from .caching import answer
from .parameters import pairs
from .queries import Counted, Listed, Series
from .service import service_of, space_of

router = APIRouter(tags=["spaces"])


class ProfileList(View):
    """A page of profiles, in order of the bytes of their ids."""

    profiles: list[ListedProfile]


@router.get(
    "/v1/spaces/{space}/profiles",
    response_model=ProfileList,
    summary="The profiles of an API space, page by page",
    openapi_extra={"parameters": Listed.describe()},
)
async def profiles(request: Request) -> Response:
    """List profiles; while there are more, `Link` has the next page."""
    space, listed = space_of(request), Listed.read(request)
    asked = listed.given()
    limit = asked.pop("limit", listed.limit)

    def ask(store: ProfileStore) -> list[ListedProfile]:
        # One more than asked for tells whether there is a next page.
        found = list(store.profiles(space, limit=limit + 1, **asked))
        return found or _nothing(store, space)

    found = await service_of(request).scan(ask)
    page = found[:limit]
    documents = [profile.document() for profile in page]
    more = len(found) > limit
    headers = {"Link": _next(request, page[-1].profile_id)} if more else {}
    return answer(request, write_json({"profiles": documents}), headers)


@router.get(
    "/v1/spaces/{space}/count",
    response_model=Count,
    summary="How many profiles an API space has",
    openapi_extra={"parameters": Counted.describe()},
)
async def count(request: Request) -> Response:
    """Count profiles by status, and by what a push would reach."""
    space, asked = space_of(request), Counted.read(request).given()

    def ask(store: ProfileStore) -> Count:
        found = store.count(space, **asked)
        if not found.profiles:
            _nothing(store, space)
        return found

    found = await service_of(request).scan(ask)
    return answer(request, found.to_json())


@router.get(
    "/v1/spaces/{space}/series",
    response_model=CountSeries,
    summary="How many profiles an API space had over time",
    openapi_extra={"parameters": Series.describe()},
)
async def series(request: Request) -> Response:
    """Count what was true at `from`, a `step` later, and so on, to 10,000 times."""
    space, asked = space_of(request), Series.read(request).given()

    def ask(store: ProfileStore) -> CountSeries:
        found = store.count_over(space, **asked)
        if not any(moment.profiles for moment in found.counts):
            _nothing(store, space)
        return found

    found = await service_of(request).scan(ask)
    return answer(request, found.to_json())


def _nothing(store: ProfileStore, space: str) -> list[ListedProfile]:
    """Answer nothing of an API space that has profiles, else that there is none."""
    every = store.count(space)
    if every.profiles or every.set_aside:
        return []
    raise NotFoundError(space)


def _next(request: Request, last: str) -> str:
    query = [(k, v) for k, v in pairs(request) if k != "after"]
    reference = f"{request.url.path}?{urlencode([*query, ('after', last)])}"
    return f'<{reference}>; rel="next"'
