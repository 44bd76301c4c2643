"""Secrets and tokens change while all goes on, and nobody is refused."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.http.served import SECRET, Served, until
from tests.simple_events import SPACE, event


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "serve.toml"


def write(config: Path, secrets: list[str], tokens: dict[str, list[str]]) -> None:
    """Replace the file as a whole, as whoever writes such files does."""
    text = f"webhook_secrets = {json.dumps(secrets)}\n[read_tokens]\n"
    text += "".join(f"{json.dumps(t)} = {json.dumps(s)}\n" for t, s in tokens.items())
    config.with_suffix(".new").write_text(text)
    config.with_suffix(".new").replace(config)


@contextmanager
def sending(served: Served, using: list[str], statuses: list[int]) -> Iterator[None]:
    """Deliver from several threads meanwhile, each time under the last secret."""
    stopped = threading.Event()

    def send(first: int) -> None:
        n = first
        while not stopped.is_set():
            statuses.append(served.deliver(event(n, "rotated"), using[-1]).status)
            n += 4

    with ThreadPoolExecutor(4) as threads:
        senders = [threads.submit(send, n) for n in range(4)]
        try:
            yield
        finally:
            stopped.set()
    for sender in senders:
        sender.result()


def test_secrets_rotate_without_one_refusal(url: str, config: Path) -> None:
    write(config, ["old-secret"], {"old-token": [SPACE]})
    with Served(url, "--config", str(config)) as served:
        assert served.deliver([], SECRET).status == 401  # the file goes before
        using, statuses = ["old-secret"], list[int]()
        with sending(served, using, statuses):
            write(config, ["new-secret", "old-secret"], {"new-token": [SPACE]})
            until(lambda: served.deliver([], "new-secret").status == 200)
            using.append("new-secret")
            count = len(statuses)
            until(lambda: len(statuses) > count + 8)  # nobody uses the old one any more
            write(config, ["new-secret"], {"new-token": [SPACE]})
            until(lambda: served.deliver([], "old-secret").status == 401)
            count = len(statuses)
            until(lambda: len(statuses) > count + 20)

        assert set(statuses) == {200}
        assert served.get("/v1/feed", "old-token").status == 401
        assert served.get("/v1/feed", "new-token").status == 200
        config.write_text("webhook_secrets = [ broken 'new-secret'")
        until(lambda: any("not changed" in line["event"] for line in served.logged))
        assert served.deliver([], "new-secret").status == 200
        assert "new-secret" not in served.log.read_text()


def test_the_control_with_one_secret_at_a_time_is_refused_meanwhile(
    url: str, config: Path
) -> None:
    write(config, ["old-secret"], {})
    with Served(url, "--config", str(config)) as served:
        using, statuses = ["old-secret"], list[int]()
        with sending(served, using, statuses):
            write(config, ["new-secret"], {})
            until(lambda: served.deliver([], "new-secret").status == 200)
            until(lambda: 401 in statuses)


def test_tokens_may_be_hashed_in_the_file(url: str, config: Path) -> None:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    write(config, ["s"], {f"sha256:{digest}": ["*"]})
    with Served(url, "--config", str(config)) as served:
        assert served.get("/v1/feed", "test").status == 200
        assert served.get("/v1/feed", f"sha256:{digest}").status == 401
