"""Whole streams folded from the log's columns: what read models are made by.

The same answers as `Standing.of` and `spans_of`, for millions of events: an event is a
plain tuple here, ordered as tuples are; its text is decoded once, and only where the
answer needs it. That both ways agree is proved by property, and by `check` on a store.
"""

from typing import cast

from msgspec.structs import replace

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import UnreadableEventError

from .completeness import gaps_and_clashes
from .orderly_fold import NOTHING, Folded, fold_orderly, put_on_top
from .stream_lives import lives_of_rows
from .stream_row import Kind, Row, read_all, with_ids
from .stream_spans import spans_of_lives

_FOREIGN = int(Kind.FOREIGN)


def fold_stream(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    """Fold all events of one profile, in any order; they are sorted in place.

    Raise UnreadableEventError for what is no event of a profile, ValueError for none.
    """
    if not rows:
        raise ValueError("a profile has at least one event")
    if _FOREIGN in [row[1] for row in rows]:
        raise UnreadableEventError(None, "it is no event of a profile")
    rows.sort()
    folded = fold_orderly(NOTHING, [], profile_id, rows, updates)
    return folded or _fold(profile_id, rows, updates)


def _fold(profile_id: str, rows: list[Row], updates: UpdatePolicy) -> Folded:
    """Fold events, in order of time, of which some belong elsewhere in source order."""
    lives = lives_of_rows(with_ids(rows))
    life = lives[-1]
    devices = read_all([row[4] for row in life.devices])
    lifecycle = cast("list[Row]", [(*row[:3], row[4]) for row in life.lifecycle])
    standing = put_on_top(NOTHING, profile_id, lifecycle, devices, updates)
    claims = [(row[2], row[3]) for row in life.lifecycle]
    missing, clashes = gaps_and_clashes(claims)
    standing = replace(
        standing,
        life=life.number,
        missing=missing,
        clashes=clashes,
        until=rows[-1][0],
        largest=max((revision for revision, _ in claims), default=-1),
    )
    return Folded(standing, spans_of_lives(lives))
