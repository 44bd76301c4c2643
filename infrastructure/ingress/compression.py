"""Streams as they were before gzip or zstd packed them."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO

CHUNK = 1024 * 1024

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class DamagedStreamError(Exception):
    """Packed data that is damaged or ends too early."""


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream, plain, gzip or zstd by its first bytes, at most 1 MiB at a time.

    So no bomb is ever held at once. Raise DamagedStreamError where unpacking fails.
    """
    head = _first(stream, len(_ZSTD))
    source = io.BufferedReader(_Rewound(head, stream))
    if head.startswith(_GZIP):
        yield from _unpacked("gzip", gzip.GzipFile(fileobj=source), zlib.error)
    elif head == _ZSTD:
        # Few streams need it, and from Python 3.14 on it is in the standard library.
        name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        zstd = import_module(name)

        yield from _unpacked("zstd", zstd.ZstdFile(source), zstd.ZstdError)
    else:
        # `read1`: with a pipe, what has come is not kept waiting for what has not.
        yield from iter(lambda: source.read1(CHUNK), b"")


def _unpacked(
    kind: str, reader: io.BufferedIOBase, *errors: type[Exception]
) -> Iterator[bytes]:
    failures: tuple[type[Exception], ...] = (EOFError, OSError, *errors)
    while True:
        try:
            chunk = reader.read1(CHUNK)
        except failures as error:
            raise DamagedStreamError(f"the {kind} data is damaged: {error}") from error
        if not chunk:
            return
        yield chunk


def _first(stream: BinaryIO, size: int) -> bytes:
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


class _Rewound(io.RawIOBase):
    """A stream that begins again with what was read of it."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._read = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # a narrower buffer than typeshed's
        data = self._head[: len(buffer)] or self._read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
