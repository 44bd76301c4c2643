"""A log as these tests see it: its end held by another, its committer, its rows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from profilestore.domain.envelope import read_event
from profilestore.infrastructure.log.committer import Committer
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.group import Delivery
from profilestore.infrastructure.log.head import Head, NewEvent
from profilestore.infrastructure.log.insertion import Insertion
from profilestore.infrastructure.log.ticket import Ticket
from profilestore.infrastructure.log.writer import LogWriter
from tests.simple_events import event, rows


@contextmanager
def held_head(url: str) -> Iterator[Head]:
    """Wait for the head of the first partition, and hold it: nobody else appends."""
    database = Database.open(url)
    try:
        with database.write() as connection:
            yield Head.lock(connection, 0)
    finally:
        database.close()


def stored_numbers(url: str) -> list[int]:
    """The numbers of the stored events, in order of their dense positions."""
    query = "SELECT position, event_id FROM events ORDER BY position"
    found = rows(url, query)
    assert [position for position, _ in found] == list(range(1, len(found) + 1))
    return [int(bytes(event_id)[1:]) for _, event_id in found]


@contextmanager
def committing(
    url: str, queue_events: int = 1000, busy_seconds: float = 60
) -> Iterator[Committer]:
    database = Database.open(url, busy_seconds=busy_seconds)
    committer = Committer(LogWriter(database), queue_events=queue_events)
    yield committer
    committer.close()
    database.close()


def delivery(*numbers: int, **members: Any) -> Delivery:
    texts = [json.dumps(event(n, **members)).encode() for n in numbers]
    return Delivery([read_event(text) for text in texts], "test")


def insertion(version: int, stream: bytes | None = None) -> Insertion:
    of = NewEvent(stream or uuid4().bytes, version, None, "topic", None, None, b"state")
    return Insertion({0: [of]}, {})


def error_of(ticket: Ticket) -> BaseException | None:
    try:
        ticket.wait(60)
    except Exception as error:
        return error
    return None


def refuse(url: str, name: str) -> None:
    """Make the database refuse events of a name, as a database's owner could."""
    if url.startswith("sqlite"):
        rows(
            url,
            f"""CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.name = '{name}'
            BEGIN SELECT RAISE(ABORT, 'refused by its owner'); END""",
        )
        return
    rows(
        url,
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused by its owner'; END $$""",
    )
    rows(
        url,
        f"""CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW
        WHEN (NEW.name = '{name}') EXECUTE FUNCTION refuse()""",
    )
