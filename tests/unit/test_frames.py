"""Cutting streams: every value whole, damage kept to itself, memory bounded."""

import hashlib
import itertools
import json
import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profilestore.infrastructure.ingress import frames as module
from profilestore.infrastructure.ingress.frames import Oversized, frames

MIB = 1024 * 1024
BLANKS = b" \t\r\n"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=6), values, max_size=5)
crumbs = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"',
            b"\\",
            b"\n",
            b" ",
            b"1",
            b"NaN",
            b'{"a":1}',
            b'"k":',
            b'"x"',
            b"[1]",
            b"\n{",
            b",{",
            b"\xef\xbb\xbf",
            b"\xff",
        ]
    ),
    max_size=40,
).map(b"".join)
junk = st.binary(max_size=60) | crumbs


def cut(body: bytes, size: int = 0) -> list[bytes | Oversized]:
    parts = [body[i : i + size] for i in range(0, len(body), size)] if size else [body]
    return list(itertools.chain.from_iterable(frames(parts)))


def text(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


def event(number: int) -> dict[str, Any]:
    return {
        "eventId": f"e-{number}",
        "payload": {"id": f"joe{number}", "notes": ['a, {"b"', {"c": number}, [[]]]},
        "devices": [{"n": 1}, {"n": 2}],
        "revision": number,
    }


EVENTS = [event(number) for number in range(500)]


def ndjson(texts: Iterable[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in texts)


def one_line_array(texts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def lines_of_array(texts: Iterable[bytes]) -> bytes:
    return b"[\n  " + b",\n  ".join(texts) + b"\n]\n"


FORMS = {
    "ndjson": ndjson,
    "crlf": b"\r\n".join,
    "blank lines": b"\n \n\n".join,
    "concatenated": b"".join,
    "array": one_line_array,
    "array of lines": lines_of_array,
    "many arrays": lambda texts: b"\n".join(b"[" + text + b"]" for text in texts),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


# Well-formed streams


@every_form
@given(st.lists(objects, max_size=8), st.sampled_from([None, 0, 2]))
def test_values_come_as_their_exact_texts(
    form: Callable[[list[bytes]], bytes],
    members: list[dict[str, Any]],
    indent: int | None,
) -> None:
    texts = [text(member, indent=indent, ensure_ascii=False) for member in members]
    assert cut(form(texts)) == texts


@every_form
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("size", [0, 1000, 65536])
def test_long_streams_come_as_their_exact_texts(
    form: Callable[[list[bytes]], bytes], indent: int | None, size: int
) -> None:
    texts = [text(event, indent=indent) for event in EVENTS * 8]
    assert cut(form(texts), size) == texts


@given(st.lists(values, max_size=6), st.sampled_from([None, 2]))
def test_an_array_stands_for_its_elements(
    elements: list[Any], indent: int | None
) -> None:
    texts = [text(element) for element in elements]
    assert cut(one_line_array(texts)) == texts
    if not any(isinstance(element, list | dict) for element in elements):
        assert cut(text(elements, indent=indent)) == texts


@pytest.mark.parametrize(
    ("body", "pieces"),
    [
        (b"", []),
        (b" \r\n\t\n", []),
        (b"\xef\xbb\xbf", []),
        (b"[]", []),
        (b"[ ]\n[\n]", []),
        (b'\xef\xbb\xbf{"a":1}', [b'{"a":1}']),
        (b"{}{}\n\n{} {}", [b"{}"] * 4),
        (b'1 "x" null\ntrue -1.5e3', [b"1", b'"x"', b"null", b"true", b"-1.5e3"]),
        (b'"a""b"{}"c"', [b'"a"', b'"b"', b"{}", b'"c"']),
        (b"[[1,2],[3]]", [b"[1,2]", b"[3]"]),
        (b'[1, "x,]" ,null\n]', [b"1", b'"x,]"', b"null"]),
        (
            b'{"a":1}\n[{"b":2},\n{"c":3}] {"d":4}',
            [b'{"%c":%d}' % p for p in zip(b"abcd", (1, 2, 3, 4), strict=False)],
        ),
        (b"[[[[1]]],[{}]]{}[2]", [b"[[[1]]]", b"[{}]", b"{}", b"2"]),
        (rb'{"a\"}{":"\\"}{"b":"\u007d"}', [rb'{"a\"}{":"\\"}', rb'{"b":"\u007d"}']),
    ],
)
def test_small_streams(body: bytes, pieces: list[bytes]) -> None:
    assert cut(body) == pieces


def test_values_nested_beyond_any_parser_stay_whole() -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    deeper = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    texts = [b'{"b":1}', deep, b'{"c":2}', deeper, b'{"d":3}']
    for form in FORMS.values():
        assert cut(form(texts)) == texts


def test_a_live_stream_is_not_kept_waiting_for_the_next_event() -> None:
    given_out: list[bytes] = []

    def tail() -> Iterator[bytes]:
        for member in EVENTS:
            given_out.append(text(member))
            yield text(member) + b"\n"

    for group in frames(tail()):
        assert group == given_out[-1:]


def test_groups_stay_about_a_block() -> None:
    body = ndjson(text(event) for event in EVENTS * 60)
    for group in frames([body]):
        assert sum(len(piece) for piece in group if isinstance(piece, bytes)) < 2 * MIB


# Damage

BROKEN_LINES = [
    b'{"a":{"b":1}',
    b'{"a":1',
    b'{"a',
    b'{"a":"b',
    b'{"a":"b\\',
    b'{"a":1,"b":',
    b'{"a":1,',
    b'{"a":[',
    b'{"a":[1,',
    b'{"a":[{"b":1},',
    b'{"a":[[{',
    b'{"a":"b"c"}',
    b'{"a":1]}',
    b'{"a":"he said "hi", {see}"}',
    b"{",
    b"}",
    b"]",
    b"]}",
    b",",
    b":",
    b'"',
    b'"a":1}',
    b"NaN",
    b"garbage, more {of} it",
    b"\x00\xff\xfe{\x00\x01\x02",
    b'[{"x":1},{"y":"',
    b"[",
]
UNBALANCED = [line for line in BROKEN_LINES if line not in (b"[", b'{"a":[[{')]


@pytest.mark.parametrize("line", BROKEN_LINES)
def test_a_broken_line_harms_no_other_line(line: bytes) -> None:
    good = [text(event) for event in EVENTS]
    found = cut(ndjson([*good[:250], line, *good[250:]]))
    assert [piece for piece in found if piece in set(good)] == good


@given(data=st.data())
def test_a_corrupted_line_harms_no_other_line(data: st.DataObject) -> None:
    good = [text(event) for event in EVENTS[:6]]
    line = data.draw(
        st.sampled_from(good).flatmap(
            lambda line: (
                st.integers(0, len(line)).map(lambda n: line[:n])
                | st.tuples(st.integers(0, len(line) - 1), st.binary(max_size=3)).map(
                    lambda change: line[: change[0]] + change[1] + line[change[0] + 1 :]
                )
            )
        )
        | junk
    ).replace(b"\n", b"")
    # An array's bracket or comma makes a new stream of it, not a broken line.
    if line in good or line.lstrip(BLANKS + b"\xef\xbb\xbf,:]}").startswith(b"["):
        return
    found = cut(ndjson([*good[:3], line, *good[3:]]))
    assert [piece for piece in found if piece in good and piece != line][-3:] == good[
        3:
    ]
    assert found[:3] == good[:3]


@pytest.mark.parametrize(
    "lines", [BROKEN_LINES, [b'{"a":'] * 50, [b'{"a":[1,'] * 50, [b'{"a":"'] * 50]
)
def test_many_broken_lines_harm_no_other_line(lines: list[bytes]) -> None:
    good = [text(event) for event in EVENTS[: len(lines)]]
    mixed = itertools.chain.from_iterable(zip(lines, good, strict=True))
    found = cut(ndjson(mixed))
    assert [piece for piece in found if piece in set(good)] == good


@pytest.mark.parametrize("line", UNBALANCED)
def test_a_broken_line_harms_no_batch_on_another_line(line: bytes) -> None:
    batches = [EVENTS[i : i + 5] for i in range(0, 20, 5)]
    lines = [text(batch) for batch in batches]
    found = cut(ndjson([*lines[:2], line, *lines[2:]]))
    whole = [text(event) for event in EVENTS[:20]]
    assert [piece for piece in found if piece in whole] == whole


def test_a_batch_cut_short_harms_no_other_batch() -> None:
    batch = text(EVENTS[:3])
    elements = [text(event) for event in EVENTS[:3]]
    for kept in range(2, len(batch)):
        if batch[:kept].rstrip().endswith(b","):
            continue  # what follows is its next element
        found = cut(batch[:kept] + b"\n" + batch)
        assert found[-3:] == elements


ELEMENTS = [
    b"NaN",
    b'{"a":NaN}',
    b'{"a":1,}',
    b"{'a':1}",
    b'{"a" 1}',
    b"{a:1}",
    b"nonsense here",
    b'"\\x"',
    b"[1,]",
    b'{"a":"b}',
    b'{"a:1}',
    b'{"a":"b"x"}',
    b'{"a":1',
    b'{"a":{"b":1}',
    b'{"a":[1,2}',
    b'{"a":1]',
    b'{"a":1}}',
    b'"a":1}',
    b'{a":1}',
    b'{"a":"b""}',
]


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("form", [one_line_array, lines_of_array, b", ".join])
def test_a_broken_element_harms_itself_only(
    element: bytes, form: Callable[[list[bytes]], bytes]
) -> None:
    good = [text(event) for event in EVENTS]
    body = form([*good[:250], element, *good[250:]])
    found = cut(body if body.startswith(b"[") else b"[" + body + b"]")
    assert [piece for piece in found if piece in set(good)] == good
    assert b"".join(found[250:-250]) == element  # type: ignore[arg-type]


@pytest.mark.parametrize("element", [e for e in ELEMENTS[:9] if e != b'{"a" 1}'])
def test_an_element_that_is_balanced_is_a_piece_wherever_it_stands(
    element: bytes,
) -> None:
    for at in range(4):
        elements = [b'{"x":1}', b"2", b'"y"']
        elements.insert(at, element)
        assert cut(one_line_array(elements)) == elements


def test_a_stray_bracket_leaves_the_elements_whole() -> None:
    found = cut(b'[{"a":1}],{"b":2},{"c":3}]')
    assert {b'{"a":1}', b'{"b":2}', b'{"c":3}'} <= set(found)
    assert cut(b'{"a":1}}{"b":2}') == [b'{"a":1}', b"}", b'{"b":2}']


def test_an_array_cut_short_yields_its_elements_and_the_rest() -> None:
    good = [text(event) for event in EVENTS]
    body = one_line_array(good)
    assert cut(body[:-1]) == good
    assert cut(body[:-9]) == [*good[:-1], good[-1][:-8]]
    assert cut(b'[{"a":1},{"b":"c') == [b'{"a":1}', b'{"b":"c']


def test_a_broken_pretty_object_harms_no_other() -> None:
    good = [text(event, indent=2) for event in EVENTS[:5]]
    for wound in (b'"eventId', b'"e-2"', b"{", b"},", b"]", b": "):
        damaged = good[2].replace(wound, b'"', 1)
        found = cut(b"\n".join([*good[:2], damaged, *good[3:]]))
        assert found[:2] == good[:2]
        assert found[-2:] == good[3:]


def test_pieces_of_damage_are_what_was_there() -> None:
    body = b'{"a":1,"b":\n{"c":2}\n} x\n{"d":"\n\n[{"e":3},{"f":4,{"g":5}\n'
    assert cut(body) == [
        b'{"a":1,"b":\n{"c":2}\n}',
        b"x",
        b'{"d":"',
        b'{"e":3}',
        b'{"f":4',
        b'{"g":5}',
    ]


@given(junk)
def test_all_bytes_are_in_one_piece_in_order(body: bytes) -> None:
    body = body.replace(b"[", b"(")
    pieces = cut(body)
    rest = body.removeprefix(b"\xef\xbb\xbf")
    for piece in pieces:
        assert isinstance(piece, bytes)
        assert piece == piece.strip(BLANKS) != b""
        before, _, rest = rest.partition(piece)
        assert not before.strip(BLANKS)
    assert not rest.strip(BLANKS)


@given(junk)
def test_only_the_signs_of_arrays_are_left_out(body: bytes) -> None:
    rest = body.removeprefix(b"\xef\xbb\xbf")
    for piece in cut(body):
        assert isinstance(piece, bytes)
        before, found, rest = rest.partition(piece)
        assert found
        assert not before.strip(BLANKS + b"[],")
    assert not rest.strip(BLANKS + b"[],")


@given(junk, st.integers(1, 9))
@example(b'{"a":"\\\n{}', 1)
@example(b'["a" \n, {', 1)
def test_chunks_make_no_difference(body: bytes, size: int) -> None:
    assert cut(body, size) == cut(body)


@pytest.mark.parametrize("seed", range(20))
def test_chunks_and_shortcuts_make_no_difference_to_long_streams(seed: int) -> None:
    rng = random.Random(seed)
    texts = [text(rng.choice(EVENTS), indent=rng.choice([None, 2])) for _ in range(300)]
    for _ in range(rng.randrange(5)):
        texts.insert(rng.randrange(len(texts)), rng.choice(BROKEN_LINES + ELEMENTS))
    body = rng.choice([*FORMS.values()])(texts)
    whole = cut(body)
    for size in (997, 65536, rng.randrange(1, len(body))):
        assert cut(body, size) == whole


# Hostile and huge streams

HOSTILE = [
    *[b"{\n", b"[", b'"', b'{"a":', b'{"a":\n', b"[[[[", b"}{", b"[\n", b"[1,\n"],
    *[b"}", b"]", b",", b"\\", b"\n", b"x\n", b'"\n', b"1,", b'{"a":[\n', b'{"x,{",'],
]


@pytest.mark.parametrize("before", [b"", b"[", b'[{"a":['])
@pytest.mark.parametrize("crumb", HOSTILE)
def test_hostile_streams_cost_linear_time(before: bytes, crumb: bytes) -> None:
    body = before + crumb * (MIB // 4 // len(crumb))
    pieces = cut(body)
    assert sum(map(len, pieces)) <= len(body)  # type: ignore[arg-type]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine in small: what is kept, and how much is read at once."""
    monkeypatch.setattr(module, "KEPT_BYTES", KEPT)
    monkeypatch.setattr(module, "BLOCK", KEPT // 16)


def oversized(value: bytes) -> Oversized:
    return Oversized(value[:KEPT], len(value), hashlib.sha256(value).hexdigest())


KEPT = 64 * 1024
FILLER = b"x" * KEPT
HUGE = [
    b'{"a":"' + FILLER + b'"}',
    b'{"a":[' + b'{"b":1},\n' * (KEPT // 7) + b"2]}",
    b'{"a":"\\\\\\"' + FILLER + b'","b":{"c":[1]}}',
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, 9_991])
@pytest.mark.parametrize("value", HUGE, ids=["string", "array", "escapes"])
def test_a_huge_value_is_told_by_its_head_and_digest(value: bytes, size: int) -> None:
    value = value.replace(b"\n", b"")
    assert cut(ndjson([b'{"b":1}', value, b'{"c":2}', value]), size) == [
        b'{"b":1}',
        oversized(value),
        b'{"c":2}',
        oversized(value),
    ]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("value", HUGE, ids=["string", "array", "escapes"])
def test_a_huge_value_harms_no_other_element(value: bytes) -> None:
    found = cut(one_line_array([b'{"b":1}', value, b'{"c":2}']))
    assert found[0] == b'{"b":1}'
    assert isinstance(found[1], Oversized)
    assert b'{"c":2}' in found


@pytest.mark.usefixtures("small")
def test_a_value_of_just_the_kept_size_is_whole() -> None:
    value = b'{"a":"' + FILLER[8:] + b'"}'
    assert len(value) == KEPT
    assert cut(ndjson([value, b"{}"]), 9_991) == [value, b"{}"]
    longer = value.replace(b'"}', b'" }')
    assert cut(ndjson([longer, b"{}"]), 9_991) == [oversized(longer), b"{}"]


@pytest.mark.usefixtures("small")
def test_huge_damage_is_told_by_its_head_and_digest() -> None:
    garbage = b"garbage" + FILLER
    assert cut(ndjson([b"{}", garbage, b'{"a":1}']), 9_991) == [
        b"{}",
        oversized(garbage),
        b'{"a":1}',
    ]


ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "ndjson": lambda: itertools.repeat(ndjson(map(text, EVENTS))),
    "pretty": lambda: itertools.repeat(text(EVENTS[0], indent=2) + b"\n"),
    "array": lambda: itertools.chain(
        [b"["], itertools.repeat(b",\n".join(map(text, EVENTS)) + b",")
    ),
    "one object": lambda: itertools.chain(
        [b'{"a":['], itertools.repeat(b'{"b":[1,"x"]},' * 999)
    ),
    "one string": lambda: itertools.chain([b'{"a":"'], itertools.repeat(FILLER)),
    "no structure": lambda: itertools.repeat(FILLER),
    "blanks": lambda: itertools.repeat(b" " * KEPT),
    "damage and blanks": lambda: itertools.chain(
        [b"x"], itertools.repeat(b"\n" * KEPT)
    ),
    "opening brackets": lambda: itertools.repeat(b"[" * KEPT),
    "broken lines": lambda: itertools.repeat(b'{"a":"\n' * 2_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.usefixtures("small")
def test_memory_does_not_grow_with_the_stream(kind: str) -> None:
    left = 2 * MIB

    def stream() -> Iterator[bytes]:
        nonlocal left
        for chunk in ENDLESS[kind]():
            left -= len(chunk)
            if left < 0:
                return
            yield chunk

    tracemalloc.start()
    for _ in frames(stream()):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A value in the making, its copy when a block joins it, and the head that is kept.
    assert peak < MIB


def test_an_array_never_closed_ends_where_the_next_begins_in_any_chunks() -> None:
    body = b'{"a":1}\n[{"b":2}\n[{"c":3},{"d":4}]'
    whole = [b'{"a":1}', b'{"b":2}', b'{"c":3}', b'{"d":4}']
    assert all(cut(body, size) == whole for size in range(len(body)))
