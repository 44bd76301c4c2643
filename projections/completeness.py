"""How much of a life we have seen (SPEC section 7)."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Self

from profilestore.domain.source_order import Life

from .answer import View

Ranges = list[tuple[int, int]]
"""Missing revisions, both ends inclusive."""
Clashes = list[tuple[int, list[str]]]
"""Revisions that several events claim, and the ids of these."""


class Clash(View):
    """A revision that several different events claim."""

    revision: int
    event_ids: list[str]


class Completeness(View):
    """Whether the lifecycle events of a life are all there, and what is missing."""

    complete: bool
    create_seen: bool
    missing_revisions: Ranges
    clashes: list[Clash]

    @classmethod
    def of(cls, missing: Ranges, clashes: Clashes, *, create_seen: bool) -> Self:
        """Judge by what is missing and what clashes."""
        return cls(
            complete=create_seen and not missing and not clashes,
            create_seen=create_seen,
            missing_revisions=missing,
            clashes=[Clash(revision=r, event_ids=ids) for r, ids in clashes],
        )


def completeness(life: Life) -> Completeness:
    """Judge a life by the revisions its lifecycle events claim."""
    claims = ((r.event.revision, r.event.event_id) for r in life.lifecycle)
    return Completeness.of(
        *gaps_and_clashes(claims), create_seen=life.create is not None
    )


def gaps_and_clashes(claims: Iterable[tuple[int, str]]) -> tuple[Ranges, Clashes]:
    """Find what no event claims between the smallest and the largest, or several do.

    The claims are revisions and event ids; ids that clash stay in their order.
    """
    by_revision: dict[int, list[str]] = defaultdict(list)
    for revision, event_id in claims:
        by_revision[revision].append(event_id)
    ordered = sorted(by_revision)
    missing = [(a + 1, b - 1) for a, b in pairwise(ordered) if b - a > 1]
    return missing, [(r, by_revision[r]) for r in ordered if len(by_revision[r]) > 1]
