"""What Prometheus scrapes: counts and times, and never who or what they are of."""

import os
import time
from collections.abc import Iterator
from functools import cache
from threading import Lock

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
from profilestore.infrastructure.vitals import Measures, Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory in which several workers keep their numbers."""
FRESH_SECONDS = 5.0
"""The database is measured at most so often, however many scrape."""

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
        self._store = vitals
        self._lock = Lock()
        self._measured: tuple[float, Measures | None] = (float("-inf"), None)

    def describe(self) -> list[Metric]:
        """Name nothing in advance: that would measure."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give what the database says, and whether it says anything."""
        found = self._measure()
        up = GaugeMetricFamily("profilestore_up", "Whether the database answers.")
        up.add_metric([], int(found is not None))
        yield up
        if found is None:
            return
        queue = GaugeMetricFamily(
            "profilestore_queue_events", "Events that wait to be stored (this process)."
        )
        queue.add_metric([], found.waiting)
        yield queue
        for name, help_, label, numbers in (
            ("log_position", "The last position.", "partition", found.positions),
            ("read_model_lag_events", "Events not folded yet.", "updates", found.lag),
            ("quarantine_entries", "Entries that wait.", "reason", found.quarantine),
        ):
            gauge = GaugeMetricFamily(f"profilestore_{name}", help_, labels=[label])
            for value, number in numbers.items():
                gauge.add_metric([str(value)], number)
            yield gauge

    def _measure(self) -> Measures | None:
        with self._lock:
            at, found = self._measured
            if time.monotonic() - at > FRESH_SECONDS:
                try:
                    found = self._store.measure()
                except StorageError:
                    found = None
                self._measured = time.monotonic(), found
            return found
