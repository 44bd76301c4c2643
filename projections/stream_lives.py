"""The lives of a stream of rows (SPEC section 4): what `lives_of` is for events."""

from bisect import bisect_left
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from profilestore.domain.source_order import CLOCK_SKEW

from .stream_row import Kind, Row

_SKEW = CLOCK_SKEW // CLOCK_SKEW.resolution
_CREATE, _DEVICES = int(Kind.CREATE), int(Kind.DEVICES)


class StreamLife(NamedTuple):
    """A life, and what was in it; life 0 has no create."""

    number: int
    create: Row | None
    others: list[Row]
    """In order of time."""


def lives_of_rows(rows: list[Row]) -> list[StreamLife]:
    """Divide events in order of time into lives (SPEC section 4)."""
    creates = [index for index, row in enumerate(rows) if row[1] == _CREATE]
    lives = []
    if not creates or creates[0]:
        lives.append(StreamLife(0, None, rows[: creates[0] if creates else None]))
    for number, (begin, end) in enumerate(pairwise([*creates, len(rows)]), 1):
        lives.append(StreamLife(number, rows[begin], rows[begin + 1 : end]))
    if creates and creates[0]:
        lives[1].others[:0] = _skewed(rows, creates[0])
    return lives


def _skewed(rows: list[Row], first: int) -> list[Row]:
    """Find what is before the first create by differing clocks only."""
    create = rows[first]
    near = bisect_left(rows, create[0] - _SKEW, 0, first, key=itemgetter(0))
    return [row for row in rows[near:first] if row[1] == _DEVICES or create[2] < row[2]]
