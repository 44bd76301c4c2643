"""Cut a byte stream into the exact JSON text of each event.

A delivery is a sequence of JSON values; a top-level array stands for its elements. A
value is followed by its strings and brackets to where it closes. It is broken where a
string runs past its line, a bracket opens where no value may begin, one closes that is
not open, or the input ends. A broken value gives way to the next line that begins with
`{` or `[`, inside a top-level array also to a `{` after a comma: counted from its own
start, for what it swallowed may be whole.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import msgspec

KEPT_BYTES = 16 * 1024 * 1024
"""Of a longer value only this much is kept; it ends where a broken one would."""
BLOCK = 1024 * 1024

_BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"

# All quantifiers are possessive: no pattern backtracks, each is linear in what it eats.
_OPEN_STRING = rb'"(?:[^"\\\n]++|\\[^\n])*+'
_STRING = _OPEN_STRING + rb'"'
_OPENED = re.compile(_OPEN_STRING)
_GAP = re.compile(rb"[ \t\r\n]*+")
_GAP_IN_ARRAY = re.compile(rb"[ \t\r\n,]*+")
# Over all that is no structure to the next bracket, with the sign before it to open,
# or to a quote whose string does not end on its line or is followed by what cannot be.
_TOKEN = re.compile(
    rb"(?P<plain>(?:"
    + _STRING
    + rb'(?=[ \t\r\n]*+[,:}\]])|[^"{}\[\]:,]++|[:,](?![ \t\r\n]*+[{\[]))*+)'
    rb'(?:(?P<sign>[:,]?+)[ \t\r\n]*+(?P<opens>[{\[])|(?P<closes>[}\]])|(?P<quote>"))'
)
_SCALAR = _STRING + rb'|(?:-?[0-9][-+.0-9eE]*+|true|false|null)(?=[ \t\r\n{\["]|\Z)'
_LONE = re.compile(_SCALAR + rb"|" + _OPEN_STRING + rb'|[^\n{\["]++|.')
_LONE_IN_ARRAY = re.compile(_STRING + rb"|" + _OPEN_STRING + rb'|[^\n,\]{\["]++|.')
# Over damage, up to where a value may begin again.
_DAMAGE = re.compile(rb"(?:[^\n]++|\n[ \t\r\n]*+(?![{\[]))*+")
_DAMAGE_IN_ARRAY = re.compile(
    rb"(?:[^\n,]++|\n[ \t\r\n]*+(?![{\[])|,[ \t\r\n]*+(?!\{))*+"
)

_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


@dataclass(frozen=True, slots=True)
class Oversized:
    """A value too long to be held: its first `KEPT_BYTES`, and what names the whole."""

    head: bytes
    size: int
    sha256: str


Frame = bytes | Oversized


def frames(chunks: Iterable[bytes]) -> Iterator[list[Frame]]:
    """Cut a stream into its values, in groups of about a block of input.

    Nothing is raised for what the bytes are: what is no JSON comes in pieces, too.
    """
    cutter = _Cutter()
    for chunk in chunks:
        for begin in range(0, len(chunk), BLOCK):
            if group := list(cutter.feed(chunk[begin : begin + BLOCK])):
                yield group
    if group := list(cutter.feed(b"", last=True)):
        yield group


class _Cutter:
    """What is not cut yet, and where in the stream that is."""

    def __init__(self) -> None:
        self._rest = b""
        self._waiting = bytearray()
        self._offset = 0
        self._rescanned = 0
        self._in_array = False
        self._due = False  # an element of the array, after its `[` or a comma
        self._skipping: _Skipped | None = None

    def feed(self, block: bytes, *, last: bool = False) -> Iterator[Frame]:
        """Cut what is whole; an open value is scanned again once its length doubled."""
        self._waiting += block
        if len(self._waiting) < len(self._rest) and not last:
            return
        buffer = self._rest + bytes(self._waiting)
        self._waiting.clear()
        start = self._behind_bom(buffer)
        ended, tries = -1, 2
        while (start := self._next_value(buffer, start)) < len(buffer):
            if self._skipping:
                start, frame = self._skip(buffer, start, last=last)
                if not frame:
                    break
                yield frame
                continue
            if tries:
                tries -= 1
                cut = self._far_joint(buffer, start, ended, last=last)
                if cut > start and (whole := self._cut_at_once(buffer[start:cut])):
                    yield from whole
                    start, ended = cut, -1
                    self._due = False
                    continue
            limit = min(len(buffer), start + KEPT_BYTES)
            end = self._end(buffer, start, limit, last=last and limit == len(buffer))
            if end is not None:
                yield buffer[start:end].rstrip(BLANK)
                start = ended = end
                self._due = False
            elif limit - start == KEPT_BYTES:
                self._skipping = _Skipped(buffer[start:limit])
                self._due = False
                start = limit
            else:
                break
        if last and self._skipping:
            yield self._skipping.frame()
        self._rest = buffer[start:]
        self._offset += start

    def _behind_bom(self, buffer: bytes) -> int:
        at_start = not (self._offset or self._in_array)
        return len(_BOM) if at_start and buffer.startswith(_BOM) else 0

    def _next_value(self, buffer: bytes, start: int) -> int:
        """Go over what is around values to where the next begins."""
        while not self._skipping:
            gap = (_GAP_IN_ARRAY if self._in_array else _GAP).match(buffer, start)
            end = gap.end() if gap else start
            self._due |= b"," in buffer[start:end]
            start = end
            sign = buffer[start : start + 1]
            # A `[` where no element is due is a new array: the old was never closed.
            if sign == b"[" and not (self._in_array and self._due):
                self._in_array = self._due = True
            elif sign == b"]" and self._in_array:
                self._in_array = self._due = False
            else:
                break
            start += 1
        return start

    def _far_joint(self, buffer: bytes, start: int, ended: int, *, last: bool) -> int:
        """Guess where the last whole value of the buffer ends; -1 for no idea.

        Values mostly follow each other in one way: what stood between the last two and
        began the second is looked for from behind.
        """
        if ended >= 0:
            return buffer.rfind(buffer[ended : start + 8], start)
        if self._in_array:
            return buffer.rfind(b"]") if last else -1
        return len(buffer) if last else buffer.rfind(b"\n")

    def _cut_at_once(self, text: bytes) -> list[bytes]:
        """Cut well-formed values in C; nothing if they are not, or not only objects."""
        try:
            cut = _array(b"[%b]" % text) if self._in_array else _lines(text)
        except (msgspec.DecodeError, RecursionError):
            return []
        values = list(map(bytes, cut))
        plain = all(v.startswith(b"{") and len(v) <= KEPT_BYTES for v in values)
        return values if plain else []

    def _end(self, buffer: bytes, start: int, limit: int, *, last: bool) -> int | None:
        """Find where the value ends, None if that is not before the limit."""
        if buffer[start] not in b"{[":
            lone = _LONE_IN_ARRAY if self._in_array else _LONE
            end = _over(lone, buffer, start, limit)
            # A string may go on after this buffer, also behind a backslash.
            follows = buffer[end : min(end + 2, limit)]
            return end if last or follows not in (b"", b"\\") else None
        closed, seen = _follow(buffer, start, limit)
        if closed:
            return seen
        if seen == limit and not last:
            return None
        # Where nothing is wrong but that the input ends, only a line may begin anew.
        cut_short = seen == limit
        damage = _DAMAGE_IN_ARRAY if self._in_array and not cut_short else _DAMAGE
        end = _over(damage, buffer, start + 1, limit)
        again = max(0, seen - end)
        # What a broken value swallowed is followed again only while all of that is no
        # more than the stream so far: hostile input costs no more than three times.
        if self._rescanned + again > self._offset + seen + BLOCK:
            end, again = _over(damage, buffer, seen, limit), 0
        if end == limit and not last:
            return None
        self._rescanned += again
        return end

    def _skip(
        self, buffer: bytes, start: int, *, last: bool
    ) -> tuple[int, Oversized | None]:
        """Go over the rest of an oversized value; answer it when its end is found."""
        skipped = self._skipping
        assert skipped is not None  # noqa: S101
        damage = _DAMAGE_IN_ARRAY if self._in_array else _DAMAGE
        end = _over(damage, buffer, start, len(buffer))
        found = end < len(buffer)
        if not found:
            # Blanks at the end may be what follows it, unless they are too many.
            blank = len(buffer) - len(buffer.rstrip(BLANK + b","))
            end = max(start, end - blank) if blank < BLOCK else end
        skipped.take(buffer[start:end])
        if found or last:
            self._skipping = None
            return end, skipped.frame()
        return end, None


class _Skipped:
    """An oversized value on its way past."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._size = len(head)
        self._hash = sha256(head)

    def take(self, part: bytes) -> None:
        self._size += len(part)
        self._hash.update(part)

    def frame(self) -> Oversized:
        return Oversized(self._head, self._size, self._hash.hexdigest())


def _follow(buffer: bytes, start: int, limit: int) -> tuple[bool, int]:
    """Follow a value from its bracket: whether it closes, and how far it was seen."""
    closers = bytearray()
    at = opened = start
    while token := _TOKEN.match(buffer, at, limit):
        at = token.end()
        match token.lastgroup:
            case "opens":
                first = token.start() == opened and not token["plain"].strip(BLANK)
                if not _may_open(closers, token["sign"], first=first):
                    return False, at
                closers += b"}" if token["opens"] == b"{" else b"]"
                opened = at
            case "closes":
                if closers.pop() != token["closes"][0]:
                    return False, at
                if not closers:
                    return True, at
            case _:
                end = _over(_OPENED, buffer, at - 1, limit)
                if buffer[end : min(end + 1, limit)] == b'"':
                    end = _over(_GAP, buffer, end + 1, limit)
                return False, limit if buffer[end:limit] == b"\\" else end
    return False, limit


def _over(pattern: re.Pattern[bytes], buffer: bytes, start: int, limit: int) -> int:
    match = pattern.match(buffer, start, limit)
    return match.end() if match else start


def _may_open(closers: bytearray, sign: bytes, *, first: bool) -> bool:
    """Tell whether a value may begin after this sign: the part of JSON we insist on."""
    if not closers or closers.endswith(b"}"):
        return sign == (b":" if closers else b"")
    return sign == (b"" if first else b",")
