"""The library's own recorder test cases: a partition of the log is one such recorder."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from eventsourcing.tests import persistence as contract

from profilestore.infrastructure.log.committer import Committer
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.recorder import LogAggregateRecorder, LogRecorder
from profilestore.infrastructure.log.writer import LogWriter


class _OnDatabase:
    """Makes recorders on a new database, the test's own."""

    kind: str
    partition = 0

    @pytest.fixture(autouse=True)
    def _databases(self, new_url: Callable[[str], str]) -> None:
        self.new_url = new_url

    def parts(self) -> tuple[Database, Committer, int]:
        url = "sqlite://" if self.kind == "memory" else self.new_url(self.kind)
        database = Database.open(url)
        committer = Committer(LogWriter(database))
        self.addCleanup(database.close)
        self.addCleanup(committer.close)
        return database, committer, self.partition


class _Aggregate(_OnDatabase):
    def create_recorder(self) -> LogAggregateRecorder:
        return LogAggregateRecorder(*self.parts())


class _Recorder(_OnDatabase):
    insert_num = 1000

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(*self.parts())


class _Last(_OnDatabase):
    """Streams that live in the last of eight partitions."""

    partition = 7

    def new_originator_id(self) -> UUID:
        return UUID(int=uuid4().int | 7)


class _Follower(_Recorder):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


_CASES = {
    contract.AggregateRecorderTestCase: _Aggregate,
    contract.ApplicationRecorderTestCase: _Follower,
    contract.TrackingRecorderTestCase: _Recorder,
    contract.ProcessRecorderTestCase: _Recorder,
    contract.NonInterleavingNotificationIDsBaseCase: _Recorder,
}
_KINDS = {"File": "file", "Memory": "memory", "PostgreSQL": "postgresql-1"}

for _case, _ours in _CASES.items():
    for _name, _kind in _KINDS.items():
        _title = f"Test{_case.__name__.removesuffix('BaseCase')}On{_name}"
        globals()[_title] = type(_title, (_ours, _case), {"kind": _kind})

for _name in ("File", "PostgreSQL"):
    _title = f"TestLastOfEightPartitionsOn{_name}"
    globals()[_title] = type(
        _title,
        (_Last, _Follower, contract.ApplicationRecorderTestCase),
        {"kind": f"{_KINDS[_name].partition('-')[0]}-8"},
    )
