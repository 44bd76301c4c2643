"""Bodies that nobody should send, by what is wrong with them.

In the manner of the JSON test suites: what is no JSON, what only just is, what readers
disagree on, what is JSON but no event, and events beside such things. All are ours.
"""

import gzip
import json
import zlib
from itertools import product

from tests.simple_events import event

GOOD = json.dumps(event(1, "hostile")).encode()
INSIDE = (b"%b", b"[%b]", b'{"a":%b}')
"""Where a value can stand: alone, in an array, in an object."""
TEXT = (b'["%b"]', b'{"%b":0}')
"""Where the inside of a string can stand."""


def _inside(*values: bytes, where: tuple[bytes, ...] = INSIDE) -> list[bytes]:
    return [place.replace(b"%b", value) for value, place in product(values, where)]


STRUCTURE = [
    b"[", b"]", b"{", b"}", b"[]]", b"[[]", b"{}}", b"{{}", b"[}", b"{]", b"[{]}", b"[1}", b'{"a":1]',
    b"[,]", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]", b"[1;2]", b"[1:2]", b"[1,", b"[1", b"[1,\n", b"[[1,2]",
    b"[{}", b'["a"', b'["a",', b'["a":1]', b'{"a"}', b'{"a":}', b'{"a":1,}', b'{,"a":1}', b'{"a":1,,"b":2}',
    b'{"a" 1}', b'{"a"=1}', b'{"a":1 "b":2}', b'{"a":1;"b":2}', b'{"a":1:2}', b'{"a"::1}', b"{:1}", b'{"a":',
    b'{"a":1', b'{"a', b'{"a"', b'{"a":1,', b'{"a":{', b'{"a":[', b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}",
    b"{[]:1}", b"{{}:1}", b'{"a","b"}', b'{"a":1}{', b"()", b"(1)", b"<1>", b"[1]//c", b"[1]/*c*/", b"[/*c*/1]",
    b"#c\n[1]", b"[1\n,]", b"[\n", b"{\n", b"*", b"[*]", b"[&]", b"[@]", b"[?]", b"$", b"[...]", b"{...}", b"-",
    b"[][][", b"{}{}{", b"]][[", b"}{", b"[[[[]]]", b'[{"a":[{"b":[}]}]', b'["",""', b"[null", b"[true,", b"[]x",
]  # fmt: skip
LITERALS = _inside(
    b"tru", b"truee", b"True", b"TRUE", b"t", b"fals", b"False", b"f", b"nul", b"nulll", b"Null", b"NULL", b"None",
    b"nil", b"undefined", b"NaN", b"nan", b"Infinity", b"-Infinity", b"+Infinity", b"inf", b"truefalse", b"null0",
)  # fmt: skip
NUMBERS = _inside(
    b"+1", b"++1", b"--1", b"-", b"+", b"01", b"-01", b"00", b"1.", b".1", b"-.1", b"1..2", b"1.2.3", b"1e", b"1e+",
    b"1e-", b"1E", b"1ee2", b"1e1e1", b"1e1.5", b"e1", b"0x1", b"0xF", b"0b1", b"0o7", b"1_000", b"1,000", b"1 000",
    b"1'000", b"1f", b"1L", b"1n", b"-x", b"1x", b"0.", b"-0.", b"2.e3", b"0e", b"1/2", b"1+1", b"\xef\xbc\x91",
    b"\xd9\xa1", b"\xe2\x88\x92" b"1", b"- 1", b"1e 1", b"1. 5", b"0-1", b"1-", b"\xc2\xbd", b"1%", b"$1",
    where=(b"[%b]", b'{"a":%b}'),
) + _inside(
    b"-0", b"0.0", b"1e400", b"-1e400", b"1e-400", b"1E+2", b"123456789012345678901234567890", b"9" * 5000,
    b"0." + b"1" * 5000, b"1e" + b"9" * 50, b"-9223372036854775809", b"18446744073709551616", b"1e5000",
    where=(b"[%b]", b'{"a":%b}'),
)  # fmt: skip
STRINGS = [
    *_inside(
    b"\\", b"\\x41", b"\\u", b"\\u1", b"\\u12", b"\\u123", b"\\uZZZZ", b"\\U00000041", b"\\a", b"\\0", b"\\'", b"\\ ",
    b"\\\n", b"\\u 041", b"\\u+041", b"\\u-041", b"\\ud800\\", b"\\ud800\\u", b"\\ud800\\u1", b"\\e", b"\\v",
    b"\\\xc3\xa9", b"\\\x00", b'"', b'a"b', b'\\\\"', b"\n", b"\r", b"\t", b"\x01", b"\x1f", b"\x08", b"\x0c",
    b"a\nb", b"\r\n", b"\\%", b"\\{", b"\\1", b"\\u00", b"\\u{41}", b"\\&",
        where=TEXT,
    ),
    b'"', b'["', b'["a', b'["a\\', b'["\\"', b'["a]', b"['a']", b"[`a`]", b"[a]", b'["a" "b"]', b'["a"b]', b'[b"a"]',
]  # fmt: skip
SURROGATES = _inside(
    b"\\ud800", b"\\udfff", b"\\udc00\\ud800", b"\\ud800\\ud800", b"\\ud83d", b"\\ude00\\ud83d", b"\\ud800a",
    b"\\uD834\\u0061", b"a\\udbff", b"\\ud83d\\ude0", b"\\ud800\\n", b"\\uD888\\u1234",
    where=TEXT,
)  # fmt: skip
ENCODINGS = [
    *_inside(
    b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2(\xa1",
    b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x9f\x98", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xe9", b"\xf0(\x8c\xbc",
        where=TEXT,
    ),
    *(GOOD.decode().encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp500")),
    *('["é"]'.encode(name) for name in ("latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32-be")),
    b"\xff\xfe", b"\xfe\xff", b"\xff", b"\x80[]", b"[]\x80", b"[\xff]", b"\xff{}",
]  # fmt: skip
MARKS = [
    b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"\xef\xbb\xbf7", b"\xef\xbb\xbf\xef\xbb\xbf[7]", b"\xef\xbb\xbf{",
    b"[\xef\xbb\xbf]", b"[1,\xef\xbb\xbf2]", b"{}\xef\xbb\xbf", b"\xef\xbb[]", b"\xef\xbb\xbf\x00", b"\xef\xbb",
    b"\xe2\x80\x8b[]", b"[]\xe2\x80\xa8", b"\xc2\xa0[]", b"[\xc2\xa01]", b"\xe2\x81\xa0{}", b"\xe3\x80\x80[]",
]  # fmt: skip
CONTROLS = [
    b"\x00", b"\x00" * 100, b"[\x00]", b"[1\x00]", b"[1]\x00", b"\x00[1]", b'{"a\x00b":1}', b'["\x00"]', b"{\x00}",
    b'{"a":\x00}', b"[\x0b1]", b"[\x0c1]", b"[\x081]", b"[1]\x1a", b"\x04", b"[\x7f]", b"\x1b[0m", b"[1\x1e]",
    b"\x1e{}\x1e{}", b"\x0c[]", b'{"a"\x0b:1}', b"\x7f\x45LF", b"a\x00b", b"\x00\x01\x02\x03", b"[\x00,\x00]",
]  # fmt: skip
NESTING = [
    b"[" * 500, b"[" * 100_000, b"{" * 500, b'{"a":' * 500, b'{"a":' * 50_000, b"[{" * 1000, b'[{"a":' * 5000,
    b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500, b"]" * 10_000,
    b"[" * 300 + b"]" * 299, b'{"a":[' * 300 + b"1" + b"]}" * 299, b'["' * 1000, b"[[],[]" * 300, b"([" * 1000,
    b'{"payload":' * 300 + b"{}" + b"}" * 300, b"[" * 201 + b"1" + b"]" * 201,
]  # fmt: skip
TRAILING = [
    b"[] []", b"{} {}", b"[]{}", b"1 2", b"1\n2", b'"a" "b"', b"nullnull", b"true false", b"[]garbage", b"{}garbage",
    b"[1],", b"{},", b",[1]", b"{};", b"[1]]", b'{"a":1}}', b'{"a":1}#', b'{"a":1}//', b"{}\n{}\n{", b"{}\n[\n{}",
    b"7\n{\n8", b"[1]\n[2", b'{"a":1}\n{"a":', b"[]\x00", b"[]\n\n\ngarbage", b"[1]1", b'"a"1', b"1[", b"1{", b'1"',
]  # fmt: skip
DUPLICATES = [
    b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":2}}', b'{"":1,"":2}',
    b'{"eventId":"a","eventId":"b"}', GOOD[:-1] + b',"eventId":"other"}', GOOD[:-1] + b',"name":"profile.delete"}',
    GOOD[:-1] + b',"payload":{"id":"other"}}', GOOD[:-1] + b',"payload":null}', GOOD[:-1] + b',"revision":"x"}',
    b"[" + b",".join([b'{"a":1}'] * 600) + b"]", b"[" + b",".join([b"7"] * 2500) + b"]",
]  # fmt: skip
NO_EVENTS = [
    b"0", b"-1", b"1.5", b"true", b"false", b"null", b'""', b'"event"', b"{}", b"[null]", b"[true,false]", b"[[]]",
    b"[[[]]]", b"[{}]", b'[""]', b"[1,2,3]", b'{"a":1}', b'["\\u0000"]', b'{"\\u0000":1}', b'{"":0}', b'{"a":{}}',
    b'["\\ud83d\\ude00"]', b'["\xf0\x9f\x98\x80"]', b'{"eventId":1}', b'{"name":"profile.create"}', b"[[1],[2]]",
    b'{"name":"profile.explode","eventId":"a"}', b'{"__proto__":{}}', b'{"eventId":null,"payload":[]}', b" 7 ",
    b'{"events":[]}', b"\t[\t7\t]\t", b"\r\n{}\r\n", b'{"a":"' + b"x" * 100_000 + b'"}', b'["\\/\\b\\f\\n\\r\\t"]',
]  # fmt: skip
BROKEN_EVENTS = [
    *(json.dumps(event(1, "hostile", **members)).encode() for members in (
        {"eventId": None}, {"eventId": 7}, {"eventId": ""}, {"eventId": "x" * 5000}, {"apiSpaceId": "none"},
        {"apiSpaceId": None}, {"apiSpaceId": 0}, {"name": 7}, {"name": "profile.unheard"}, {"payload": None},
        {"payload": []}, {"payload": "x"}, {"payload": {}}, {"payload": {"id": 7}}, {"payload": {"id": ""}},
        {"payload": {"id": None}}, {"payload": {"id": "x" * 5000}}, {"revision": -1}, {"revision": "1"},
        {"revision": 1.5}, {"revision": 2**70}, {"revision": None}, {"timestamp": "yesterday"}, {"timestamp": 0},
        {"timestamp": "2017-13-31T00:00:00Z"}, {"timestamp": "2017-05-31"}, {"timestamp": None}, {"etag": 7},
        {"timestamp": "2017-05-31T15:26:58"}, {"timestamp": "-0001-01-01T00:00:00Z"}, {"accountId": "x" * 50},
    )),
    *(GOOD[:length] for length in range(1, len(GOOD), 23)),
    GOOD.replace(b":", b"="), GOOD.replace(b'"', b"'"), GOOD.replace(b",", b";"), GOOD[::-1], GOOD[1:], GOOD.upper(),
    GOOD.replace(b"}", b""), GOOD.replace(b'"payload"', b"payload"), GOOD.replace(b"1", b"01"), b'"' + GOOD + b'"',
    json.dumps(GOOD.decode()).encode(), b"[" * 3 + GOOD + b"]" * 3, b'{"event":' + GOOD + b"}", b"\x00" + GOOD,
]  # fmt: skip
BESIDE_EVENTS = [
    b"[7," + GOOD + b"]", b"[" + GOOD + b",7]", b"[" + GOOD + b",]", b"[" + GOOD, GOOD + b"garbage", GOOD + b"}",
    b"garbage\n" + GOOD, GOOD + b"\n{\n" + GOOD, b"[NaN,\n" + GOOD + b"]", b"[" + GOOD + b",{broken]", GOOD * 2,
    b"[" + GOOD + b" " + GOOD + b"]", b'["unclosed,\n' + GOOD + b"]", b"\xef\xbb\xbf" + GOOD, GOOD + b"\x00",
    b"[" + b",".join([GOOD] * 501) + b"]", b"[" + GOOD + b",null," + GOOD + b",[[]]]", b"{" + GOOD + b"}",
    b"\xff\n" + GOOD + b"\n\xff", b"[" + GOOD + b",{}]trailing", b'[{"a":"\xff"},' + GOOD + b"]",
]  # fmt: skip
OTHER_FORMATS = [
    b"a,b,c\nd,e,f\n", b"<xml/>", b"<?xml version='1.0'?><a>&b;</a>", b"event=1&b=2", b"--x\r\n\r\n{}\r\n--x--",
    b"a: 1\nb:\n  - 2\n", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"GET / HTTP/1.1\r\n\r\n", b"--- {}\n...",
    gzip.compress(GOOD, mtime=0), zlib.compress(GOOD), b"\x28\xb5\x2f\xfd\x04\x00", b"\x1f\x8b\x08", b"\x82\xa1a\x01",
    b"{'a': None}", b"nonsense", b"'; DROP TABLE events; --", b"${jndi:ldap://x}", b"{{7*7}}", b"\\", b"base64==",
    b"callback({})", b")]}'\n{}", b"while(1);[]", b"data: {}\n\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"\xde\xad\xbe\xef",
]  # fmt: skip

HOSTILE = {
    "structure": STRUCTURE,
    "literals": LITERALS,
    "numbers": NUMBERS,
    "strings": STRINGS,
    "surrogates": SURROGATES,
    "encodings": ENCODINGS,
    "marks": MARKS,
    "controls": CONTROLS,
    "nesting": NESTING,
    "trailing": TRAILING,
    "duplicates": DUPLICATES,
    "no events": NO_EVENTS,
    "broken events": BROKEN_EVENTS,
    "beside events": BESIDE_EVENTS,
    "other formats": OTHER_FORMATS,
}
