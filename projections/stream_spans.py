"""The spans of a stream of rows: what `spans_of` is for a profile."""

from collections.abc import Iterable
from typing import Any

from .condition import Push, code_of
from .spans import Span
from .state import Status
from .stream_lives import StreamLife
from .stream_row import Kind, read_all

_UPDATE, _DELETE, _DEVICES = int(Kind.UPDATE), int(Kind.DELETE), int(Kind.DEVICES)


def spans_of_lives(lives: Iterable[StreamLife]) -> list[Span]:
    """List the spans of all lives of a profile."""
    spans: list[Span] = []
    for life in lives:
        _add_spans(spans, life)
    return spans


def _add_spans(spans: list[Span], life: StreamLife) -> None:
    """Add the spans of a life, event by event in order of time.

    What came before in time may come after in source order: of the deletes and
    undeletes so far that of the largest revision decides, and the last device event.
    """
    status, push, complete = Status.UNKNOWN, Push.UNKNOWN, False
    others, start, revisions = life.others, 0, None
    if life.create:
        status, complete = Status.ACTIVE, True
        start, first = life.create[0], life.create[2]
        begin_span(spans, start, code_of(status, push, complete))
        if life.unbroken:
            # Nothing was ever missing: updates change nothing here.
            others = [row for row in others if row[1] != _UPDATE]
        else:
            revisions = _Revisions(first)
    devices = iter(read_all([row[4] for row in life.devices]))
    decided: tuple[Any, ...] = ()
    before: tuple[Any, ...] = (status, push, complete) if life.create else ()
    for occurred_at, kind, revision, event_id, *_ in others:
        if kind == _DEVICES:
            push = Push.of(next(devices).payload["devices"])
        else:
            if kind == _UPDATE:
                status = Status.ACTIVE if status is Status.UNKNOWN else status
            elif (revision, occurred_at, event_id) > decided:
                decided = (revision, occurred_at, event_id)
                status = Status.DELETED if kind == _DELETE else Status.ACTIVE
            if revisions:
                complete = revisions.claim(revision)
        if (status, push, complete) != before:
            before = (status, push, complete)
            since = max(occurred_at, start) if life.create else occurred_at
            begin_span(spans, since, code_of(status, push, complete))


class _Revisions:
    """The revisions that the lifecycle events of a life claimed so far."""

    def __init__(self, first: int) -> None:
        self._low = self._high = first
        self._seen = {first}
        self._clash = False

    def claim(self, revision: int) -> bool:
        """Claim one more; say whether none is missing and none is claimed twice."""
        if revision in self._seen:
            self._clash = True
        self._seen.add(revision)
        if revision > self._high:
            self._high = revision
        elif revision < self._low:
            self._low = revision
        return not self._clash and self._high - self._low + 1 == len(self._seen)


def begin_span(spans: list[Span], since: int, code: int) -> None:
    """Let a condition begin; of several at one time the last is what was true then."""
    if spans and spans[-1].since == since:
        spans.pop()
    if not spans or spans[-1].code != code:
        spans.append(Span(since, code))
