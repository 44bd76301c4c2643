"""Instants: RFC 3339 in, UTC out, microseconds in between."""

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 time with its offset as an instant in UTC.

    Digits beyond the microsecond are cut off. A leap second (:60) is the instant
    after it, as in POSIX time. Raise ValueError with the rule that was broken.
    """
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError(_broken_rule(text))
    try:
        if text[17:19] == "60":
            return _after_leap(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists in years 1 to 9999") from None


def _after_leap(text: str) -> datetime:
    last = datetime.fromisoformat(f"{text[:17]}59{text[19:].upper()}").astimezone(UTC)
    if (last.hour, last.minute) != (23, 59):
        raise ValueError(text)
    return last.replace(microsecond=0) + timedelta(seconds=1)


def _broken_rule(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return f"is a bare date; give an instant, such as {text}T00:00:00Z"
    if _RFC_3339.fullmatch(text + "Z"):
        return f"has no offset; write {text}Z if it is UTC"
    return "must be an RFC 3339 time with offset, such as 2017-05-31T15:26:58.199Z"


def format_timestamp(instant: datetime) -> str:
    """Write `2017-05-31T15:26:58.199Z`, with microseconds where there are any."""
    unit = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat("T", unit) + "Z"


def to_microseconds(instant: datetime) -> int:
    """Count microseconds since 1970-01-01T00:00:00Z, negative before it."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Be the inverse of `to_microseconds`."""
    return _EPOCH + timedelta(microseconds=count)
