"""What a database engine must give for a log to live on it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Semaphore

from sqlalchemy import URL, Engine

from profilestore.domain.errors import StorageError

BUSY_SECONDS = 60.0


@dataclass(frozen=True)
class Backend:
    """Two engines on one database, and what its driver's errors mean.

    A transaction of `writer` sees all that was committed before it took its first lock,
    and is durable once committed. One of `reader` sees one state throughout. Both take
    the execution options `wait_seconds`, how long to wait for another's lock, and
    `single`: not to begin a transaction, for there will be one query only.
    """

    url: URL
    writer: Engine
    reader: Engine
    places: Semaphore
    """As many as `writer` has connections. Who wants one waits here, each as long as it
    will: a pool lets all wait equally long."""
    turn: AbstractContextManager[object]
    """Held during each transaction, where both engines share one connection."""
    in_memory: bool
    """Whether no other process can reach the database."""
    creates_itself: bool
    """Whether an empty database becomes a store on first use."""
    failure: Callable[[BaseException, float], StorageError]
    """Translates a driver's error, given how long was waited for a lock."""

    def dispose(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.writer.dispose()
