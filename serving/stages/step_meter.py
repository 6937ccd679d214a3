"""How long a step takes, as metrics on Triton's own page: Triton's own timing ends where a request was handed over."""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from typing import Any

_QUIET_SECONDS, _LATEST_SECONDS = 0.2, 5.0  # a publication is messages to Triton, and nothing else is done meanwhile
_PATIENCE_SECONDS = 10.0
_one_at_a_time = threading.Lock()


class StepMeter:
    """Counts the requests that one step answered and the seconds that they took; safe to use from threads.

    Published when no request came for `_QUIET_SECONDS`, and every `_LATEST_SECONDS` while there are always some.
    """

    def __init__(self, step: str) -> None:
        """Start at zero for a step; nothing is published before its first answer."""
        self._step = step
        self._triton = os.getppid()
        self._lock = threading.Lock()
        self._requests, self._seconds = 0, 0.0
        self._waiting = False
        self._counters: list[Any] = []
        self._families: list[Any] = []  # which must live as long as their counters

    def add(self, requests: int, seconds: float) -> None:
        """Count some answers, and the seconds that they took altogether."""
        with self._lock:
            self._requests += requests
            self._seconds += seconds
            if not self._waiting:
                self._waiting = True
                threading.Thread(target=self._publish_soon, daemon=True).start()

    def _publish_soon(self) -> None:
        """Wait for a quiet moment, then hand on what was counted."""
        latest = time.monotonic() + _LATEST_SECONDS
        seen = -1
        while self._requests != seen and time.monotonic() < latest:
            seen = self._requests
            time.sleep(_QUIET_SECONDS)
        self._publish()

    def _publish(self) -> None:
        """Hand on what was counted.

        A call of a Triton that is dead holds the interpreter for ever. None is made of one that is known to be; should
        it die just then, a clock that needs no interpreter ends this process.
        """
        with self._lock:
            self._waiting = False
            amounts = self._requests, self._seconds
            self._requests, self._seconds = 0, 0.0
        with _one_at_a_time:
            if os.getppid() != self._triton:
                return
            faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)
            try:
                if not self._counters:
                    self._register()
                for counter, amount in zip(self._counters, amounts, strict=True):
                    counter.increment(amount)
            finally:
                faulthandler.cancel_dump_traceback_later()

    def _register(self) -> None:
        """Register the counters."""
        import triton_python_backend_utils as pb_utils

        for name, text in (
            ("crosswire_step_requests_total", "Requests that a step answered."),
            ("crosswire_step_seconds_total", "Time from when a step was handed requests until it had answered them."),
        ):
            family = pb_utils.MetricFamily(name=name, description=text, kind=pb_utils.MetricFamily.COUNTER)
            self._families.append(family)
            self._counters.append(family.Metric(labels={"model": self._step}))
