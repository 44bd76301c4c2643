"""How much of a life we have seen (SPEC section 7)."""

from collections import defaultdict
from itertools import pairwise

from profilestore.domain.source_order import Life

from .answer import View


class Clash(View):
    """A revision that several different events claim."""

    revision: int
    event_ids: list[str]


class Completeness(View):
    """Whether the lifecycle events of a life are all there, and what is missing."""

    complete: bool
    create_seen: bool
    missing_revisions: list[tuple[int, int]]
    clashes: list[Clash]


def completeness(life: Life) -> Completeness:
    """Judge a life by the revisions its lifecycle events claim."""
    claims: dict[int, list[str]] = defaultdict(list)
    for recorded in life.lifecycle:
        claims[recorded.event.revision].append(recorded.event.event_id)
    missing = [(a + 1, b - 1) for a, b in pairwise(sorted(claims)) if b - a > 1]
    clashes = [
        Clash(revision=revision, event_ids=event_ids)
        for revision, event_ids in sorted(claims.items())
        if len(event_ids) > 1
    ]
    return Completeness(
        complete=life.create is not None and not missing and not clashes,
        create_seen=life.create is not None,
        missing_revisions=missing,
        clashes=clashes,
    )
