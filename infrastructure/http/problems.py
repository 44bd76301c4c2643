"""Every error as an RFC 9457 problem: which one is which status, in one table."""

from collections.abc import Mapping
from typing import NamedTuple

from fastapi import Request, Response

from profilestore.domain.errors import (
    InvalidArgumentError,
    NotFoundError,
    ProfileStoreError,
    StorageError,
    StoreBusyError,
    StoreOverloadedError,
    StoreUnavailableError,
)
from profilestore.domain.json_values import write_json

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
REQUEST_ID = "profilestore.request_id"
"""In the scope of a request."""
DOCUMENTATION = "/docs#problem-"


class Problem(NamedTuple):
    """A kind of error: its status, its name, and what it means for who asked."""

    status: int
    name: str
    title: str
    retry: bool = False


INVALID = Problem(400, "invalid-parameter", "A parameter breaks a rule")
UNAUTHORISED = Problem(401, "unauthorised", "No valid bearer token")
UNSIGNED = Problem(401, "unsigned", "No valid signature of the body")
NOT_FOUND = Problem(404, "not-found", "Not found")
NO_METHOD = Problem(405, "method-not-allowed", "The resource has no such method")
TOO_SLOW = Problem(408, "too-slow", "The body did not arrive in time", retry=True)
TOO_LARGE = Problem(413, "too-large", "The body is too large")
ENCODED = Problem(415, "encoded", "The body has a content encoding")
FAILED = Problem(500, "failed", "The server failed")
DAMAGED = Problem(500, "damaged", "The store is damaged: run profilestore verify")
BUSY = Problem(503, "busy", "The store is busy: try again", retry=True)
OVERLOADED = Problem(503, "overloaded", "Too much waits: try again", retry=True)
UNAVAILABLE = Problem(503, "unavailable", "The database is not reached", retry=True)

PROBLEMS = (
    *(INVALID, UNAUTHORISED, UNSIGNED, NOT_FOUND, NO_METHOD, TOO_SLOW, TOO_LARGE),
    *(ENCODED, FAILED, DAMAGED, BUSY, OVERLOADED, UNAVAILABLE),
)

OF_ERROR: dict[type[ProfileStoreError], Problem] = {
    InvalidArgumentError: INVALID,
    NotFoundError: NOT_FOUND,
    StoreBusyError: BUSY,
    StoreOverloadedError: OVERLOADED,
    StoreUnavailableError: UNAVAILABLE,
    StorageError: DAMAGED,
}
"""The first that an error is; one that is none of these is our failure."""


class Broken(NamedTuple):
    """A parameter, and the rule that it breaks."""

    parameter: str
    rule: str


class InvalidParametersError(Exception):
    """One or several parameters break rules."""

    def __init__(self, broken: list[Broken]) -> None:
        super().__init__()
        self.broken = broken


class ProblemError(Exception):
    """An error that the edge itself finds."""

    def __init__(self, problem: Problem, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.headers = headers


def problem_of(error: Exception) -> Problem:
    """Look an error up."""
    return next((p for kind, p in OF_ERROR.items() if isinstance(error, kind)), FAILED)


def render(
    problem: Problem,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """Write a problem document; `detail` never holds more than who asked has said."""
    document = {
        "type": DOCUMENTATION + problem.name,
        "title": problem.title,
        "status": problem.status,
    }
    document |= {"detail": detail} if detail else {}
    more = {"Retry-After": str(RETRY_SECONDS)} if problem.retry else {}
    return Response(
        write_json(document | members),
        problem.status,
        {"Cache-Control": "no-store", **more, **(headers or {})},
        MEDIA_TYPE,
    )


def is_expected(error: Exception) -> bool:
    """Tell an error that says what to do from one that nobody thought of."""
    return isinstance(error, ProfileStoreError | ProblemError | InvalidParametersError)


def respond(error: Exception, request: Request) -> Response:
    """Answer a request with its error."""
    match error:
        case ProblemError():
            names = ((name.replace("_", "-"), v) for name, v in error.headers.items())
            return render(error.problem, error.detail, dict(names))
        case InvalidParametersError():
            return _invalid(error.broken)
        case InvalidArgumentError():
            name = _PARAMETERS.get(error.argument, error.argument)
            return _invalid([Broken(name, error.rule)])
        case NotFoundError():
            # The same words for what is not there, is not in scope, or is not theirs.
            return render(NOT_FOUND, "nothing of that name is in scope")
        case ProfileStoreError():
            return render(problem_of(error))
        case _:
            # What it says may be of whom: the log tells where it came from.
            return render(FAILED, requestId=request.scope[REQUEST_ID])


_PARAMETERS = {"API space": "space", "profile": "profile_id"}
"""What the store calls otherwise than the parameter is called."""


def _invalid(broken: list[Broken]) -> Response:
    first = broken[0]
    detail = f"{first.parameter}: {first.rule}"
    return render(INVALID, detail, errors=[each._asdict() for each in broken])
