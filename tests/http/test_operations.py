"""What operators rely on: health, numbers, logs, secrets that change, a good end."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import pytest

from profilestore import ProfileStore
from tests.http.served import SECRET, TOKEN, WEBHOOK, Served, sign
from tests.simple_events import SPACE, event, rows

PRIVATE = "joe.private@example.com"


def test_a_server_that_runs_is_live_and_ready(served: Served) -> None:
    assert served.get("/healthz", "").body == b"ok\n"
    assert served.get("/readyz", "").body == b"ready\n"


def test_metrics_tell_what_happened(new_url: Callable[[str], str]) -> None:
    with Served(new_url("file")) as served:
        served.deliver([event(1), event(1), 7])
        served.deliver([event(2)], "wrong secret")
        served.get(f"/v1/spaces/{SPACE}/profiles/joe")
        found = served.metrics
    assert found['profilestore_deliveries_total{outcome="stored"}'] == 1
    assert found['profilestore_deliveries_total{outcome="unsigned"}'] == 1
    assert found['profilestore_events_total{outcome="accepted"}'] == 1
    assert found['profilestore_events_total{outcome="duplicate"}'] == 1
    assert found['profilestore_quarantine_entries{reason="not-an-event"}'] == 1
    assert found['profilestore_log_position{partition="0"}'] == 1
    assert found["profilestore_commit_seconds_count"] == 1
    assert found["profilestore_queue_events"] == 0
    assert found["profilestore_up"] == 1
    assert 'profilestore_read_model_lag_events{updates="merge"}' in found
    route = "/v1/spaces/{space}/profiles/{profile_id}"
    name = "profilestore_http_request_duration_seconds_count"
    assert found[f'{name}{{method="GET",route="{route}",status="200"}}'] == 1


@pytest.mark.parametrize(
    ("events", "profiles", "since"),
    [
        ([event(0, name="profile.create")], 0, None),
        ([event(1)], 1, datetime(2017, 5, 31, 15, 26, 58, tzinfo=UTC)),
        # Of a time that has not come yet: the clock of the source, or ours, is wrong.
        ([event(1, timestamp="2999-01-01T00:00:00Z")], 1, None),
    ],
)
def test_metrics_tell_how_long_something_is_missing(
    url: str, events: list[Any], profiles: int, since: datetime | None
) -> None:
    with Served(url) as served:
        served.deliver(events)
        served.get(f"/v1/spaces/{SPACE}/count")  # which folds what is new
        found = served.metrics
    assert found["profilestore_incomplete_profiles"] == profiles
    now = datetime.now(UTC)
    age = (now - (since or now)).total_seconds()
    assert found["profilestore_oldest_gap_seconds"] == pytest.approx(age, abs=600)


BROKEN = """
def fail(profile):
    raise RuntimeError(f"of {profile.key}")
from profilestore.projections import deletion
deletion.deletion_status = fail
"""
TELLING = """
from profilestore.infrastructure.http import logs
logs.places = lambda error: [str(error)]
"""


def test_neither_logs_nor_numbers_say_of_whom(url: str) -> None:
    with Served(url, "--log-level", "debug", patched=BROKEN) as served:
        assert served.deliver(event(1, PRIVATE)).status == 200
        served.deliver(b'{"broken": "%b"' % PRIVATE.encode())
        served.deliver([], "not-the-secret")
        path = f"/v1/spaces/{SPACE}/{{}}/{quote(PRIVATE)}"
        for answer in ("profiles", "history", "deletion", "nonsense"):
            served.get(path.format(answer))
        served.get(path.format("profiles") + "?valid_at=x")
        served.get(path.format("profiles"), "not-a-token")
        served.get(f"/v1/spaces/{SPACE}/profiles?where=id={PRIVATE}&after={PRIVATE}")
        served.get("/v1/feed")
        served.raw(f"GET /{PRIVATE} nonsense\r\n\r\n".encode())
        failed = served.get(path.format("deletion"))
        told = served.get("/metrics", "").body.decode()
        assert served.stop() == 0
        lines, text = served.logged, served.log.read_text()

    assert failed.status == 500
    assert failed.json["requestId"] == failed.headers["X-Request-Id"]
    errors = [line for line in lines if line["level"] == "error"]
    assert {line["error"] for line in errors} == {"RuntimeError"}
    assert any("fail" in frame for frame in errors[0]["frames"])
    requests = [line for line in lines if line["event"] == "request"]
    assert len({line["request_id"] for line in requests}) == len(requests) >= 12
    for private in (
        PRIVATE,
        "private",
        SECRET,
        TOKEN,
        "not-a-token",
        SPACE,
        "nonsense",
    ):
        assert private not in text
        assert private not in told
    assert PRIVATE not in failed.body.decode()


def test_the_control_that_logs_what_an_error_says_says_of_whom(url: str) -> None:
    with Served(url, patched=BROKEN + TELLING) as served:
        assert served.deliver(event(1, PRIVATE)).status == 200
        served.get(f"/v1/spaces/{SPACE}/deletion/{quote(PRIVATE)}")
        assert PRIVATE in str(served.errors)


def stop_while_they_wait(url: str, patched: str = "") -> None:
    """Stop a server whose senders wait for their commit; all must hear of it."""
    statuses: dict[int, int] = {}

    def send(served: Served, n: int) -> None:
        with suppress(OSError, HTTPException):
            statuses[n] = served.deliver(event(n, "last")).status

    with ProfileStore.open(url) as store, Served(url, patched=patched) as served:
        with store._database.write() as connection:
            connection.exec_driver_sql("UPDATE heads SET position = position")
            senders = [
                threading.Thread(target=send, args=(served, n)) for n in range(16)
            ]
            for sender in senders:
                sender.start()
            threading.Event().wait(1)  # they have sent, and wait for their commit
            served.process.terminate()
            threading.Event().wait(0.5)
        for sender in senders:
            sender.join()
        assert served.process.wait(60) == 0
        assert list(statuses.values()) == [200] * 16
        assert len(store.profile(SPACE, "last").events) == 16


@pytest.mark.parametrize("kind", ["file", "postgresql-1"])
def test_what_was_taken_is_answered_and_stored_before_the_end(
    new_url: Callable[[str], str], kind: str
) -> None:
    stop_while_they_wait(new_url(kind))


def test_the_control_that_stops_at_once_leaves_senders_without_an_answer(
    url: str,
) -> None:
    hasty = "from profilestore.infrastructure.http import server\n"
    hasty += "server.DRAIN_SECONDS = 0"
    with pytest.raises(AssertionError, match=r"== \[200"):
        stop_while_they_wait(url, hasty)


def test_a_second_server_cannot_have_the_port(url: str, served: Served) -> None:
    _host, port = served.address
    with pytest.raises(AssertionError, match="in use"):
        Served(url, "--port", str(port))


@pytest.mark.parametrize("option", ["--allow-unsigned", "--allow-anonymous"])
def test_only_loopback_may_do_without_credentials(url: str, option: str) -> None:
    with pytest.raises(AssertionError, match="loopback"):
        Served(url, option, "--host", "0.0.0.0")
    with Served(url, option, tokens={}, secrets="") as served:
        anonymous = served.get("/v1/feed", "").status
        unsigned = served.request("POST", WEBHOOK, b"[]").status
        expected = (401, 200) if "unsigned" in option else (200, 401)
        assert (anonymous, unsigned) == expected
        elsewhere = {"Host": "elsewhere.example"}
        assert served.request("GET", "/v1/feed", headers=elsewhere).status == 401


@pytest.mark.parametrize(
    ("tokens", "wrong"),
    [('["x"]', "READ_TOKENS"), ('{"x": ["nonsense"]}', "READ_TOKENS")],
)
def test_bad_settings_are_said_at_once_and_not_repeated(
    url: str, tokens: str, wrong: str
) -> None:
    with pytest.raises(AssertionError) as error:
        Served(url, tokens=None, PROFILESTORE_READ_TOKENS=tokens)
    assert wrong in str(error.value)
    assert "nonsense" not in str(error.value)


def test_several_workers_share_a_port_and_their_numbers(
    new_url: Callable[[str], str],
) -> None:
    with pytest.raises(AssertionError, match="one process"):
        Served(new_url("file"), "--workers", "2")
    url = new_url("postgresql-2")
    with Served(url, "--workers", "2") as served:
        for n in range(40):
            assert served.deliver(event(n, f"p{n}")).status == 200
        found = [served.metrics for _ in range(8)]
        stored = 'profilestore_deliveries_total{outcome="stored"}'
        assert {each[stored] for each in found} == {40}
        assert served.stop() == 0
    assert rows(url, "SELECT count(*) FROM events") == [(40,)]


def test_a_signature_is_of_the_bytes_under_the_secret() -> None:
    # RFC 2202, HMAC-SHA-1, test case 2.
    due = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert sign(b"what do ya want for nothing?", "Jefe") == due
