"""The counts an append returns (SPEC section 8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from .admission import Outcome


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """How many events were received, and what became of them; all of it is durable."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    ignored: int = 0

    @staticmethod
    def of(outcomes: Sequence[Outcome]) -> "Receipt":
        """Count outcomes."""
        return _of_one(*outcomes) if len(outcomes) == 1 else _of(outcomes)

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            received=self.received + other.received,
            accepted=self.accepted + other.accepted,
            duplicate=self.duplicate + other.duplicate,
            quarantined=self.quarantined + other.quarantined,
            ignored=self.ignored + other.ignored,
        )


def _of(outcomes: Sequence[Outcome]) -> Receipt:
    return Receipt(
        received=len(outcomes),
        accepted=outcomes.count(Outcome.ACCEPTED),
        duplicate=outcomes.count(Outcome.DUPLICATE),
        quarantined=outcomes.count(Outcome.QUARANTINED),
        ignored=outcomes.count(Outcome.IGNORED),
    )


@cache
def _of_one(outcome: Outcome) -> Receipt:
    return _of([outcome])
