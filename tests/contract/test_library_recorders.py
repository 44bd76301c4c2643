"""The library's own recorder test cases, on our log."""

from tempfile import TemporaryDirectory
from uuid import uuid4

from eventsourcing.tests import persistence as contract

from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.recorder import LogAggregateRecorder, LogRecorder


class _OnFile(contract.TestCase):
    """Opens a store on a file of its own for each test."""

    def database(self) -> Database:
        directory = self.enterContext(TemporaryDirectory())
        database = Database.open(f"sqlite:///{directory}/{uuid4().hex}.db")
        self.addCleanup(database.close)
        return database


class _InMemory(contract.TestCase):
    def database(self) -> Database:
        database = Database.open("sqlite://")
        self.addCleanup(database.close)
        return database


class TestAggregateRecorder(_OnFile, contract.AggregateRecorderTestCase):
    def create_recorder(self) -> LogAggregateRecorder:
        return LogAggregateRecorder(self.database())


class TestApplicationRecorder(_OnFile, contract.ApplicationRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(_OnFile, contract.TrackingRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


class TestProcessRecorder(_OnFile, contract.ProcessRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


class TestPositionsDoNotInterleave(
    _OnFile, contract.NonInterleavingNotificationIDsBaseCase
):
    insert_num = 1000

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


class TestApplicationRecorderInMemory(_InMemory, contract.ApplicationRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


class TestProcessRecorderInMemory(_InMemory, contract.ProcessRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())
