"""The times at which a profile can be had (Memento, RFC 7089), on the valid clock.

A profile's path without `valid_at` is the original resource and its own TimeGate; with
it, a memento. The protocol's times are whole seconds: such a second is asked for to its
end, and the last of several events in it makes its memento.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlencode

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import format_timestamp
from profilestore.projections.current import current_profile

LINK_FORMAT = "application/link-format"

_ALL_OF_IT = timedelta(seconds=1, microseconds=-1)


class Resource(NamedTuple):
    """An original resource: its path, that of its TimeMap, and its other cuts."""

    path: str
    timemap: str
    query: Mapping[str, str]

    @property
    def original(self) -> str:
        """The reference of the original, which is the TimeGate too."""
        return _reference(self.path, self.query)

    def memento(self, at: datetime) -> str:
        """Give the reference of how it was at a time."""
        query = {**self.query, "valid_at": format_timestamp(at)}
        return _reference(self.path, query)

    def links(self) -> str:
        """Write the links that every answer of it has."""
        timemap = _reference(self.timemap, self.query)
        return (
            f'<{self.original}>; rel="original timegate", '
            f'<{timemap}>; rel="timemap"; type="{LINK_FORMAT}"'
        )


class Memento(NamedTuple):
    """A profile as it was: the answer, and the time of the event that made it so."""

    body: bytes
    at: datetime


def read_date(text: str) -> datetime:
    """Read an Accept-Datetime; raise InvalidArgumentError if it is none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        date = None
    if date is None or not text.rstrip().endswith("GMT"):
        rule = f"must be a date such as {write_date(datetime.now(UTC))}"
        raise InvalidArgumentError("Accept-Datetime", rule)
    return date.replace(tzinfo=UTC)


def write_date(time: datetime) -> str:
    """Write a time to its second, as RFC 9110 does."""
    return format_datetime(time.astimezone(UTC), usegmt=True)


def find(profile: Profile, asked: datetime) -> Memento:
    """Find the memento that was current in a second, else the first that there is."""
    times = [recorded.event.occurred_at for recorded in profile.events]
    until = [time for time in times if time <= asked + _ALL_OF_IT]
    at = max(until) if until else _first(times)
    was = profile.at(replace(profile.cut, valid_at=at))
    return Memento(current_profile(was).to_json(), at)


def timemap(profile: Profile, resource: Resource) -> bytes:
    """List all mementos in application/link-format (RFC 6690)."""
    mementos = list(_mementos(profile))
    first, last = (write_date(mementos[i]) for i in (0, -1))
    itself = _reference(resource.timemap, resource.query)
    span = f'type="{LINK_FORMAT}";from="{first}";until="{last}"'
    lines = [
        f'<{resource.original}>;rel="original timegate"',
        f'<{itself}>;rel="self";{span}',
    ]
    for number, at in enumerate(mementos):
        ends = ["first"] * (number == 0) + ["last"] * (number == len(mementos) - 1)
        rel = " ".join([*ends, "memento"])
        lines.append(
            f'<{resource.memento(at)}>;rel="{rel}";datetime="{write_date(at)}"'
        )
    return ",\n".join(lines).encode() + b"\n"


def _mementos(profile: Profile) -> Iterator[datetime]:
    """Give of each second with events the time of the last of them."""
    last = {
        time.replace(microsecond=0): time
        for time in sorted(r.event.occurred_at for r in profile.events)
    }
    yield from last.values()


def _first(times: list[datetime]) -> datetime:
    second = min(times).replace(microsecond=0)
    return max(time for time in times if time <= second + _ALL_OF_IT)


def _reference(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
