"""Counters for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Meters:
    """The counters of one application."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "pneumoscope_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "pneumoscope_request_seconds",
            "From a request's first byte to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.films = Counter("pneumoscope_films", "Films by decision.", ("decision",), registry=self.registry)
        self.batches = Histogram(
            "pneumoscope_batch_films", "Films per batch.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        gauge = Gauge("pneumoscope_waiting_films", "Films that wait or are being scored.", registry=self.registry)
        gauge.set_function(lambda: float(waiting()))
