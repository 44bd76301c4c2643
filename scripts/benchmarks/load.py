"""Load for `service.py`: so many connections that send requests one after another."""

import asyncio
import hmac
import json
import time
from collections.abc import Iterator
from typing import NamedTuple

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"
SECRET = "a-secret-of-the-benchmark"
TOKEN = "a-token-of-the-benchmark"
PROFILES = 5_000


class Load(NamedTuple):
    """What was measured: requests a second, and latencies in milliseconds."""

    requests_per_second: float
    p50: float
    p99: float


def event(number: int) -> dict[str, object]:
    profile = f"p{number % PROFILES}@example.com"
    return {
        "eventId": f"8e1503da-952b-4946-86c4-{number:012d}",
        "accountId": 1234,
        "apiSpaceId": SPACE,
        "name": "profile.update",
        "payload": {"id": profile, "name": "Joe Blogs", "email": profile, "n": number},
        "revision": number // PROFILES,
        "etag": f'"1a-lyBG7sifukcsukcmXL87nb{number:06d}"',
        "timestamp": f"2026-05-02T09:31:{number % 60:02d}.479Z",
    }


def deliveries(first: int, events: int, size: int) -> Iterator[bytes]:
    for start in range(first, first + events, size):
        batch = [event(n) for n in range(start, start + size)]
        body = json.dumps(batch if size > 1 else batch[0]).encode()
        signature = hmac.digest(SECRET.encode(), body, "sha1").hex()
        yield (
            f"POST /webhooks/dotdigital HTTP/1.1\r\nHost: x\r\nX-Comapi-Signature: "
            f"{signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def questions(count: int, query: str = "") -> Iterator[bytes]:
    for n in range(count):
        yield (
            f"GET /v1/spaces/{SPACE}/profiles/p{n % PROFILES}%40example.com{query} "
            f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        ).encode()


def send(port: int, requests: Iterator[bytes], connections: int) -> Load:
    """Send all, ready-made; each must be answered 200."""
    return asyncio.run(_send(port, list(requests), connections))


async def _send(port: int, requests: list[bytes], connections: int) -> Load:
    left, seconds = iter(requests), []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().partition(b"content-length: ")[2].split(b"\r")[0]
            await reader.readexactly(int(length))
            seconds.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    took = time.perf_counter() - began
    seconds.sort()
    p50, p99 = (1000 * seconds[int(len(seconds) * share)] for share in (0.5, 0.99))
    return Load(len(requests) / took, p50, p99)
