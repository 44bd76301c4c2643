"""Structured logs on standard error: one JSON object a line, and no personal data.

A line says when, what and where, never of whom: no profile id, payload, token, secret,
path or message of an error is written. What a library logs goes the same way.
"""

import asyncio
import atexit
import logging
import sys
import traceback
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict

MOMENT_SECONDS = 0.05

_ALWAYS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]


def configure(level: str) -> None:
    """Log from this level on: debug, info, warning or error."""
    least = logging.getLevelNamesMapping()[level.upper()]
    lines = _Lines(sys.stderr)
    atexit.register(lines.write, "")  # what was said last
    structlog.configure(
        processors=[*_ALWAYS, _place_only, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", lines)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_ALWAYS,
            processors=[
                _place_only,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(
        handlers=[handler], level=max(least, logging.WARNING), force=True
    )
    logging.getLogger("uvicorn").setLevel(max(least, logging.WARNING))


class _Lines:
    """Writes lines together, at most a moment after they were said.

    A write for each would cost a busy event loop more than what it tells of.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._due = False

    def write(self, text: str) -> None:
        """Take a line."""
        self._lines.append(text)
        if self._due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not in the event loop
            self._write()
        else:
            self._due = True
            loop.call_later(MOMENT_SECONDS, self._write)

    def flush(self) -> None:
        """Leave it to the moment."""

    def _write(self) -> None:
        self._due = False
        lines, self._lines = self._lines, []
        self._stream.write("".join(lines))
        self._stream.flush()


def places(error: BaseException) -> list[str]:
    """Say where an error came from, which never holds what it was about."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _place_only(_: Any, __: str, event: EventDict) -> EventDict:
    """Tell of an exception its kind and its place, not what it says."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"], event["frames"] = type(error).__name__, places(error)
    return event
