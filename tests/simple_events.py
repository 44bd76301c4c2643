"""Events and rows for tests of the log, where what events say does not matter."""

from typing import Any

from sqlalchemy import create_engine

SPACE = "fe11e8af-5fc3-40d4-a38c-034535c0a385"


def event(number: int, profile: str = "joe", **members: Any) -> dict[str, Any]:
    return {
        "eventId": f"e{number}",
        "apiSpaceId": SPACE,
        "name": "profile.update",
        "payload": {"id": profile, "n": number},
        "revision": number,
        "timestamp": "2017-05-31T15:26:58.199Z",
    } | members


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """Run a statement beside the store, as a database's owner could."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(query)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()
