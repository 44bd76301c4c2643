"""What the library's Application is built from, on our log."""

from eventsourcing.persistence import (
    AggregateRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    TrackingRecorder,
)

from .committer import Committer
from .database import Database
from .recorder import LogAggregateRecorder, LogRecorder


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes recorders on one open database."""

    def __init__(self, database: Database, committer: Committer) -> None:
        super().__init__({})
        self._database = database
        self._committer = committer
        self._partition = 0 if database.partitions == 1 else None

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Make a recorder of streams; snapshots have no place in this log."""
        if purpose != "events":
            raise InfrastructureFactoryError(
                f"no recorder for {purpose}: a snapshot by arrival version cannot "
                "serve a state that does not depend on arrival"
            )
        return LogAggregateRecorder(self._database, self._committer, self._partition)

    def application_recorder(self) -> LogRecorder:
        """Make a recorder of streams and positions."""
        return LogRecorder(self._database, self._committer, self._partition)

    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        """Make a recorder of tracking positions; there is one kind."""
        if tracking_recorder_class not in (None, LogRecorder):
            raise InfrastructureFactoryError("tracking positions live in the log")
        return LogRecorder(self._database, self._committer, self._partition)

    def process_recorder(self) -> LogRecorder:
        """Make a recorder of all of these."""
        return LogRecorder(self._database, self._committer, self._partition)

    def close(self) -> None:
        """Commit what waits, and close the database.

        Raise LeftUnstoredError if it does not answer in time.
        """
        try:
            self._committer.close()
        finally:
            self._database.close()
