"""Lists, counts and series are those computed profile by profile from the naive folds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profilestore import ProfileStore
from tests.histories import BASE, MICRO, STEPS, as_json, deliveries_of, feeds
from tests.oracle import Oracle, space_id
from tests.oracle_answers import json_equal
from tests.property.test_order_does_not_matter import NOW

Json = Any

instants = st.builds(
    lambda step, off: BASE + step + off,
    st.sampled_from(STEPS),
    st.sampled_from([timedelta(), MICRO, -MICRO]),
)
flags = st.sampled_from([None, None, True, False])
WHERE: dict[str, tuple[list[str | int], Json]] = {
    "email=true": (["email"], True),
    "/name=null": (["name"], None),
    "a=1": (["a"], 1),
    "b=0.1": (["b"], 0.1),
    'name=""': (["name"], ""),
    "/m~0n=joe": (["m~n"], "joe"),
    "a~1b=1": (["a/b"], 1),
    "name=\u00e9": (["name"], "\u00e9"),
    "tags/0=Joe": (["tags", 0], "Joe"),
    "facebook/a=joe": (["facebook", "a"], "joe"),
    "id=joe@example.com": (["id"], "joe@example.com"),
}
filters = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(
            ["active", "deleted", "unknown", ["active", "unknown"]]
        ),
        "push_capable": flags,
        "reachable": flags,
        "incomplete": flags,
        "where": st.lists(st.sampled_from(sorted(WHERE)), max_size=2),
    },
)
questions = st.tuples(
    filters, st.none() | instants, st.sampled_from(["merge", "replace"])
)
series = st.tuples(
    filters,
    instants,
    st.sampled_from([timedelta(seconds=1), timedelta(hours=7), 999 * MICRO]),
    st.integers(0, 7),
)


@st.composite
def stored(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    return draw(deliveries_of(draw(feeds())))


class Expected:
    """What an API space's lists and counts have to be."""

    def __init__(self, oracle: Oracle, space: str) -> None:
        self.oracle = oracle
        self.space = space

    def rows(
        self, asked: dict[str, Any], valid_at: datetime | None, updates: str
    ) -> list[dict[str, Json]]:
        """Fold each profile, and leave those that the filters let through."""
        rows = []
        for space, profile_id in self.oracle.profiles():
            cut: dict[str, Any] = {"valid_at": valid_at, "updates": updates}
            current = self.oracle.current(space, profile_id, **cut)
            devices = self.oracle.devices(space, profile_id, **cut)
            if space == self.space and current and devices:
                push = {name: devices[name] for name in ("pushCapable", "reachable")}
                rows.append((profile_id, {**current, **push}, devices["reason"]))
        rows.sort(key=lambda row: row[0].encode())
        return [row | {"reason": reason} for _, row, reason in rows if lets(asked, row)]

    def count(
        self, asked: dict[str, Any], valid_at: datetime | None, updates: str
    ) -> dict[str, Json]:
        rows = self.rows(asked, valid_at, updates)

        def number(name: str, value: Json) -> int:
            return sum(row[name] == value for row in rows)

        return {
            "profiles": len(rows),
            "statuses": {
                status: number("status", status)
                for status in ("unknown", "active", "deleted")
            },
            "pushCapable": number("pushCapable", value=True),
            "reachable": number("reachable", value=True),
            "unreachable": {
                reason: number("reason", reason)
                for reason in ("deleted", "unknown", "no-devices", "push-disabled")
            },
            "incomplete": sum(not row["completeness"]["complete"] for row in rows),
        }


def lets(asked: dict[str, Any], row: dict[str, Json]) -> bool:
    status = asked.get("status")
    if status is not None and row["status"] not in (
        [status] if isinstance(status, str) else status
    ):
        return False
    has = {
        "push_capable": row["pushCapable"],
        "reachable": row["reachable"],
        "incomplete": not row["completeness"]["complete"],
    }
    if any(asked.get(name) not in (None, value) for name, value in has.items()):
        return False
    return all(
        json_equal(reduce(member, path, row["data"]), value)
        for path, value in (WHERE[text] for text in asked.get("where", ()))
    )


def member(value: Json, part: str | int) -> Json:
    try:
        return value[part]
    except (LookupError, TypeError):
        return object


def told(answer: Any) -> dict[str, Json]:
    document: dict[str, Json] = msgspec.json.decode(answer.to_json())
    return document


def same_answers(
    store: ProfileStore,
    expected: Expected,
    asked: list[tuple[dict[str, Any], datetime | None, str]],
    over: tuple[dict[str, Any], datetime, timedelta, int],
    page: int,
) -> None:
    space = expected.space
    for question, valid_at, updates in asked:
        cut: dict[str, Any] = {"valid_at": valid_at, "updates": updates}
        rows = expected.rows(question, valid_at, updates)
        for row in rows:
            del row["reason"]
        listed = [told(p) for p in store.profiles(space, **cut, **question)]
        assert json_equal(listed, rows)
        paged: list[Json] = []
        while len(paged) % page == 0:
            after = paged[-1]["profileId"] if paged else ""
            more = store.profiles(space, **cut, **question, after=after, limit=page)
            before = len(paged)
            paged += map(told, more)
            if len(paged) == before:
                break
        assert json_equal(paged, rows)
        count = told(store.count(space, **cut, **question))
        assert count.pop("setAside") == 0
        assert count.pop("cut")["updates"] == updates
        assert count == {
            "apiSpaceId": space,
            **expected.count(question, valid_at, updates),
        }
    question, first, step, more_steps = over
    counts = store.count_over(
        space, from_=first, to=first + more_steps * step, step=step, **question
    ).counts
    assert len(counts) == more_steps + 1
    for index, moment in enumerate(counts):
        time = (first + index * step).astimezone(UTC)
        assert moment.valid_at == time
        wanted = expected.count(question, time, "merge")
        assert told(moment) == {"validAt": told(moment)["validAt"], **wanted}


def append_and_ask(
    store: ProfileStore,
    deliveries: list[list[dict[str, Any]]],
    asked: list[tuple[dict[str, Any], datetime | None, str]],
    over: tuple[dict[str, Any], datetime, timedelta, int],
    page: int,
) -> None:
    """Append batch by batch, and ask in between: what is new is put on top."""
    spaces = sorted({space_id(e["apiSpaceId"]) for batch in deliveries for e in batch})
    fresh = {space: str(uuid4()) for space in spaces}
    oracle = Oracle()
    for number, batch in enumerate(deliveries):
        sent = [e | {"apiSpaceId": fresh[space_id(e["apiSpaceId"])]} for e in batch]
        for event in sent:
            oracle.receive(event, NOW)
        store.append(as_json(sent))
        if number % 2 == 0 or number + 1 == len(deliveries):
            for space in fresh.values():
                same_answers(store, Expected(oracle, space), asked, over, page)


arguments = given(
    stored(), st.lists(questions, min_size=1, max_size=3), series, st.integers(1, 3)
)


@settings(max_examples=100)
@arguments
def test_in_memory(
    deliveries: list[list[dict[str, Any]]], asked: Any, over: Any, page: int
) -> None:
    with ProfileStore.open("sqlite://") as store:
        append_and_ask(store, deliveries, asked, over, page)


@pytest.mark.parametrize("kind", ["file", "file-4", "postgresql-1", "postgresql-4"])
def test_on_a_store_in_use(kind: str, new_url: Callable[[str], str]) -> None:
    """All examples are in one store, each in API spaces of its own."""
    with ProfileStore.open(new_url(kind)) as store:

        @settings(max_examples=20)
        @arguments
        def ask(deliveries: Any, asked: Any, over: Any, page: int) -> None:
            append_and_ask(store, deliveries, asked, over, page)

        ask()
