"""What differs between two documents (SPEC section 7)."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from pydantic import model_serializer

from profilestore.domain.json_values import json_equal

from .answer import View


class Op(StrEnum):
    """What happened to a value."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class Change(View):
    """One difference; in JSON a removal has no `value`, an addition no `previous`."""

    op: Op
    path: str
    """A JSON pointer (RFC 6901) into `{"status", "data", "devices"}`."""
    value: Any = None
    previous: Any = None

    @model_serializer
    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = {"op": self.op, "path": self.path}
        if self.op is not Op.REMOVE:
            members["value"] = self.value
        if self.op is not Op.ADD:
            members["previous"] = self.previous
        return members


def changes_between(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Compare objects member by member, everything else as a whole, sorted by path."""
    return sorted(_compare(before, after, ""), key=lambda change: change.path)


def _compare(
    before: dict[str, Any], after: dict[str, Any], path: str
) -> Iterator[Change]:
    for name, previous in before.items():
        if name not in after:
            yield Change(op=Op.REMOVE, path=_member(path, name), previous=previous)
    for name, value in after.items():
        if name not in before:
            yield Change(op=Op.ADD, path=_member(path, name), value=value)
            continue
        previous = before[name]
        if value is previous:
            continue  # a fold shares what it leaves alone
        if isinstance(value, dict) and isinstance(previous, dict):
            yield from _compare(previous, value, _member(path, name))
        elif not json_equal(previous, value):
            yield Change(
                op=Op.REPLACE,
                path=_member(path, name),
                value=value,
                previous=previous,
            )


def _member(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
