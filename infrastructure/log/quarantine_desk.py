"""Deciding on what is in quarantine: appended again, or discarded as a fact."""

from collections.abc import Iterable
from datetime import UTC, datetime

from profilestore.domain.admission import Outcome
from profilestore.domain.envelope import read_event
from profilestore.domain.text import storable

from .committer import Committer
from .database import Database
from .group import Delivery
from .quarantine import Quarantine, QuarantineEntry, Settled, Settlement
from .writer import LogWriter


class QuarantineDesk(Quarantine):
    """The quarantine of a store, with what can be done about its entries."""

    def __init__(
        self, database: Database, writer: LogWriter, committer: Committer
    ) -> None:
        super().__init__(database)
        self._writer = writer
        self._committer = committer

    def replay(
        self,
        entry_ids: Iterable[str] | None = None,
        *,
        by: str = "",
        dry_run: bool = False,
    ) -> list[tuple[str, Outcome]]:
        """Append quarantined events again, all that wait or those of the ids.

        Answer what became of each, or with `dry_run` what would. Accepted ones and
        duplicates are settled as replayed; what is still refused stays as it is.
        """
        entries = (
            list(self.entries())
            if entry_ids is None
            else [self.entry(id_) for id_ in entry_ids]
        )
        outcomes = []
        for entry in entries:
            item = read_event(entry.rejection.text)
            (outcome,) = self._writer.judge([item])
            if outcome is not Outcome.QUARANTINED and not dry_run:
                (outcome,) = self._committer.commit(Delivery([item], entry.ingress))
            if outcome is not Outcome.QUARANTINED and not dry_run:
                self._decide(entry, Settled.REPLAYED, by, outcome.value)
            outcomes.append((entry.id, outcome))
        return outcomes

    def discard(
        self, entry_id: str, *, by: str, why: str, purge: bool = False
    ) -> QuarantineEntry:
        """Decide that a quarantined event is not wanted: a fact that is kept.

        Its bytes stay as evidence unless `purge` is given. Raise
        QuarantineEntryNotFoundError if there is no such entry.
        """
        entry = self.entry(entry_id)
        self._decide(entry, Settled.DISCARDED, by, why)
        if purge:
            self.purge(entry)
        return self.entry(entry.id)

    def _decide(self, entry: QuarantineEntry, how: Settled, by: str, why: str) -> None:
        now = datetime.now(UTC)
        settlement = Settlement(how, now, storable(by), storable(why))
        self.settle(entry, settlement)
