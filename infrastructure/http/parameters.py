"""Query parameters, read strictly: a misspelt one is an error."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from fastapi import Request
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from profilestore.domain.timestamps import parse_timestamp
from profilestore.infrastructure.arguments import span

from .problems import Broken, InvalidParametersError

MOST = 2**63 - 1

_SPACE_FOR_PLUS = re.compile(r" (?=\d\d:\d\d\Z)")


def _instant(text: Any) -> datetime:
    # A plus sign that was not percent-encoded arrives as a space.
    return parse_timestamp(_SPACE_FOR_PLUS.sub("+", str(text)))


def _instant_or_position(text: Any) -> datetime | int:
    digits = str(text)
    if digits.isascii() and digits.isdigit():
        position = int(digits[:20])
        if position > MOST:
            raise ValueError("must be from 0 to 2^63-1")
        return position
    return _instant(text)


_TIME = {"type": "string", "format": "date-time"}

Instant = Annotated[
    datetime,
    PlainValidator(_instant),
    WithJsonSchema(_TIME | {"examples": ["2026-05-02T09:32:00Z"]}),
]
"""An RFC 3339 time with its offset."""
InstantOrPosition = Annotated[
    datetime | int,
    PlainValidator(_instant_or_position),
    WithJsonSchema(
        {"anyOf": [_TIME, {"type": "integer", "minimum": 0, "maximum": MOST}]}
    ),
]
"""A time, or a position of the profile's partition."""
Step = Annotated[
    timedelta,
    PlainValidator(lambda text: span(str(text))),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(PT?)?0*[1-9]\d{0,8}[wdhmsWDHMS]$",
            "examples": ["1d", "6h", "PT15M"],
        }
    ),
]
Number = Annotated[int, Field(ge=0, le=MOST)]
Updates = Literal["merge", "replace"]
Status = Literal["active", "deleted", "unknown"]


class Parameters(BaseModel):
    """Parameters of one question; others are refused by name."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def read(cls, request: Request) -> Self:
        """Read a query string.

        Raise InvalidParametersError naming each parameter that is unknown, missing,
        given twice, or not what it must be.
        """
        given: dict[str, Any] = {}
        for name, value in pairs(request):
            if name in _several(cls):
                given.setdefault(name, []).append(value)
            elif name in given:
                raise InvalidParametersError([Broken(name, "is given twice")])
            else:
                given[name] = value
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidParametersError(_broken(error)) from None

    @classmethod
    def describe(cls) -> list[dict[str, Any]]:
        """Describe them as OpenAPI does."""
        schema = cls.model_json_schema()
        return [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": each.pop("description", ""),
                "schema": _without_null(each),
            }
            for name, each in schema["properties"].items()
        ]

    def given(self) -> dict[str, Any]:
        """Give those that were given, by the names of the store's arguments."""
        return {n: getattr(self, n) for n in sorted(self.model_fields_set)}


def pairs(request: Request) -> list[tuple[str, str]]:
    """Give the names and values of a query string, in their order."""
    return request.query_params.multi_items() if request.scope["query_string"] else []


@lru_cache
def _several(model: type[Parameters]) -> frozenset[str]:
    """Name the parameters that may be given several times."""
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if field.default_factory is list)


_RULES = {
    "extra_forbidden": "is no parameter of this route",
    "missing": "must be given",
}
"""What pydantic would say in words of its own."""


def _broken(error: ValidationError) -> list[Broken]:
    return [
        Broken(
            str(found["loc"][0]),
            _RULES.get(found["type"]) or found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_input=False)
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out what stands for a parameter that is not given."""
    schema = {k: v for k, v in schema.items() if k not in ("title", "default")}
    several: list[dict[str, Any]] = schema.pop("anyOf", [])
    kinds = [kind for kind in several if kind != {"type": "null"}]
    if len(kinds) == 1:
        return schema | kinds[0]
    return schema | ({"anyOf": kinds} if kinds else {})
