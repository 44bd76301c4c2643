"""Strong entity tags (RFC 9110): one changes exactly when the answer's bytes do."""

from collections.abc import Mapping
from hashlib import sha256

from fastapi import Request, Response

JSON = "application/json"
TAG_DIGITS = 32


def answer(
    request: Request,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """Answer with bytes; with 304 and none of them if who asks has them."""
    tag = f'"{sha256(body).hexdigest()[:TAG_DIGITS]}"'
    always = {
        "ETag": tag,
        # Kept by who asked, for themselves, and asked for again each time.
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        **(headers or {}),
    }
    if _has(request, tag):
        return Response(status_code=304, headers=always)
    return Response(body, headers=always, media_type=media_type)


def _has(request: Request, tag: str) -> bool:
    known = request.headers.getlist("if-none-match")
    tags = [t.strip().removeprefix("W/") for line in known for t in line.split(",")]
    return tag in tags or "*" in tags
