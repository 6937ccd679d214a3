"""Prometheus metrics of the gateway and of the supervisor; Triton's own come before them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from crosswire.serving.processes.run_state import Health

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counts requests by protocol, route and status, and repeats what the supervisor knows."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        labels = ("protocol", "route")
        self._requests = Counter(
            "crosswire_requests", "Requests that were answered.", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "crosswire_request_seconds",
            "Time from the first byte of a request to the last byte of its answer.",
            labels,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "crosswire_requests_in_flight", "Requests that are being answered.", ("protocol",), registry=self._registry
        )
        self._ready = Gauge("crosswire_ready", "1 while every probe passes, else 0.", registry=self._registry)
        self._restarts = Gauge(
            "crosswire_restarts", "Restarts since the supervisor started.", ("part",), registry=self._registry
        )
        self._canary_ok = Gauge(
            "crosswire_canary_ok", "1 if the last probe passed, else 0.", ("pipeline",), registry=self._registry
        )
        self._canary_seconds = Gauge(
            "crosswire_canary_seconds", "Time of the last probe that passed.", ("pipeline",), registry=self._registry
        )
        self._graph = Gauge(
            "crosswire_graph_runs_on",
            "1 for what runs a graph of a network.",
            ("network", "inputs", "provider", "device"),
            registry=self._registry,
        )

    def began(self, protocol: str) -> None:
        """Note that a request came."""
        self._in_flight.labels(protocol).inc()

    def ended(self, protocol: str, route: str, status: str, seconds: float) -> None:
        """Note that it was answered."""
        self._in_flight.labels(protocol).dec()
        self._requests.labels(protocol, route, status).inc()
        self._seconds.labels(protocol, route).observe(seconds)

    def text(self, health: Health) -> bytes:
        """Return everything in Prometheus' text form."""
        self._ready.set(health.ready)
        for part, count in health.restarts.items():
            self._restarts.labels(part).set(count)
        for pipeline, seconds in health.canaries.items():
            self._canary_ok.labels(pipeline).set(seconds is not None)
            if seconds is not None:
                self._canary_seconds.labels(pipeline).set(seconds)
        self._graph.clear()
        for run in health.graphs:
            self._graph.labels(run.network, run.inputs, run.provider, "" if run.device is None else run.device).set(1)
        return generate_latest(self._registry)
