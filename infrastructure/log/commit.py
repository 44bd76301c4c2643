"""A commit, of which it can be asked later whether it happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sqlalchemy import text

from .head import Head, Place

_STATUS = text("SELECT pg_xact_status(CAST(:transaction AS xid8))")


@dataclass(frozen=True)
class Commit:
    """What a transaction that holds heads is about to commit."""

    transaction: str | None
    """Its id, on PostgreSQL. A commit in a file has no connection to lose."""
    places: Mapping[int, Place]
    """Where the logs of its partitions will end."""

    @classmethod
    def of(cls, heads: Mapping[int, Head]) -> Self:
        """Take note of it before it is tried."""
        transaction = next((head.transaction for head in heads.values()), None)
        return cls(transaction, {p: head.place() for p, head in heads.items()})

    def happened(self, heads: Mapping[int, Head]) -> bool:
        """Find out whether it was committed, in one that holds the same heads.

        It had them, too, so it has ended, and the server knows how; unless that is one
        that took over since, which has not what was committed and gives the id anew.
        """
        if self.transaction is None:
            return False
        for partition, place in self.places.items():
            head = heads[partition]
            if head.position <= place.position and head.place() != place:
                return False
        connection = next(iter(heads.values())).connection
        status = connection.scalar(_STATUS, {"transaction": self.transaction})
        return bool(status == "committed")
