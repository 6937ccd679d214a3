"""How long a step takes, as metrics on Triton's own page: Triton's own timing ends where a request was handed over."""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from crosswire.serving.steps.runtime.step import Arrays

_COUNTERS = {
    "requests": "Requests that a step answered.",
    "samples": "Samples in the requests that a step answered.",
    "executions": "How often a step ran to answer requests, several of them together or one.",
    "seconds": "Time from when a step was handed requests until it had answered them.",
    "failures": "Requests that a step refused or broke on, and that Triton takes for answered.",
    "failed_seconds": "Time from when a step was handed those until it gave them up.",
}
_QUIET_SECONDS, _LATEST_SECONDS = 0.2, 5.0  # a publication is messages to Triton, and nothing else is done meanwhile
_PATIENCE_SECONDS = 10.0
_one_at_a_time = threading.Lock()


class StepMetrics:
    """Counts what one step answered, what it did not, and the seconds that both took; safe to use from threads.

    Published when no request came for `_QUIET_SECONDS`, and every `_LATEST_SECONDS` while there are always some.
    """

    def __init__(self, step: str) -> None:
        """Start at zero for a step; nothing is published before its first answer."""
        self._step = step
        self._triton = os.getppid()
        self._lock = threading.Lock()
        self._amounts = dict.fromkeys(_COUNTERS, 0.0)
        self._waiting = False
        self._counters: dict[str, Any] = {}
        self._families: list[Any] = []  # which must live as long as their counters

    def answered(self, samples: Sequence[int], seconds: float) -> None:
        """Count one run of the step.

        Args:
            samples: of every request that it answered.
            seconds: how long each of them took.
        """
        if samples:
            count = len(samples)
            self._add(requests=count, samples=sum(samples), executions=1, seconds=count * seconds)

    def failed(self, seconds: float) -> None:
        """Count a request that has no answer, and that Triton takes for answered."""
        self._add(failures=1, failed_seconds=seconds)

    def _add(self, **amounts: float) -> None:
        """Add to what will be published."""
        with self._lock:
            for name, amount in amounts.items():
                self._amounts[name] += amount
            if not self._waiting:
                self._waiting = True
                threading.Thread(target=self._publish_soon, daemon=True).start()

    def _publish_soon(self) -> None:
        """Wait for a quiet moment, then hand on what was counted."""
        latest = time.monotonic() + _LATEST_SECONDS
        seen: dict[str, float] = {}
        while self._amounts != seen and time.monotonic() < latest:
            seen = dict(self._amounts)
            time.sleep(_QUIET_SECONDS)
        self._publish()

    def _publish(self) -> None:
        """Hand on what was counted.

        A call of a Triton that is dead holds the interpreter for ever. None is made of one that is known to be; should
        it die just then, a clock that needs no interpreter ends this process.
        """
        with self._lock:
            self._waiting = False
            amounts, self._amounts = self._amounts, dict.fromkeys(_COUNTERS, 0.0)
        with _one_at_a_time:
            if os.getppid() != self._triton:
                return
            faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)
            try:
                if not self._counters:
                    self._register()
                for name, amount in amounts.items():
                    if amount:
                        self._counters[name].increment(amount)
            finally:
                faulthandler.cancel_dump_traceback_later()

    def _register(self) -> None:
        """Register the counters."""
        import triton_python_backend_utils as pb_utils

        for name, text in _COUNTERS.items():
            family = pb_utils.MetricFamily(
                name=f"crosswire_step_{name}_total", description=text, kind=pb_utils.MetricFamily.COUNTER
            )
            self._families.append(family)
            self._counters[name] = family.Metric(labels={"model": self._step})


def samples_in(answer: Arrays) -> int:
    """Return how many samples an answer is of: every array has one axis for them, the first."""
    return max(map(len, answer.values()), default=1)
