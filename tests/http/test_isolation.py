"""A token learns nothing of an API space that is not its own, on any route."""

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.served import SECRET, TOKEN, Answer, Served
from tests.simple_events import SPACE, event

OTHERS = "0b5cf1e8-af5f-43d4-a38c-034535c0a385"
NOBODYS = "ffffffff-af5f-43d4-a38c-034535c0a385"
MINE = "a-token-for-one-space"

ANSWERS = [
    *("profiles", "deletion", "devices", "history", "blame", "diff", "explain"),
    *("timemap", "count", "series"),
]
ROUTES = [
    *(f"{a}/joe" for a in ("profiles", "deletion", "devices", "history", "blame")),
    *("timemap/joe", "diff/joe?from=2017-01-01T00:00:00Z"),
    *("explain/joe?known_from=0&known_to=9", "explain/joe", "diff/joe"),
    *("profiles", "count", "profiles?limit=1", "count?status=active"),
    "series?from=2017-05-31T00:00:00Z&to=2017-06-02T00:00:00Z&step=1d",
    *(
        "profiles/joe?valid_at=x",
        "profiles/joe?life=99",
        "profiles/%FF",
        "profiles/%00",
    ),
    *("profiles?where=nonsense", "profiles?limit=0", "nonsense/joe", "profiles/"),
    f"profiles/joe?valid_at=2020-01-01T00:00:00Z&known_at={2**63 - 1}",
]


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[Served]:
    tokens = {TOKEN: ["*"], MINE: [SPACE, NOBODYS]}
    with Served(database, tokens=tokens) as server:
        for space in (SPACE, OTHERS):
            events = [event(n, apiSpaceId=space) for n in range(3)]
            assert server.deliver(events).json["accepted"] == 3
        yield server


def seen(served: Served, path: str, token: str = MINE) -> tuple[object, ...]:
    answer: Answer = served.get(path, token)
    # Both are 32 hexadecimal digits and dashes, and who asks has said which.
    for space in (OTHERS, NOBODYS):
        assert space.encode() not in answer.body or answer.status == 200
    return answer.status, answer.plain_headers, answer.body


def test_all_routes_of_a_space_are_tried(served: Served) -> None:
    paths = served.get("/openapi.json").json["paths"]
    begin = "/v1/spaces/{space}/"
    kinds = {p.removeprefix(begin).split("/{")[0] for p in paths if p.startswith(begin)}
    assert kinds == set(ANSWERS)
    assert kinds <= {route.split("/")[0].split("?")[0] for route in ROUTES}
    others = {p for p in paths if p.startswith("/v1/") and not p.startswith(begin)}
    assert others == {"/v1/feed", "/v1/feed/stream"}


@pytest.mark.parametrize("route", ROUTES)
def test_a_space_of_others_is_like_one_that_is_not(served: Served, route: str) -> None:
    others, nobodys = (f"/v1/spaces/{s}/{route}" for s in (OTHERS, NOBODYS))

    assert seen(served, others) == seen(served, nobodys)


@pytest.mark.parametrize("route", ROUTES[:7] + ROUTES[10:13])
def test_the_control_sees_that_it_is_there(served: Served, route: str) -> None:
    others, nobodys = (f"/v1/spaces/{s}/{route}" for s in (OTHERS, NOBODYS))

    assert seen(served, others, TOKEN) != seen(served, nobodys, TOKEN)
    assert seen(served, f"/v1/spaces/{SPACE}/{route}")[0] == 200


PARAMETERS = [
    *("valid_at", "known_at", "at_revision", "life", "updates", "from", "to", "step"),
    *("known_from", "known_to", "limit", "after", "status", "where", "reachable"),
]
VALUES = [
    "2018-01-01T00:00:00Z",
    "1",
    "0",
    "-1",
    "merge",
    "x",
    "",
    "active",
    "true",
    "1d",
]


@given(
    answer=st.sampled_from(ANSWERS),
    id_=st.sampled_from(["joe", ""])
    | st.text(max_size=5).filter(lambda t: "\ud800" not in ascii(t)),
    query=st.dictionaries(
        st.sampled_from(PARAMETERS), st.sampled_from(VALUES), max_size=3
    ),
)
def test_whatever_is_asked(
    served: Served, answer: str, id_: str, query: dict[str, str]
) -> None:
    tail = f"/{quote(id_, safe='', errors='replace')}" if id_ else ""
    asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    others, nobodys = (
        seen(served, f"/v1/spaces/{space}/{answer}{tail}?{asked}")
        for space in (OTHERS, NOBODYS)
    )

    assert others == nobodys


def test_the_feed_has_only_events_of_the_token(served: Served) -> None:
    mine = served.get("/v1/feed", MINE).json
    assert {each["event"]["apiSpaceId"] for each in mine["events"]} == {SPACE}
    assert len(served.get("/v1/feed").json["events"]) == 6
    others, nobodys = (
        seen(served, f"/v1/feed?space={space}") for space in (OTHERS, NOBODYS)
    )
    assert others[2] == nobodys[2]
    narrowed = served.get(f"/v1/feed?space={SPACE}", MINE).json
    assert narrowed["events"] == mine["events"]


PATHS = [
    *(f"/v1/spaces/{space}/{r}" for space, r in product((SPACE, NOBODYS), ROUTES[:7])),
    *(f"/v1/spaces/{SPACE}/{r}" for r in ("profiles", "count", "profiles/joe?life=x")),
    *("/v1/feed", "/v1/feed/stream", "/v1/feed?limit=x"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "x", MINE + "x", MINE.upper(), SECRET, "é"])
def test_nobody_learns_anything_without_a_token(
    served: Served, path: str, token: str
) -> None:
    given = token.encode().decode("latin-1")
    answer = served.get(path, given)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["status"] == 401


def test_the_control_that_takes_anybody_answers_without_a_token(database: str) -> None:
    with Served(database, "--allow-anonymous") as served:
        for path in PATHS[:7]:
            assert served.get(path, "x").status == 200


def test_other_schemes_are_no_tokens(served: Served) -> None:
    for value in (MINE, f"Basic {MINE}", "Bearer", "Bearer ", f"Token {MINE}", ""):
        headers = {"Authorization": value}
        assert served.request("GET", "/v1/feed", headers=headers).status == 401
    headers = {"Authorization": f"bearer  {MINE}"}
    assert served.request("GET", "/v1/feed", headers=headers).status == 200
