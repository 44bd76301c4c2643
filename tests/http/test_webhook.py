"""The webhook: what is signed is stored, what is not is not even read."""

import gzip
import hmac
import random
from hashlib import sha256

import pytest

from profilestore.infrastructure.http.credentials import Credentials, Reader
from tests.http.served import SECRET, WEBHOOK, Served, sign
from tests.simple_events import event, rows


def stored(database: str) -> tuple[int, int]:
    ((events,),) = rows(database, "SELECT count(*) FROM events")
    ((entries,),) = rows(database, "SELECT count(*) FROM quarantine")
    return int(events), int(entries)


def test_a_delivery_is_stored_before_it_is_answered(
    served: Served, database: str
) -> None:
    before, _ = stored(database)

    answer = served.deliver([event(1, "receipt"), event(2, "receipt"), {"no": "event"}])

    assert answer.status == 200
    assert answer.json == {
        "received": 3, "accepted": 2, "duplicate": 0, "quarantined": 1, "ignored": 0,
    }  # fmt: skip
    assert stored(database)[0] == before + 2
    assert served.deliver([event(1, "receipt")]).json["duplicate"] == 1


def test_another_family_is_ignored(served: Served) -> None:
    foreign = event(1, "foreign", name="message.sent")

    assert served.deliver(foreign).json["ignored"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Comapi-Signature": ""},
        {"X-Comapi-Signature": "0" * 40},
        {"X-Comapi-Signature": "\xff" * 40},
        {"X-Comapi-Signature": "é, \t'\"%00" + "a" * 4000},
        {"X-Comapi-Signature": sign(b"[]").upper() + " "},
        {"X-Comapi-Signature": sign(b"{}")},
        {"X-Comapi-Signature": sign(b"[]", SECRET + "x")},
        {"X-Comapi-Signature": "sha1=" + sign(b"[]")},
        {"Authorization": "Bearer a-token-for-everything"},
    ],
)
def test_without_a_valid_signature_nothing_is_stored(
    served: Served, database: str, headers: dict[str, str]
) -> None:
    before = stored(database)

    answer = served.request("POST", WEBHOOK, b"[]", headers)

    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored(database) == before


FAULTS = 300


def test_whatever_is_unsigned_is_only_ever_refused(
    served: Served, database: str
) -> None:
    seeded, before, statuses = random.Random(11), stored(database), set()
    for _ in range(FAULTS):
        value = bytes(
            b for b in seeded.randbytes(seeded.choice((1, 39, 40, 41, 300)))
            if b >= 32 and b != 127
        )  # fmt: skip
        body = seeded.randbytes(seeded.randrange(200))
        head = b"x-comapi-signature: %b\r\ncontent-length: %d\r\n" % (value, len(body))
        said = served.raw(
            b"POST %b HTTP/1.0\r\n%b\r\n%b" % (WEBHOOK.encode(), head, body)
        )
        statuses.add(said.split()[1])
    assert statuses == {b"401"}
    assert stored(database) == before


def test_nothing_is_parsed_before_the_signature_is_right(database: str) -> None:
    """The control: with a signature the same server does parse."""
    counted = (
        "from profilestore.infrastructure import intake\n"
        "read = intake.read_webhook\n"
        "def counting(body):\n"
        "    open('/dev/stdout', 'a').write('parsed\\n')\n"
        "    return read(body)\n"
        "intake.read_webhook = counting"
    )
    with Served(database, patched=counted) as served:
        for body in (b"[]", b"{", b"x" * 100_000):
            served.request("POST", WEBHOOK, body)
            served.deliver(body, "another secret")
        served.stop()
        assert served.process.stdout.read() == ""
    with Served(database, patched=counted) as served:
        served.deliver(b"[]")
        served.stop()
        assert served.process.stdout.read() == "parsed\n"


def test_what_is_let_in_was_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers = ((sha256(b"token").digest(), Reader(None)),)
    credentials = Credentials((SECRET.encode(),), readers)
    signature = sign(b"[]").encode()
    assert credentials.signed(b"[]", [signature])
    assert credentials.reader(b"token")

    monkeypatch.setattr(hmac, "compare_digest", lambda *_: False)

    assert not credentials.signed(b"[]", [signature])
    assert not credentials.reader(b"token")


def test_the_control_takes_what_is_unsigned(database: str) -> None:
    with Served(database, "--allow-unsigned") as served:
        assert served.request("POST", WEBHOOK, b"[]").status == 200
        # But not under a name that a page in a browser could have made lead here.
        elsewhere = {"Host": "elsewhere.example"}
        assert served.request("POST", WEBHOOK, b"[]", elsewhere).status == 401


def test_each_of_several_secrets_is_good(database: str) -> None:
    with Served(database, secrets="first-secret, second-secret") as served:
        assert served.deliver([], "first-secret").status == 200
        assert served.deliver([], "second-secret").status == 200
        assert served.deliver([], "third-secret").status == 401
        assert served.deliver([], "").status == 401


def test_without_secrets_all_is_refused(database: str) -> None:
    with Served(database, secrets="") as served:
        assert served.deliver([], "").status == 401
        assert served.deliver([], ",").status == 401


def test_an_encoded_body_is_refused(served: Served, database: str) -> None:
    before, body = stored(database), gzip.compress(b"[]")
    for encoding in ("gzip", "identity", "zstd", ""):
        headers = {"Content-Encoding": encoding}
        assert served.deliver(body, **headers).status == 415
    assert stored(database) == before


def test_a_body_over_16_mib_is_refused(served: Served, database: str) -> None:
    before, most = stored(database), 16 * 1024 * 1024
    assert served.deliver(b" " * (most + 1)).status == 413
    signed = {"X-Comapi-Signature": "0" * 40}
    pieces = (b" " * 65_536 for _ in range(300))  # chunked: nothing says how long
    assert served.request("POST", WEBHOOK, pieces, signed).status == 413
    assert stored(database) == before
    assert served.deliver(b" " * most).status == 200


def test_other_methods_are_not_allowed(served: Served) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        answer = served.request(method, WEBHOOK, headers={})
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
