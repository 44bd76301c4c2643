"""Processes that build read models, as many as there are jobs."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from subprocess import DEVNULL, PIPE, Popen

import msgspec

from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log.database import Database

from .builder import Builder
from .generation import Generation, Phase


class Task(msgspec.Struct):
    """What such a process is to do; it comes on standard input, for it has the URL."""

    url: str
    busy_seconds: float
    first: int
    """Each begins at a part of its own, or they would all do the same."""
    builds: list[tuple[int, UpdatePolicy]]
    """Partitions and the policies of the generations that are being built in them."""


@contextmanager
def building(
    database: Database, builds: Sequence[tuple[Builder, Generation]], jobs: int
) -> Iterator[list[Popen[bytes]]]:
    """Let processes build; they end with the work, or with the block.

    What one of them does not finish is left as it is; its errors are not told.
    """
    with ExitStack() as stack:
        processes = []
        for first in range(jobs):
            process = Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", __name__],
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            processes.append(process)
            stack.callback(process.wait)
            stack.callback(process.kill)
            task = Task(
                url=database.backend.url.render_as_string(hide_password=False),
                busy_seconds=database.busy_seconds,
                first=first,
                builds=_begun_at(first * len(builds) // jobs, builds),
            )
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            with process.stdin as pipe:
                pipe.write(msgspec.json.encode(task))
        yield processes


def _begun_at(
    index: int, builds: Sequence[tuple[Builder, Generation]]
) -> list[tuple[int, UpdatePolicy]]:
    """Name all builds, from one on and round: of small ones no two do the same."""
    return [(g.partition, g.updates) for _, g in (*builds[index:], *builds[:index])]


def main() -> None:
    """Do what standard input says, until it is done or the parent process is gone."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    parent = os.getppid()

    def live_on() -> None:
        if os.getppid() != parent:
            sys.exit("the process that began it is gone")

    with closing(
        Database.open(task.url, create=False, busy_seconds=task.busy_seconds)
    ) as database:
        for partition, updates in task.builds:
            with database.read() as connection:
                generation = Generation.find(
                    connection, partition, updates, Phase.BUILDING
                )
            if generation is not None:
                builder = Builder(database, partition, updates)
                builder.build(generation, first=task.first, step=live_on)


if __name__ == "__main__":
    main()
