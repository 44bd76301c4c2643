"""A signed body is never refused and nothing of it is lost, whatever it is."""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from http.client import HTTPConnection

import pytest

from tests.http.hostile import HOSTILE
from tests.http.served import WEBHOOK, Served, sign
from tests.simple_events import event, rows

BETWEEN = b"[], \t\r\n"
BOM = b"\xef\xbb\xbf"


class Kept:
    """What a store keeps, looked at from beside it."""

    def __init__(self, database: str) -> None:
        self._connection = sqlite3.connect(database.removeprefix("sqlite:///"))
        self._position = -1

    def close(self) -> None:
        self._connection.close()

    def since(self, time_: int, *, duplicates: bool) -> Iterator[bytes]:
        """Give the texts that came since a time, in microseconds, be it once more."""
        texts = "SELECT text FROM quarantine WHERE last_at >= ?"
        yield from (text for (text,) in self._connection.execute(texts, (time_,)))
        events = "SELECT position, state FROM events WHERE position > ?"
        after = -1 if duplicates else self._position
        for position, state in self._connection.execute(events, (after,)):
            self._position = max(position, self._position)
            yield state


def faults(served: Served, database: str, bodies: Iterable[bytes]) -> list[bytes]:
    """Deliver bodies; give those that were not answered 200, or are not kept.

    One is kept if it is there byte for byte, whole or in pieces that leave nothing of it
    but what stands between values.
    """
    connection, found, kept = HTTPConnection(*served.address), [], Kept(database)
    for body in bodies:
        began = time.time_ns() // 1000
        connection.request("POST", WEBHOOK, body, {"X-Comapi-Signature": sign(body)})
        answer = connection.getresponse()
        receipt = json.loads(answer.read())
        if receipt.get("ignored"):
            continue  # it came to be of another family: that is counted, not kept
        pieces = kept.since(began, duplicates=receipt.get("duplicate", 0) > 0)
        if answer.status != 200 or not _made_of(body, set(pieces)):
            found.append(body)
    connection.close()
    kept.close()
    return found


def _made_of(body: bytes, pieces: Collection[bytes]) -> bool:
    """Tell whether a body is these pieces, and nothing else but what is between them."""
    reached = {0, len(BOM)} if body.startswith(BOM) else {0}
    for at in range(len(body)):
        if at in reached:
            ends = (at + len(p) for p in pieces if body.startswith(p, at))
            reached.update(ends, [at + 1] if body[at] in BETWEEN else [])
    return len(body) in reached


def stored(database: str) -> list[tuple[int, ...]]:
    events, entries = "SELECT count(*) FROM events", "SELECT count(*) FROM quarantine"
    return rows(database, f"SELECT ({events}), ({entries})")


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bodies_are_kept_as_they_came_and_once(
    served: Served, database: str, kind: str
) -> None:
    assert faults(served, database, HOSTILE[kind]) == []

    before = stored(database)
    assert faults(served, database, HOSTILE[kind]) == []
    assert stored(database) == before


def mutants(count: int) -> Iterator[bytes]:
    """Break deliveries at random: bytes changed, cut, doubled, or put in."""
    seeded = random.Random(17)
    for number in range(count):
        events = [event(number * 3 + n, f"m{n}") for n in range(3)]
        body = bytearray(json.dumps(events).encode())
        for _ in range(seeded.randint(1, 6)):
            at = seeded.randrange(len(body))
            match seeded.randrange(4):
                case 0:
                    body[at] = seeded.randrange(256)
                case 1:
                    del body[at : at + seeded.randint(1, 40)]
                case 2:
                    body[at:at] = seeded.randbytes(seeded.randint(1, 9))
                case _:
                    body[at:at] = body[: seeded.randint(1, 40)]
        yield bytes(body)


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_deliveries_are_kept_as_they_came(
    served: Served, database: str, count: int
) -> None:
    assert faults(served, database, mutants(count)) == []


REFUSING = """
from profilestore.domain.json_values import read_json
from profilestore.infrastructure import intake
read = intake.read_webhook
def strict(body):
    read_json(body)
    return read(body)
intake.read_webhook = strict
"""
DROPPING = """
from profilestore.domain.rejection import Rejection
from profilestore.infrastructure import intake
read = intake.read_webhook
def dropping(body):
    for batch in read(body):
        yield [each for each in batch if not isinstance(each, Rejection)]
intake.read_webhook = dropping
"""
MENDING = """
from profilestore.infrastructure import intake
read = intake.read_webhook
intake.read_webhook = lambda body: read(body.decode(errors="replace").encode())
"""


@pytest.mark.parametrize(
    ("protection_off", "kinds"),
    [
        (REFUSING, ("structure", "numbers", "controls", "trailing")),
        (DROPPING, ("no events", "other formats", "beside events")),
        (MENDING, ("encodings",)),
    ],
    ids=["refusing", "dropping", "mending"],
)
def test_the_controls_that_refuse_drop_or_mend_are_found_out(
    new_url: Callable[[str], str], protection_off: str, kinds: tuple[str, ...]
) -> None:
    database = new_url("file")
    with Served(database, patched=protection_off) as served:
        for kind in kinds:
            found = faults(served, database, HOSTILE[kind])
            assert len(found) > len(HOSTILE[kind]) / 4
        assert faults(served, database, mutants(20))
