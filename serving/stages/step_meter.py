"""How long a step takes, as metrics on Triton's own page: Triton's own timing ends where a request was handed over."""

from __future__ import annotations

import threading
import time
from typing import Any

_EVERY_SECONDS = 1.0  # every publication is a message to Triton's process


class StepMeter:
    """Counts the requests that one model answered and the seconds that they took; safe to use from threads.

    Published at most once a second, with the next answer: what came last shows after the supervisor's next canary.
    """

    def __init__(self, model: str) -> None:
        """Start at zero for a model; nothing is published before its first answer."""
        self._model = model
        self._lock = threading.Lock()
        self._requests, self._seconds = 0, 0.0
        self._published = 0.0
        self._counters: list[Any] = []
        self._families: list[Any] = []  # which must live as long as their counters

    def add(self, requests: int, seconds: float) -> None:
        """Count some answers, and the seconds that they took altogether."""
        with self._lock:
            self._requests += requests
            self._seconds += seconds
            now = time.monotonic()
            if now - self._published < _EVERY_SECONDS:
                return
            self._published = now
            amounts = self._requests, self._seconds
            self._requests, self._seconds = 0, 0.0
            if not self._counters:
                self._register()
        for counter, amount in zip(self._counters, amounts, strict=True):
            counter.increment(amount)

    def _register(self) -> None:
        """Register the counters."""
        import triton_python_backend_utils as pb_utils

        for name, text in (
            ("crosswire_step_requests_total", "Requests that a step answered."),
            ("crosswire_step_seconds_total", "Time from when a step was handed requests until it had answered them."),
        ):
            family = pb_utils.MetricFamily(name=name, description=text, kind=pb_utils.MetricFamily.COUNTER)
            self._families.append(family)
            self._counters.append(family.Metric(labels={"model": self._model}))
