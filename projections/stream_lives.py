"""The lives of a stream of rows (SPEC section 4): what `lives_of` is for events."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple, TypeVar

from profilestore.domain.source_order import CLOCK_SKEW

from .stream_row import Kind, NamedRow, Row

_SKEW = CLOCK_SKEW // CLOCK_SKEW.resolution
R = TypeVar("R", Row, NamedRow)
_CREATE, _DEVICES = int(Kind.CREATE), int(Kind.DEVICES)
by_revision = itemgetter(2, 0, 3)
"""The source order of lifecycle events of a life."""


class StreamLife(NamedTuple):
    """A life, and what was in it; life 0 has no create."""

    number: int
    create: NamedRow | None
    others: list[NamedRow]
    """In order of time."""
    lifecycle: list[NamedRow]
    """In source order, with the create."""
    devices: list[NamedRow]
    unbroken: bool
    """Whether the lifecycle events have consecutive revisions in order of time."""

    @classmethod
    def of(
        cls, number: int, create: NamedRow | None, others: list[NamedRow]
    ) -> "StreamLife":
        """Take lifecycle and device events apart."""
        lifecycle, devices = apart(others)
        begun = [] if create is None else [create]
        unbroken = follow([row[2] for row in (*begun, *lifecycle)])
        if not unbroken:
            lifecycle = sorted(lifecycle, key=by_revision)
        return cls(number, create, others, begun + lifecycle, devices, unbroken)


def apart(rows: list[R]) -> tuple[list[R], list[R]]:
    """Take lifecycle and device events apart."""
    if _DEVICES not in [row[1] for row in rows]:
        return rows, []
    return (
        [row for row in rows if row[1] != _DEVICES],
        [row for row in rows if row[1] == _DEVICES],
    )


def lives_of_rows(rows: list[NamedRow]) -> list[StreamLife]:
    """Divide events in order of time into lives (SPEC section 4)."""
    creates = [index for index, row in enumerate(rows) if row[1] == _CREATE]
    lives = []
    if not creates or creates[0]:
        before = rows[: creates[0]] if creates else rows
        lives.append(StreamLife.of(0, None, before))
    for number, (begin, end) in enumerate(pairwise([*creates, len(rows)]), 1):
        others = rows[begin + 1 : end]
        if number == 1:
            others[:0] = _skewed(rows, begin)
        lives.append(StreamLife.of(number, rows[begin], others))
    return lives


def _skewed(rows: list[NamedRow], first: int) -> list[NamedRow]:
    """Find what is before the first create by differing clocks only."""
    create = rows[first]
    near = bisect_left(rows, create[0] - _SKEW, 0, first, key=itemgetter(0))
    return [row for row in rows[near:first] if row[1] == _DEVICES or create[2] < row[2]]


def follow(revisions: Sequence[int], largest: int = -1) -> bool:
    """Tell whether they are consecutive, and if `largest` is not -1 come after it."""
    if not revisions:
        return True
    first = revisions[0] if largest < 0 else largest + 1
    return [*revisions] == [*range(first, first + len(revisions))]
