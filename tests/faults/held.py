"""The end of a log, held as another process would hold it."""

from collections.abc import Iterator
from contextlib import contextmanager

from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.head import Head


@contextmanager
def held_head(url: str) -> Iterator[Head]:
    """Wait for the head of the first partition, and hold it: nobody else appends."""
    database = Database.open(url)
    try:
        with database.write() as connection:
            yield Head.lock(connection, 0)
    finally:
        database.close()
