"""All figures in one run, on one machine, each beside its peers."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import floor
import library
import ours
from sqlalchemy import make_url
from workload import Figure, texts

from profilestore import ProfileStore
from tests.postgresql import schema_url, start

HERE = Path(__file__).parent


def main() -> None:
    """Measure SQLite, then PostgreSQL; print a table for each."""
    events = texts(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIRECTORY")) as name:
        count = iter(range(100))

        def new() -> str:
            return f"sqlite:///{name}/{next(count)}.db"

        report("SQLite", measured("sqlite", new, events))
    server, close = start()
    try:
        report("PostgreSQL", measured("postgresql", lambda: schema_url(server), events))
    finally:
        close()


def measured(
    engine: str, new: Callable[[], str], events: list[bytes]
) -> Iterator[tuple[str, str, Figure]]:
    """Measure the floor, the peers and ourselves on one engine."""
    floor_of = floor.sqlite if engine == "sqlite" else floor.postgresql
    yield "floor", "orjson and the bare driver", floor_of(new(), events)
    for what, figure in library.figures(_settings(new()), events):
        yield "eventsourcing", what, figure
    yield from _plugin(new(), events)
    urls = new(), new()
    for url in urls:
        ProfileStore.init(url)
    for what, figure in ours.figures(*urls, events):
        yield "profilestore", what, figure


def _settings(url: str) -> dict[str, str]:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return library.on_sqlite(str(parsed.database))
    schema = str(parsed.query["options"]).rpartition("=")[2]
    host, user = str(parsed.host), str(parsed.username)
    return library.on_postgresql(host, parsed.port or 5432, user, schema)


def _plugin(url: str, events: list[bytes]) -> Iterator[tuple[str, str, Figure]]:
    """Measure eventsourcing-sqlalchemy, which needs an environment of its own."""
    python = os.environ.get("BENCH_PEERS")
    if python is None:
        return
    run = subprocess.run(
        [python, HERE / "plugin.py", url, str(len(events))],
        check=True,
        stdout=subprocess.PIPE,
    )
    for what, count, seconds, latencies in json.loads(run.stdout):
        yield "eventsourcing-sqlalchemy", what, Figure(count, seconds, latencies)


def report(engine: str, figures: Iterator[tuple[str, str, Figure]]) -> None:
    """Print figures as they come, then the ratios that matter."""
    rates: dict[tuple[str, str], float] = {}
    print(f"\n{engine}")
    for who, what, figure in figures:
        p99 = f"   p99 {figure.p99 * 1000:6.1f} ms" if figure.p99 else ""
        print(f"  {who:26}{what:38}{figure.rate:10,.0f}/s{p99}", flush=True)
        rates[who, what] = figure.rate
    bulk = rates["profilestore", "bulk append"]
    single = rates["profilestore", f"single appends, {ours.THREADS} threads"]
    for title, ratio in {
        "bulk append : floor": bulk / rates["floor", "orjson and the bare driver"],
        "bulk append : library, an aggregate for each event": bulk
        / rates["eventsourcing", "an aggregate for each event"],
        "bulk append : library's recorder, 500 at once": bulk
        / rates["eventsourcing", "recorder, 500 events at once"],
        f"{ours.THREADS} threads : library's recorder": single
        / rates["eventsourcing", f"recorder, single events, {ours.THREADS} threads"],
    }.items():
        print(f"  {title:64}{ratio:10.2f}")


if __name__ == "__main__":
    main()
