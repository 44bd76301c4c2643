"""A condition on the document of a profile: a member has a value."""

from dataclasses import dataclass
from typing import Any, Self

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.json_values import (
    MalformedJsonError,
    json_equal,
    read_json,
    write_json,
)

_NOTHING = object()
MOST_DIGITS = 9
"""Of an index: an event of 1 MiB has no longer arrays."""


@dataclass(frozen=True)
class Where:
    """What `data` must have at a path: a value that is the same JSON."""

    path: tuple[str, ...]
    value: Any

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `PATH=VALUE`; raise InvalidArgumentError if it is not of that form.

        PATH is a JSON pointer (RFC 6901) into `data`, its first slash may be left out;
        VALUE is JSON, or else text: `address/city=London`, `visits=3`, `zip="00501"`.
        """
        if text.encode("utf-8", "replace").decode() != text:
            raise InvalidArgumentError("where", f"{text!r} is not Unicode")
        path, sign, value = text.partition("=")
        if not sign or not path.strip("/"):
            rule = (
                f"{text!r} is not of the form PATH=VALUE, such as address/city=London"
            )
            raise InvalidArgumentError("where", rule)
        parts = path.removeprefix("/").split("/")
        names = (part.replace("~1", "/").replace("~0", "~") for part in parts)
        return cls(tuple(names), _value(value))

    @property
    def needle(self) -> bytes:
        """Bytes that are in the text of each document that it holds for.

        Documents are written in one form only, so it is enough to look closer at those
        that have these bytes. Numbers are written in several.
        """
        name = write_json(self.path[-1]) if not _is_index(self.path[-1]) else b""
        plain = self.value is None or isinstance(self.value, str | bool)
        value = write_json(self.value) if plain else b""
        return name + b":" + value if name else value

    def holds(self, data: Any) -> bool:
        """Tell whether it holds for a document."""
        for part in self.path:
            data = _member(data, part)
        return data is not _NOTHING and json_equal(data, self.value)


def _value(text: str) -> Any:
    try:
        return read_json(text.encode())
    except MalformedJsonError:
        return text


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS


def _member(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _NOTHING)
    if isinstance(value, list) and _is_index(part) and int(part) < len(value):
        return value[int(part)]
    return _NOTHING
