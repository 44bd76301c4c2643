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
import models
import ours
from sqlalchemy import make_url
from workload import Figure, texts

from profilestore import ProfileStore
from tests.postgresql import schema_url, start

HERE = Path(__file__).parent
NEW = 10_000
"""Events that come after a rebuild."""


def main() -> None:
    """Measure SQLite, then PostgreSQL; print a table for each."""
    numbers = [int(argument) for argument in sys.argv[1:]]
    count, stored, profiles = numbers + [100_000, 100_000, 5_000][len(numbers) :]
    events = texts(count)
    history = texts(stored + NEW, profiles, all_kinds=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIRECTORY")) as name:
        number = iter(range(100))

        def new() -> str:
            return f"sqlite:///{name}/{next(number)}.db"

        report("SQLite", measured("sqlite", new, events))
        report_models("SQLite", new(), new(), history)
    server, close = start()
    try:
        report("PostgreSQL", measured("postgresql", lambda: schema_url(server), events))
        report_models("PostgreSQL", schema_url(server), schema_url(server), history)
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


def report_models(engine: str, url: str, peer: str, history: list[bytes]) -> None:
    """Print figures of the read models, then their ratios."""
    ProfileStore.init(url)
    events, more = history[:-NEW], history[-NEW:]
    print(f"\n{engine}, read models of {len(events):,} events")
    rates: dict[str, float] = {}
    for who, what, figure in models.figures(url, _settings(peer), events, more):
        print(f"  {who:26}{what:38}{figure.rate:10,.0f}/s", flush=True)
        rates[what] = figure.rate
    for what, milliseconds in models.answers(url):
        print(f"  {'profilestore':26}{what:38}{milliseconds:10,.1f} ms", flush=True)
    for peer_name in ("rebuild of each aggregate", "the rows, read and parsed"):
        ratio = rates["rebuild"] / rates[peer_name]
        print(f"  {'rebuild : ' + peer_name:64}{ratio:10.2f}")


if __name__ == "__main__":
    main()
