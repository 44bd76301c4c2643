"""The API's description: OpenAPI 3.1, with the webhook as one of ours and as theirs."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from profilestore import __version__

from .examples import EVENTS, RECEIPT
from .parameters import MOST
from .paths import MOST_CHARACTERS
from .problems import (
    BUSY,
    ENCODED,
    FAILED,
    INVALID,
    MEDIA_TYPE,
    NOT_FOUND,
    TOO_LARGE,
    TOO_SLOW,
    UNAUTHORISED,
    UNSIGNED,
    Problem,
)
from .webhook import PATH, SIGNATURE

Json = dict[str, Any]

_OF_READS = (INVALID, UNAUTHORISED, NOT_FOUND, BUSY, FAILED)
_OF_WEBHOOK = (UNSIGNED, TOO_SLOW, TOO_LARGE, ENCODED, BUSY, FAILED)

_PROFILE_ID: Json = {
    "name": "profile_id",
    "in": "path",
    "required": True,
    "description": "All after the slash, percent-decoded once; it may hold slashes.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
    "example": "ada@example.com",
}

_SPACE: Json = {
    "name": "space",
    "in": "path",
    "required": True,
    "description": "The API space, with or without dashes.",
    "schema": {"type": "string", "format": "uuid"},
    "example": "fe11e8af-5fc3-40d4-a38c-034535c0a385",
}

_PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["parameter", "rule"],
                "properties": {
                    "parameter": {"type": "string"},
                    "rule": {"type": "string"},
                },
            },
        },
    },
}

_EVENT: Json = {
    "type": "object",
    "description": "An event as the platform sends it; other members are kept.",
    "required": ["eventId", "apiSpaceId", "name", "payload", "revision", "timestamp"],
    "properties": {
        "eventId": {"type": "string", "minLength": 1, "maxLength": 128},
        "accountId": {"type": ["integer", "string", "null"]},
        "apiSpaceId": {"type": "string", "format": "uuid"},
        "name": {"type": "string", "enum": [e["name"] for e in EVENTS.values()]},
        "payload": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
            },
        },
        "revision": {"type": "integer", "minimum": 0, "maximum": MOST},
        "etag": {"type": ["string", "null"]},
        "timestamp": {"type": "string", "format": "date-time"},
    },
    "examples": list(EVENTS.values()),
}

_COUNTS: Json = {
    "type": "object",
    "description": "What became of the events of a delivery; all of it is durable.",
    "required": list(RECEIPT),
    "properties": {name: {"type": "integer", "minimum": 0} for name in RECEIPT},
    "examples": [RECEIPT],
}

_LOGGED: Json = {
    "type": "object",
    "required": ["partition", "partitions", "position", "events"],
    "properties": {
        "partition": {"type": "integer"},
        "partitions": {"type": "integer"},
        "position": {"type": "integer", "description": "To go on from."},
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["partition", "position", "version", "recordedAt", "event"],
                "properties": {
                    "partition": {"type": "integer"},
                    "position": {"type": "integer"},
                    "version": {"type": "integer"},
                    "recordedAt": {"type": "string", "format": "date-time"},
                    "event": {"type": "object", "description": "As it was received."},
                },
            },
        },
    },
}


def describe(title: str, description: str, routes: Sequence[BaseRoute]) -> Json:
    """Describe the routes of FastAPI's kind, and add what it cannot know."""
    document = get_openapi(
        title=title, version=__version__, description=description, routes=routes
    )
    components = document.setdefault("components", {})
    components["schemas"] |= {
        "Problem": _PROBLEM,
        "Event": _EVENT,
        "Receipt": _COUNTS,
        "FeedPage": _LOGGED,
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    paths = document["paths"]
    for path, methods in paths.items():
        for operation in methods.values():
            _complete(path, operation)
    page = paths["/v1/feed"]["get"]["responses"]["200"]["content"]
    page["application/json"]["schema"] = _reference("FeedPage")
    paths[PATH] = {"post": _delivery("receive", "Deliver events")}
    sent = _delivery("profileEvents", "What the platform sends")
    document["webhooks"] = {"profileEvents": {"post": sent}}
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": SIGNATURE.decode(),
            "description": "The HMAC-SHA1 of the body's bytes under a shared secret, "
            "in lower-case hex.",
        },
    }
    return document


def _complete(path: str, operation: Json) -> None:
    operation["responses"].pop("422", None)
    parameters = operation.setdefault("parameters", [])
    parameters[:0] = [p for p in (_SPACE, _PROFILE_ID) if f"{{{p['name']}}}" in path]
    if path.startswith("/v1/"):
        operation["security"] = [{"token": []}]
    problems = _OF_READS if path.startswith("/v1/") else (BUSY, FAILED)
    operation["responses"] |= {str(p.status): _response(p) for p in problems}
    if path.startswith("/v1/") and not path.endswith("/stream"):
        known = "Nothing changed since `If-None-Match`."
        operation["responses"]["304"] = {"description": known}


def _delivery(name: str, summary: str) -> Json:
    event = _reference("Event")
    batch: Json = {"type": "array", "items": event, "maxItems": 500}
    examples: Json = {kind: {"value": value} for kind, value in EVENTS.items()}
    examples["batch"] = {"value": list(EVENTS.values())}
    receipt = {"application/json": {"schema": _reference("Receipt")}}
    return {
        "operationId": name,
        "tags": ["webhook"],
        "summary": summary,
        "description": "One event or an array of them. What is signed is stored, or "
        "answered 503: what is no event is kept in quarantine and answered 200.",
        "security": [{"signature": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [event, batch]},
                    "examples": examples,
                }
            },
        },
        "responses": {
            "200": {"description": "Stored: the receipt.", "content": receipt},
            **{str(problem.status): _response(problem) for problem in _OF_WEBHOOK},
        },
    }


def _response(problem: Problem) -> Json:
    content = {MEDIA_TYPE: {"schema": _reference("Problem")}}
    return {"description": problem.title, "content": content}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
