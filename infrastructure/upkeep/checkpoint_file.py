"""A file that remembers what a log was, to be kept where the log's owner cannot write.

Text, one JSON object a line, in this form for ever:

    {"profilestore":"checkpoint","format":1,"positions":[20000,3],"sha256":"..."}
    {"partition":0,"from":1,"to":10000,"chain":"...","links":"...","sha256":"..."}

First what it is, with the last position of each partition; then, partition by
partition, a line for each 10,000 positions, with the chain at the last of them, and of
the chain at each of them the first 8 hex digits. `sha256` is that of the line up to
there: a file that was damaged is told from a log that was changed.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Literal, Self, TypeVar

import msgspec

from profilestore.domain.errors import InvalidArgumentError

BLOCK = 10_000
"""Positions that one line holds."""
LINK = 4
"""Bytes that it holds of each chain."""

_LONGEST = 200_000
"""Bytes of a line, at most."""
_SEAL = b',"sha256":"'


class _Title(msgspec.Struct):
    profilestore: Literal["checkpoint"]
    format: Literal[1]
    positions: list[int]


class _Block(msgspec.Struct):
    partition: int
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    chain: str
    links: str


_Line = TypeVar("_Line", _Title, _Block)


class CheckpointReader:
    """Compares a log with a file, position by position, in order.

    Raise InvalidArgumentError for what is no checkpoint of a log of so many partitions.
    """

    def __init__(self, path: Path, partitions: int) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise self._useless(f"cannot be read: {error.strerror}") from error
        try:
            self.positions = self._title(partitions)
        except BaseException:
            self._file.close()
            raise
        self._place = (0, 1, 0)
        self._links = self._chain = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def agrees(self, partition: int, position: int, chain: bytes) -> bool:
        """Tell whether the log was so then; what it did not have yet is not judged."""
        if position > self.positions[partition]:
            return True
        of, first, last = self._place
        if of != partition or position > last:
            first, last = self._next(partition, position)
        same = self._links.startswith(chain[:LINK], (position - first) * LINK)
        return same and (position < last or self._chain == chain)

    def finish(self) -> None:
        """See that nothing is left in it."""
        if self._file.read(1):
            raise self._damaged()

    def _title(self, partitions: int) -> list[int]:
        line = self._file.readline(_LONGEST)
        if not line:
            raise self._useless("is empty")
        if not line.startswith(b'{"profilestore":"checkpoint",'):
            raise self._useless("is no checkpoint")
        positions = self._read(line, _Title).positions
        if len(positions) != partitions:
            raise self._useless(
                f"is of a store with {len(positions)} partitions, not {partitions}"
            )
        return positions

    def _next(self, partition: int, position: int) -> tuple[int, int]:
        block = self._read(self._file.readline(_LONGEST), _Block)
        last = min(position + BLOCK - 1, self.positions[partition])
        self._place = (partition, position, last)
        if self._place != (block.partition, block.first, block.last):
            raise self._damaged()
        self._links = bytes.fromhex(block.links)
        self._chain = bytes.fromhex(block.chain)
        return position, last

    def _read(self, line: bytes, type_: type[_Line]) -> _Line:
        body, _, _ = line.rpartition(_SEAL)
        if line != _sealed(body):
            raise self._damaged()
        try:
            return msgspec.json.decode(body + b"}", type=type_)
        except msgspec.MsgspecError as error:
            raise self._useless(f"is of another version: {error}") from None

    def _damaged(self) -> InvalidArgumentError:
        return self._useless("is damaged, take another copy of it")

    def _useless(self, why: str) -> InvalidArgumentError:
        rule = f"{str(self._path)!r} {why}; name one that `verify --checkpoint` wrote"
        return InvalidArgumentError("against", rule)


class CheckpointWriter:
    """Writes a file beside its place; `keep` puts it there, else nothing is left.

    Positions are given in order, as many as `positions` says by partition.
    """

    def __init__(self, path: Path, positions: Sequence[int]) -> None:
        self._path = path
        self._positions = positions
        self._links = bytearray()
        try:
            number, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as error:
            rule = f"{str(path)!r} cannot be written: {error.strerror}; name another"
            raise InvalidArgumentError("checkpoint", rule) from error
        self._new = Path(name)
        self._file = open(number, "wb")  # noqa: PTH123, SIM115 - closed at the end
        self._write(_Title("checkpoint", 1, list(positions)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            self._new.unlink()

    def add(self, partition: int, position: int, chain: bytes) -> None:
        """Remember the chain at the next position."""
        self._links += chain[:LINK]
        if position % BLOCK and position < self._positions[partition]:
            return
        first = position - len(self._links) // LINK + 1
        links = self._links.hex()
        self._write(_Block(partition, first, position, chain.hex(), links))
        self._links.clear()

    def keep(self) -> None:
        """Put the file in its place, durably; one that was there is replaced."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._new.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _write(self, line: _Title | _Block) -> None:
        self._file.write(_sealed(msgspec.json.encode(line)[:-1]))


def _sealed(body: bytes) -> bytes:
    return body + _SEAL + sha256(body).hexdigest().encode() + b'"}\n'
