"""The field rules of an event's envelope (SPEC sections 1 and 2), both dialects."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)

from .events import (
    EVENT_TYPES,
    DevicesUpdated,
    ProfileCreated,
    ProfileDeleted,
    ProfileEvent,
    ProfileUndeleted,
    ProfileUpdated,
)
from .identity import ProfileKey, normalise_api_space_id
from .json_values import MalformedJsonError, read_json
from .plain_event import plain_event
from .rejection import Ignored, Problem, Reason, Rejection
from .timestamps import parse_timestamp

MAX_EVENT_BYTES = 1024 * 1024
"""An event of more bytes than this goes to quarantine unread."""


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - pydantic wants this type
    return parse_timestamp(value)


def _numeric_string(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,4300}", value):
        return int(value)
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain U+0000")
    return value


def _summable(value: int) -> int:
    # The sum over the classes must be a number that Python can write.
    if value >= 10**4000:
        raise ValueError("must have at most 4,000 digits")
    return value


Count = Annotated[int, Field(ge=0), AfterValidator(_summable)]
Instant = Annotated[datetime, PlainValidator(_instant)]
ProfileId = Annotated[
    str, Field(min_length=1, max_length=1024), AfterValidator(_without_nul)
]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Payload(_Model):
    id: ProfileId | None = None


class _DeletePayload(_Payload):
    date: Instant | None = None
    by: str | None = None


class _Device(_Model):
    count: Count
    push_enabled: Annotated[Count, Field(alias="pushEnabled")]


class _DevicesPayload(_Payload):
    devices: dict[str, _Device]


class _Envelope(_Model):
    """What every event family has."""

    event_id: Annotated[str, Field(min_length=1, max_length=128, alias="eventId")]
    account_id: Annotated[
        int | None, BeforeValidator(_numeric_string), Field(alias="accountId")
    ] = None
    api_space_id: Annotated[
        str, AfterValidator(normalise_api_space_id), Field(alias="apiSpaceId")
    ]
    payload: dict[str, Any] | _Payload
    etag: Annotated[
        str | None, Field(validation_alias=AliasChoices("etag", "eTag"))
    ] = None
    occurred_at: Annotated[
        Instant, Field(validation_alias=AliasChoices("timestamp", "publishedOn"))
    ]


class _ForeignEnvelope(_Envelope):
    payload: dict[str, Any]


class _ProfileEnvelope(_Envelope):
    payload: _Payload
    profile_id: Annotated[ProfileId | None, Field(alias="profileId")] = None
    revision: Annotated[int, Field(ge=0, le=2**63 - 1)]


class _DeleteEnvelope(_ProfileEnvelope):
    payload: _DeletePayload


class _DevicesEnvelope(_ProfileEnvelope):
    payload: _DevicesPayload


_ENVELOPES: dict[str, type[_ProfileEnvelope]] = {
    ProfileCreated.name: _ProfileEnvelope,
    ProfileUpdated.name: _ProfileEnvelope,
    ProfileDeleted.name: _DeleteEnvelope,
    ProfileUndeleted.name: _ProfileEnvelope,
    DevicesUpdated.name: _DevicesEnvelope,
}


Delivered = ProfileEvent | Rejection | Ignored
"""What one delivered event is found to be."""


def read_event(text: bytes) -> Delivered:
    """Read one event's exact JSON text; every outcome is a value, nothing is raised."""
    if len(text) > MAX_EVENT_BYTES:
        return _reject(text, Reason.TOO_LARGE, f"is {len(text):,} bytes, over 1 MiB")
    return plain_event(text) or read_carefully(text)


def read_carefully(text: bytes) -> Delivered:
    """Read an event by all the rules there are, whatever its form."""
    try:
        envelope = read_json(text)
    except MalformedJsonError as error:
        return _reject(text, Reason.MALFORMED_JSON, str(error))
    if not isinstance(envelope, dict):
        return _reject(text, Reason.NOT_AN_EVENT, "is not a JSON object")
    try:
        return _read_envelope(text, envelope)
    except ValidationError as error:
        return _invalid(text, envelope, _problems(error))
    except _FieldError as error:
        return _invalid(text, envelope, [error.problem])


def _read_envelope(text: bytes, envelope: dict[str, Any]) -> Delivered:
    name = envelope.get("name")
    if not isinstance(name, str):
        raise _FieldError(
            "/name", "must be a string" if "name" in envelope else "is missing"
        )
    if not name.startswith("profile."):
        _ForeignEnvelope.model_validate(envelope)
        return Ignored(name[:128])
    if name not in _ENVELOPES:
        rule = f"{name!r} is none of {', '.join(EVENT_TYPES)}"
        return _reject(text, Reason.UNSUPPORTED_EVENT, rule, "/name", **_says(envelope))
    valid = _ENVELOPES[name].model_validate(envelope)
    return EVENT_TYPES[name](
        profile=ProfileKey(valid.api_space_id, _profile_id(valid)),
        event_id=valid.event_id,
        revision=valid.revision,
        occurred_at=valid.occurred_at,
        text=text,
    )


class _FieldError(Exception):
    def __init__(self, pointer: str, rule: str) -> None:
        self.problem = Problem(pointer, rule)


def _profile_id(envelope: _ProfileEnvelope) -> str:
    """Take the profile id from where the dialect has it."""
    inner, outer = envelope.payload.id, envelope.profile_id
    if inner is None and outer is None:
        raise _FieldError("/payload/id", "is missing, as is /profileId")
    if inner is not None and outer is not None and inner != outer:
        raise _FieldError("/profileId", "must equal /payload/id")
    return inner or outer or ""


_RULES = {
    "missing": "is missing",
    "value_error": "{error}",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be an integer",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(
            "".join(f"/{_escape(str(part))}" for part in detail["loc"]),
            _RULES.get(detail["type"], detail["msg"]).format(**detail.get("ctx", {})),
        )
        for detail in error.errors(include_url=False, include_input=False)
    ]


def _escape(member: str) -> str:
    return member.replace("~", "~0").replace("/", "~1")


def _invalid(text: bytes, envelope: Any, problems: list[Problem]) -> Rejection:
    return Rejection(
        text=text,
        reason=Reason.INVALID_FIELD,
        problems=tuple(problems),
        **_says(envelope),
    )


def _reject(
    text: bytes, reason: Reason, rule: str, pointer: str = "", **says: Any
) -> Rejection:
    return Rejection(
        text=text, reason=reason, problems=(Problem(pointer, rule),), **says
    )


def _says(envelope: dict[str, Any]) -> dict[str, Any]:
    """Find what an unacceptable event says of itself."""
    payload = envelope.get("payload")
    inner = payload.get("id") if isinstance(payload, dict) else None
    space = _accepted(normalise_api_space_id, envelope.get("apiSpaceId"))
    profile_id = _short(inner, 1024) or _short(envelope.get("profileId"), 1024)
    return {
        "profile": ProfileKey(space, profile_id) if space and profile_id else None,
        "event_id": _short(envelope.get("eventId"), 128),
        "name": _short(envelope.get("name"), 128),
    }


def _accepted(rule: Callable[[str], str], value: object) -> str | None:
    try:
        return rule(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _short(value: object, most: int) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= most and "\0" not in value
    return str(value) if fits else None
