"""What the library's Application is built from, on our log."""

from eventsourcing.persistence import (
    AggregateRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    TrackingRecorder,
)

from .database import Database
from .recorder import LogAggregateRecorder, LogRecorder


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes recorders on one open database."""

    def __init__(self, database: Database) -> None:
        super().__init__({})
        self._database = database

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Make a recorder of streams; snapshots have no place in this log."""
        if purpose != "events":
            raise InfrastructureFactoryError(
                f"no recorder for {purpose}: a snapshot by arrival version cannot "
                "serve a state that does not depend on arrival"
            )
        return LogAggregateRecorder(self._database)

    def application_recorder(self) -> LogRecorder:
        """Make a recorder of streams and positions."""
        return LogRecorder(self._database)

    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        """Make a recorder of tracking positions; there is one kind."""
        if tracking_recorder_class not in (None, LogRecorder):
            raise InfrastructureFactoryError("tracking positions live in the log")
        return LogRecorder(self._database)

    def process_recorder(self) -> LogRecorder:
        """Make a recorder of all of these."""
        return LogRecorder(self._database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
