"""Measures the service over HTTP beside a bare FastAPI app that only reads the body.

Prints events or answers a second, latencies, and the processor time of the server for
each request: on a busy machine that is what can be compared. `--database URL` measures
on PostgreSQL; the number of events may be given (20,000).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import load

BARE = """
import sys
from fastapi import FastAPI, Request, Response
import uvicorn
app = FastAPI()
@app.post("/webhooks/dotdigital")
async def receive(request: Request):
    await request.body()
    return Response(b"{}", media_type="application/json")
@app.get("/v1/spaces/{space}/profiles/{profile_id}")
async def answer(space: str, profile_id: str):
    return Response(b"{}", media_type="application/json")
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("serving http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, log_level="warning", access_log=False)
uvicorn.Server(config).run([listener])
"""
OURS = "from profilestore.infrastructure.cli.main import main; main()"


class Process:
    """A server, and how much processor time it took."""

    def __init__(self, code: str, *arguments: str) -> None:
        secrets = {
            "PROFILESTORE_WEBHOOK_SECRETS": load.SECRET,
            "PROFILESTORE_READ_TOKENS": json.dumps({load.TOKEN: ["*"]}),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | secrets,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def measure(self, requests: Iterator[bytes], count: int, connections: int) -> str:
        before = self.cpu_seconds
        found = load.send(self.port, requests, connections)
        cpu = 1000 * (self.cpu_seconds - before) / count
        return (
            f"{found.requests_per_second:8.0f}/s  p50 {found.p50:6.1f} ms  "
            f"p99 {found.p99:6.1f} ms  processor {cpu:5.2f} ms each"
        )


@contextmanager
def serving(code: str, *arguments: str) -> Iterator[Process]:
    server = Process(code, *arguments)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def main() -> None:
    given = sys.argv[1:]
    database = given[given.index("--database") + 1] if "--database" in given else None
    events = next((int(word) for word in given if word.isdigit()), 20_000)
    with tempfile.TemporaryDirectory() as directory:
        url = database or f"sqlite:///{directory}/store.db"
        ours = ("--database", url, "serve", "--port", "0", "--log-level", "warning")
        with serving(OURS, *ours) as service, serving(BARE) as bare:
            batches, first = max(1, events // 500), events
            many = load.deliveries(first, 500 * batches, 500)
            print(
                "single events   ",
                service.measure(load.deliveries(0, events, 1), events, 64),
            )
            print(
                "  bare FastAPI  ",
                bare.measure(load.deliveries(0, events, 1), events, 64),
            )
            print("500 events      ", service.measure(many, batches, 64), "(a batch)")
            asked = events // 4
            print("current profile ", service.measure(load.questions(asked), asked, 16))
            past = load.questions(asked, "?valid_at=2026-05-02T09:31:30Z")
            print("past profile    ", service.measure(past, asked, 16))
            print("  bare FastAPI  ", bare.measure(load.questions(asked), asked, 16))


if __name__ == "__main__":
    main()
