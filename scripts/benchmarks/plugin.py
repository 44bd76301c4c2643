"""eventsourcing-sqlalchemy: the library's recorder on SQLAlchemy's ORM.

Run by `run.py` with the interpreter of an environment of its own.
"""

import json
import sys
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from workload import concurrently, texts, timed

THREADS = 64


def main() -> None:
    """Measure on a new database; print what was measured as JSON."""
    url, count = sys.argv[1], int(sys.argv[2])
    application = Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing_sqlalchemy",
            "SQLALCHEMY_URL": url,
            "SQLALCHEMY_POOL_SIZE": "64",
            "SQLALCHEMY_CONNECT_ARGS": "",
        }
    )
    events = texts(count)
    recorder = application.recorder
    batches = timed(
        len(events) // 4,
        lambda: [
            recorder.insert_events([_stored(text) for text in events[n : n + 500]])
            for n in range(0, len(events) // 4, 500)
        ],
    )
    figures = [("recorder, 500 events at once", batches)]
    if not url.startswith("sqlite"):
        singles = events[: count // 20]
        figures.append(
            (
                f"recorder, single events, {THREADS} threads",
                concurrently(
                    THREADS,
                    singles,
                    lambda text: recorder.insert_events([_stored(text)]),
                ),
            )
        )
    print(
        json.dumps([(w, f.rate, 1, [f.p99] * 2 if f.p99 else []) for w, f in figures])
    )


def _stored(text: bytes) -> StoredEvent:
    return StoredEvent(uuid4(), 1, "profile.update", text)


if __name__ == "__main__":
    main()
