"""The system calls of a process under `syscalls.c`, and what a power cut leaves of them."""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
HEAD = struct.Struct("=c3xiiiqq")


class Call(NamedTuple):
    """A call that happened, or was made to fail: then its kind is upper case."""

    kind: str
    """open write truncate sync unlink rename, or answer: a line on standard output."""
    thread: int
    fd: int
    path: str
    offset: int
    """Of a write; the new length if it is a truncate."""
    data: bytes


class Shim:
    """The compiled library; runs Python code under it."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if sys.platform != "linux" or compiler is None:
            why = "the faults of system calls need Linux and a C compiler named cc"
            if "CI" in os.environ:
                pytest.fail(why)
            pytest.skip(why)
        self.complaints: list[str] = []
        """What the last run wrote to standard error, line by line."""
        self._library = directory / "syscalls.so"
        subprocess.run(
            [
                *(compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"),
                *("-o", self._library, Path(__file__).with_name("syscalls.c")),
            ],
            check=True,
        )

    def start(
        self, code: str, *arguments: object, directory: Path, log: Path
    ) -> subprocess.Popen[str]:
        """Run code whose calls on files under the directory are logged."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "",  # so that a line is one call
                "LD_PRELOAD": str(self._library),
                "SYSCALLS_DIRECTORY": f"{directory}/",
                "SYSCALLS_LOG": str(log),
            },
        )

    def run(
        self, code: str, *arguments: object, directory: Path, log: Path
    ) -> list[str]:
        """Run code to its end; answer the lines it printed, keep its complaints."""
        directory.mkdir(exist_ok=True)
        with self.start(code, *arguments, directory=directory, log=log) as process:
            told, complaints = process.communicate(timeout=600)
        assert process.returncode == 0, complaints
        self.complaints = complaints.splitlines()
        return told.splitlines()


def read(log: Path) -> Iterator[Call]:
    """Read a log in the order of its calls."""
    with log.open("rb") as file:
        while head := file.read(HEAD.size):
            kind, thread, fd, path_bytes, offset, data_bytes = HEAD.unpack(head)
            path = file.read(path_bytes).decode()
            yield Call(kind.decode(), thread, fd, path, offset, file.read(data_bytes))


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Call] = field(default_factory=list)


class Disk:
    """The files as a disk would have them: a write is durable once its file is synced.

    A failed sync loses what it should have made durable, as Linux may: what is synced
    later is what was written later. Names of files are durable at once.
    """

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def do(self, call: Call) -> None:
        """Follow a call."""
        if not call.path:
            return
        file = self._files.setdefault(call.path, _File())
        match call.kind:
            case "w" | "t":
                file.unsynced.append(call)
            case "s":
                for each in file.unsynced:
                    _do(each, file.durable)
                file.unsynced.clear()
            case "S":
                file.unsynced.clear()
            case "u":
                del self._files[call.path]
            case "r":
                self._files[call.data.decode()] = self._files.pop(call.path)

    def write(self, directory: Path, luck: random.Random | None = None) -> None:
        """Make the files a power cut leaves now, and no others: what is durable.

        With luck also about half of the rest.
        """
        for old in directory.iterdir():
            old.unlink()
        for path, file in self._files.items():
            content = bytearray(file.durable)
            for each in file.unsynced if luck else ():
                if luck and luck.random() < 0.5:
                    _do(each, content)
            if not path.endswith("-shm"):  # shared memory, made anew
                (directory / Path(path).name).write_bytes(content)


def _do(call: Call, content: bytearray) -> None:
    if call.kind == "t":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    content.extend(bytes(max(0, call.offset - len(content))))
    content[call.offset : call.offset + len(call.data)] = call.data
