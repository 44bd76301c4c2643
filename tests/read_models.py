"""What read models keep, and stores with enough in them to tell."""

import random
from typing import Any

from tests.simple_events import SPACE, rows

NAMES = ("create", "update", "update", "update", "delete", "undelete", "devicesUpdated")


def mixed(count: int, profiles: int = 50, seed: int = 1) -> list[dict[str, Any]]:
    """Make events of all kinds, late ones and clashes among them."""
    chance = random.Random(seed)

    def one(number: int) -> dict[str, Any]:
        name = chance.choice(NAMES) if number >= profiles else "create"
        device = {"count": chance.randrange(3), "pushEnabled": chance.randrange(2)}
        payload: dict[str, Any] = {"id": f"p{number % profiles}", "n": number}
        if name == "devicesUpdated":
            payload["devices"] = {"web": device}
        second = max(0, number // profiles * 10 - chance.choice([0, 0, 0, 15]))
        return {
            "eventId": f"{seed}-{number}",
            "apiSpaceId": SPACE,
            "name": f"profile.{name}",
            "payload": payload,
            "revision": number // profiles,
            "timestamp": f"2026-05-{1 + second // 86400 % 28:02}T"
            f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z",
        }

    return [one(number) for number in range(count)]


PROFILES = """SELECT p.api_space_id, p.profile_id, p.condition, p.since, p.body, p.error
FROM read_profiles p JOIN read_models m ON m.partition = p.partition
AND m.generation = p.generation WHERE m.phase = 'live'"""
SPANS = """SELECT s.api_space_id, s.stream_id, s.since, s.until, s.condition
FROM read_spans s JOIN read_models m ON m.partition = s.partition
AND m.generation = s.generation WHERE m.phase = 'live'"""


def kept(url: str) -> list[tuple[Any, ...]]:
    """List what the live read models keep, whatever their numbers are."""
    return sorted(rows(url, PROFILES), key=repr) + sorted(rows(url, SPANS), key=repr)
