"""What Prometheus scrapes: counts and times, and never who or what they are of."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from profilestore.domain.errors import StorageError
from profilestore.domain.receipt import Receipt
from profilestore.domain.timestamps import to_microseconds
from profilestore.infrastructure.vitals import Vitals

T = TypeVar("T")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory in which several workers keep their numbers."""
FRESH_SECONDS = 5.0
"""The database is measured at most so often, however many scrape."""
REST = 50
"""And for so many times as long as a measurement took it is not measured again."""

disable_created_metrics()  # type: ignore[no-untyped-call]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 8, 10)


class Metrics:
    """The numbers of a process; of all workers, where there are several."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._vitals: _Vitals | None = None
        self._deliveries = Counter(
            "profilestore_deliveries",
            "Webhook requests by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._events = Counter(
            "profilestore_events",
            "Delivered events by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._commit = Histogram(
            "profilestore_commit_seconds",
            "From a whole, signed body to its commit.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._requests = Histogram(
            "profilestore_http_request_duration_seconds",
            "Requests by method, template of the route and status.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        # The series of a label is looked for once: the three have few.
        self._delivered = cache(self._deliveries.labels)
        self._became = cache(self._events.labels)
        self._requested = cache(self._requests.labels)

    def watch(self, vitals: Vitals) -> None:
        """Tell of a store, too."""
        self._vitals = _Vitals(vitals)

    def delivered(self, outcome: str) -> None:
        """Count a webhook request."""
        self._delivered(outcome).inc()

    def committed(self, receipt: Receipt, seconds: float) -> None:
        """Count a delivery's events, and how long they took to be durable."""
        self._commit.observe(seconds)
        for outcome in ("accepted", "duplicate", "quarantined", "ignored"):
            if events := getattr(receipt, outcome):
                self._became(outcome).inc(events)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """Observe an answered request."""
        self._requested(method, route, str(status)).observe(seconds)

    def render(self) -> bytes:
        """Write all in the text format."""
        registry = self._registry
        if os.environ.get(SHARED):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        ours = CollectorRegistry()
        if self._vitals:
            ours.register(self._vitals)
        return generate_latest(registry) + generate_latest(ours)


class _Vitals(Collector):
    """Measures a store when it is scraped."""

    def __init__(self, vitals: Vitals) -> None:
        self._measures = _Remembered(vitals.measure)
        self._gaps = _Remembered(vitals.gaps)

    def describe(self) -> list[Metric]:
        """Name nothing in advance: that would measure."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give what the database says, and whether it says anything."""
        found = self._measures.now()
        yield _gauge("up", "Whether the database answers.", int(found is not None))
        if found is None:
            return
        waiting = "Events that wait to be stored (this process)."
        yield _gauge("queue_events", waiting, found.waiting)
        for name, help_, label, numbers in (
            ("log_position", "The last position.", "partition", found.positions),
            ("read_model_lag_events", "Events not folded yet.", "updates", found.lag),
            ("quarantine_entries", "Entries that wait.", "reason", found.quarantine),
        ):
            gauge = GaugeMetricFamily(f"profilestore_{name}", help_, labels=[label])
            for value, number in numbers.items():
                gauge.add_metric([str(value)], number)
            yield gauge
        if gaps := self._gaps.now():
            incomplete = "Profiles of which events are missing."
            yield _gauge("incomplete_profiles", incomplete, gaps.profiles)
            oldest = "How long one of them has been so; 0 if there is none."
            yield _gauge("oldest_gap_seconds", oldest, _age(gaps.since))


def _gauge(name: str, help_: str, number: float) -> Metric:
    gauge = GaugeMetricFamily(f"profilestore_{name}", help_)
    gauge.add_metric([], number)
    return gauge


def _age(since: int | None) -> float:
    """Say how many seconds ago it was; what is of the future is of now."""
    now = to_microseconds(datetime.now(UTC))
    return max(0, now - (now if since is None else since)) / 1_000_000


class _Remembered(Generic[T]):
    """What was measured a moment ago; None if the database did not answer then.

    What takes long is measured more seldom, so that it takes a little of the time only.
    """

    def __init__(self, measure: Callable[[], T]) -> None:
        self._measure = measure
        self._lock = Lock()
        self._fresh_until = float("-inf")
        self._measured: T | None = None

    def now(self) -> T | None:
        """Give it; measure first, if it is no longer fresh."""
        with self._lock:
            if (began := time.monotonic()) > self._fresh_until:
                try:
                    self._measured = self._measure()
                except StorageError:
                    self._measured = None
                now = time.monotonic()
                self._fresh_until = now + max(FRESH_SECONDS, REST * (now - began))
            return self._measured
