"""Profile ids in paths: any text, exactly as it was percent-encoded."""

from urllib.parse import quote, unquote_to_bytes

from fastapi import Request
from starlette.convertors import Convertor, register_url_convertor

from .problems import INVALID, NOT_FOUND, ProblemError

SEGMENTS = 4
"""Before a profile id: v1, spaces, the space, the answer."""
MOST_CHARACTERS = 1024


class _Rest(Convertor[str]):
    """All that is left of a path, line breaks too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("rest", _Rest())


def profile_id(request: Request) -> str:
    """Read the profile id of a path: all after the answer, percent-decoded once.

    The decoded path would not do: in it bytes that are no UTF-8 are replaced, and an
    encoded slash before the id is like one that is not.
    """
    parts = request.scope["raw_path"].split(b"/", SEGMENTS + 1)
    if len(parts) < SEGMENTS + 2 or not parts[-1]:
        raise ProblemError(NOT_FOUND, "a profile id follows the last slash")
    try:
        found = unquote_to_bytes(parts[-1]).decode()
    except UnicodeDecodeError:
        raise ProblemError(INVALID, "profile_id: is not UTF-8") from None
    if "\0" in found or len(found) > MOST_CHARACTERS:
        # No event can have it, and no database needs to be asked.
        raise ProblemError(NOT_FOUND, "nothing of that name is in scope")
    return found


def profile_paths(space: str, id_: str, *answers: str) -> list[str]:
    """Write the paths of answers about a profile."""
    quoted = quote(id_, safe="")
    return [f"/v1/spaces/{space}/{answer}/{quoted}" for answer in answers]
