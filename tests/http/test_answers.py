"""Answers over HTTP are those of the store, byte for byte, under ids of any kind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from profilestore import ProfileStore
from profilestore.infrastructure.cli.main import profilestore
from tests.http.served import TOKEN, Answer, Served
from tests.simple_events import SPACE, event

STORY = Path(__file__).parents[2] / "scripts" / "story"
JOE = "joe.blogs@example.com"
ABOUT = f"/v1/spaces/{SPACE}"

IDS = [
    "plain", "a/b", "/", "//", "a//b", "/a/", "..", "../../etc/passwd", ".", "a%2Fb",
    "100%", "%", "%%41", "a b", " ", "a+b", "a?b=c#d", "é", "é", "Ω≈ç√∫", "日本語",
    "👩‍👩‍👧", "\n", "a\nb", "\r\n", "\t", "\x7f", "a;b", "a,b", "'\"<>&", "{id}", "profiles",
    "deletion/x", "x" * 1024, "\u202e", "a\\b", "~user", ":", "@", "*", "$",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def told(served: Served) -> Iterator[None]:
    for delivery in sorted(STORY.glob("[1-4]*")):
        assert served.deliver(delivery.read_bytes()).status == 200
    served.deliver([event(n, id_) for n, id_ in enumerate(IDS)])
    yield
    assert served.errors == []


def ask(
    served: Served, answer: str, id_: str = JOE, query: str = "", **headers: str
) -> Answer:
    path = f"{ABOUT}/{answer}/{quote(id_, safe='')}"
    return served.get(f"{path}?{query}" if query else path, **headers)


@pytest.mark.parametrize("id_", IDS, ids=ascii)
def test_an_id_is_any_text(served: Served, id_: str) -> None:
    answer = ask(served, "profiles", id_)

    assert (answer.status, answer.json["profileId"]) == (200, id_)
    for other in ("deletion", "history", "blame", "devices"):
        assert ask(served, other, id_).json["profileId"] == id_
    assert ask(served, "timemap", id_).status == 200


def test_slashes_of_an_id_need_no_encoding(served: Served) -> None:
    for id_ in ("a/b", "a//b", "//", "/a/"):
        assert served.get(f"{ABOUT}/profiles/{id_}").json["profileId"] == id_


def test_an_id_is_decoded_once(served: Served) -> None:
    assert served.get(f"{ABOUT}/profiles/a%252Fb").json["profileId"] == "a%2Fb"
    assert served.get(f"{ABOUT}/profiles/%2525").status == 404
    assert served.get(f"{ABOUT}/profiles/a+b").json["profileId"] == "a+b"


def test_what_no_id_can_be_is_an_answer(served: Served) -> None:
    assert served.get(f"{ABOUT}/profiles/%FF").json["status"] == 400
    assert served.get(f"{ABOUT}/profiles/%ED%A0%80").json["status"] == 400
    assert served.get(f"{ABOUT}/profiles/%00").json["status"] == 404
    assert served.get(f"{ABOUT}/profiles/").json["status"] == 404
    assert served.get(f"{ABOUT}/profiles/{'x' * 1025}").json["status"] == 404
    assert served.get(f"{ABOUT}%2Fprofiles%2Fplain").json["status"] == 404


CLI = [
    ("profiles", "show", ""),
    ("profiles", "show", "valid_at=2026-05-02T09:32:00Z"),
    ("profiles", "show", "known_at=4&updates=replace"),
    ("profiles", "show", "at_revision=1&life=1"),
    ("deletion", "deletion", "valid_at=2026-05-02T11:32:00+02:00"),
    ("devices", "devices", ""),
    ("history", "history", "known_at=5"),
    ("blame", "blame", ""),
    ("diff", "diff", "from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z"),
    ("diff", "diff", "known_from=4"),
    ("explain", "explain", "known_from=2&known_to=6&valid_at=2026-05-02T09:32:00Z"),
]


@pytest.mark.parametrize(("answer", "command", "query"), CLI)
def test_the_command_line_prints_the_same_bytes(
    served: Served, database: str, answer: str, command: str, query: str
) -> None:
    pairs = [pair.split("=") for pair in query.split("&") if pair]
    options = [word for k, v in pairs for word in (f"--{k.replace('_', '-')}", v)]
    arguments = ["--database", database, "--json", command, SPACE, JOE, *options]

    printed = CliRunner().invoke(profilestore, arguments)

    assert printed.exit_code == 0, printed.output
    got = ask(served, answer, query=query.replace("+", "%2B"))
    assert got.body + b"\n" == printed.stdout_bytes
    assert got.headers["Content-Type"] == "application/json"


def test_a_plus_sign_that_was_not_encoded_is_one(served: Served) -> None:
    plus = ask(served, "profiles", query="valid_at=2026-05-02T11:32:00+02:00")
    zulu = ask(served, "profiles", query="valid_at=2026-05-02T09:32:00Z")

    assert plus.body == zulu.body
    assert plus.json["status"] == "deleted"


BAD = [
    ("profiles", "valid_at=2026-05-02", "valid_at"),
    ("profiles", "valid_at=2026-05-02T09:32:00", "valid_at"),
    ("profiles", "valid_at=", "valid_at"),
    ("profiles", "known_at=-1", "known_at"),
    ("profiles", f"known_at={2**63}", "known_at"),
    ("profiles", f"known_at={'9' * 5000}", "known_at"),
    ("profiles", "at_revision=x", "at_revision"),
    ("profiles", f"life={2**63}", "life"),
    ("profiles", "updates=mrege", "updates"),
    ("profiles", "valid-at=2026-05-02T09:32:00Z", "valid-at"),
    ("profiles", "life=1&life=2", "life"),
    ("diff", "", "from"),
    ("diff", "updates=merge", "from"),
    ("diff", "from=x", "from"),
    ("explain", "known_from=1", "known_to"),
]


@pytest.mark.parametrize(("answer", "query", "name"), BAD)
def test_a_bad_parameter_is_named(
    served: Served, answer: str, query: str, name: str
) -> None:
    got = ask(served, answer, query=query)

    assert (got.status, got.json["status"]) == (400, 400)
    assert got.headers["Content-Type"] == "application/problem+json"
    assert [each["parameter"] for each in got.json["errors"]] == [name]
    assert name in got.json["detail"]


def test_errors_of_the_framework_are_problems_too(served: Served) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/v1/spaces/x/profiles", 400),
        ("DELETE", f"{ABOUT}/profiles/{JOE}", 405),
        ("POST", "/v1/feed", 405),
        ("GET", f"{ABOUT}/nonsense/{JOE}", 404),
    ):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        got = served.request(method, path, headers=headers)
        assert (got.status, got.json["status"]) == (status, status), path
        assert got.headers["Content-Type"] == "application/problem+json"


def test_head_is_get_without_its_body(served: Served) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"{ABOUT}/profiles/{JOE}"
    head, get = (served.request(m, path, headers=headers) for m in ("HEAD", "GET"))

    assert (head.status, head.body) == (200, b"")
    assert head.plain_headers == get.plain_headers


def test_a_tag_changes_exactly_when_the_answer_does(served: Served) -> None:
    id_ = "tagged"
    served.deliver(event(900, id_))
    first = ask(served, "profiles", id_)
    tag = first.headers["ETag"]

    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = ask(served, "profiles", id_, If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == tag
    served.deliver(event(900, id_))  # a duplicate
    served.deliver(event(901, f"{id_} not"))
    assert ask(served, "profiles", id_, If_None_Match=tag).status == 304
    served.deliver(event(902, id_))
    changed = ask(served, "profiles", id_, If_None_Match=tag)
    assert (changed.status, changed.json["revision"]) == (200, 902)
    assert changed.headers["ETag"] != tag
    assert ask(served, "profiles", id_, query="known_at=99999").body != changed.body


def links(header: str) -> dict[str, str]:
    found = {}
    for each in header.split(", "):
        reference, *attributes = each.split("; ")
        for name in next(a for a in attributes if a.startswith("rel="))[5:-1].split():
            found[name] = reference[1:-1]
    return found


def test_a_memento_is_what_was_and_says_since_when(served: Served) -> None:
    got = ask(served, "profiles", Accept_Datetime="Sat, 02 May 2026 09:32:00 GMT")

    assert (got.status, got.json["status"]) == (200, "deleted")
    assert got.headers["Memento-Datetime"] == "Sat, 02 May 2026 09:31:13 GMT"
    assert "accept-datetime" in got.headers["Vary"].lower()
    related = links(got.headers["Link"])
    assert related["original"] == related["timegate"]
    memento = served.get(got.headers["Content-Location"])
    assert memento.body == got.body
    assert memento.headers["ETag"] == got.headers["ETag"]
    assert memento.headers["Memento-Datetime"] == got.headers["Memento-Datetime"]
    assert links(memento.headers["Link"]) == related
    assert served.get(related["original"]).json["status"] == "active"


def test_a_time_outside_of_all_is_answered_with_the_nearest(served: Served) -> None:
    early = ask(served, "profiles", Accept_Datetime="Thu, 01 Jan 1970 00:00:00 GMT")
    late = ask(served, "profiles", Accept_Datetime="Fri, 01 Jan 2038 00:00:00 GMT")

    assert early.headers["Memento-Datetime"] == "Thu, 30 Apr 2026 14:56:47 GMT"
    assert late.headers["Memento-Datetime"] == "Sat, 02 May 2026 10:52:29 GMT"
    bad = ask(served, "profiles", Accept_Datetime="yesterday")
    assert bad.json["errors"][0]["parameter"] == "Accept-Datetime"


def test_every_memento_of_a_timemap_is_there_at_its_time(served: Served) -> None:
    got = ask(served, "timemap")
    assert got.headers["Content-Type"] == "application/link-format"
    lines = got.body.decode().strip().split(",\n")
    mementos = [line for line in lines if "memento" in line]

    assert len(mementos) == 6
    assert 'rel="first memento"' in mementos[0]
    assert 'rel="last memento"' in mementos[-1]
    for line in mementos:
        reference, _, rest = line[1:].partition(">")
        date = rest.partition('datetime="')[2].rstrip('"')
        memento = served.get(reference)
        assert memento.headers["Memento-Datetime"] == date
        assert ask(served, "profiles", Accept_Datetime=date).body == memento.body


def pages(served: Served, path: str) -> Iterator[Any]:
    while path:
        got = served.get(path)
        assert got.status == 200
        yield got.json["profiles"]
        path = (
            links(got.headers.get("Link", "")).get("next", "")
            if "Link" in got.headers
            else ""
        )


def test_a_list_goes_on_by_its_link(served: Served, database: str) -> None:
    listed = [p for page in pages(served, f"{ABOUT}/profiles?limit=7") for p in page]

    with ProfileStore.open(database) as store:
        all_ = [json.loads(each.to_json()) for each in store.profiles(SPACE)]
    assert listed == all_
    assert {*IDS} < {each["profileId"] for each in listed}


def test_lists_and_counts_take_the_filters(served: Served) -> None:
    one = served.get(f"{ABOUT}/profiles?status=active&where=name=Joseph%20Blogs").json
    assert [each["profileId"] for each in one["profiles"]] == [JOE]
    none = served.get(f"{ABOUT}/profiles?status=deleted")
    assert (none.status, none.json["profiles"]) == (200, [])
    counted = served.get(f"{ABOUT}/count?reachable=true").json
    assert (counted["profiles"], counted["reachable"]) == (1, 1)
    both = served.get(f"{ABOUT}/count?status=active&status=deleted").json
    assert both["profiles"] > 1
    past = served.get(f"{ABOUT}/count?valid_at=2026-05-02T09:32:00Z").json
    assert past["statuses"]["deleted"] == 1
    query = "from=2026-05-01T00:00:00Z&to=2026-05-03T00:00:00Z&step=1d"
    series = served.get(f"{ABOUT}/series?{query}").json
    assert len(series["counts"]) == 3
    for bad, name in (
        ("profiles?limit=0", "limit"),
        ("profiles?limit=1001", "limit"),
        ("profiles?status=gone", "status"),
        ("profiles?where=x", "where"),
        ("count?limit=1", "limit"),
        (f"series?{query}x", "step"),
        (f"series?{query.replace('1d', '875366937d')}", "step"),
        (f"series?{query.replace('1d', '999999999w')}", "step"),
        ("series?from=2026-05-01T00:00:00Z", "to"),
    ):
        got = served.get(f"{ABOUT}/{bad}")
        assert got.status == 400, bad
        assert got.json["errors"][0]["parameter"] == name
