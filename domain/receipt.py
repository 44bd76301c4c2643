"""The counts an append returns (SPEC section 8)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Self

from .admission import Outcome


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """How many events were received, and what became of them; all of it is durable."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    ignored: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Self:
        """Count outcomes."""
        counts = Counter(outcomes)
        return cls(received=counts.total(), **{o.value: counts[o] for o in Outcome})

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            **{name: n + getattr(other, name) for name, n in asdict(self).items()}
        )
