"""Deciding whether a running server still answers, without waiting for the answers of its probes."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import psutil
from tritonclient.grpc.model_config_pb2 import ModelConfig

from crosswire.serving.config.settings import Pace
from crosswire.serving.processes.child import Child
from crosswire.serving.processes.process_table import command_of, is_running, name_of
from crosswire.serving.supervisor.probe import Probe, ProbeInference

_STUB_NAME = "triton_python_b"  # the kernel keeps 15 characters


class Link(Protocol):
    """What a watch needs of `TritonLink`."""

    def probe(self, probe_inference: ProbeInference) -> Probe:
        """Send a probe without waiting for its answer."""
        ...

    def successes(self, model: str) -> int:
        """Return how many inferences of a model succeeded so far, or -1 if nobody says."""
        ...


class Watch:
    """Watches one start of Triton: its process, its python stubs and its probes.

    Attributes:
        reason: why the server does not answer, or an empty string.
        probe_seconds: per pipeline the seconds of its last probe, or None if that failed.
    """

    def __init__(
        self,
        triton: Child,
        link: Link,
        inferences: Sequence[ProbeInference],
        slowest: float,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start watching a server whose probes have just passed.

        Args:
            triton: its process.
            link: the way to it.
            inferences: what to send in turn.
            slowest: seconds that the slowest of them took.
            pace: how often, and how patiently.
            clock: seconds that only grow.
        """
        self._triton, self._link, self._probe_inferences, self._pace = triton, link, tuple(inferences), pace
        self._clock = clock
        self._patience = max(pace.patience_seconds, pace.patience_factor * slowest)
        self._stubs = stubs_of(triton)
        self._queue: deque[ProbeInference] = deque()
        self._probe: Probe | None = None
        self._late = 0
        self._successes = 0
        self._fastest = math.inf  # what a probe costs by itself, not what it waited for others
        self._failures = 0
        self._due = clock() + pace.seconds
        self.reason = ""
        self.probe_seconds: dict[str, float | None] = {}

    def renewed(self, inferences: Sequence[ProbeInference]) -> Watch:
        """Return a watch of the same Triton after its models have changed."""
        slowest = self._patience / self._pace.patience_factor
        return Watch(self._triton, self._link, inferences, slowest, self._pace, self._clock)

    @property
    def ready(self) -> bool:
        """Whether the last probe of every pipeline passed."""
        return not self.reason

    @property
    def broken(self) -> bool:
        """Whether only a restart helps."""
        return self._failures >= self._pace.failures

    def check(self) -> None:
        """Look once, which takes a second at most; updates `ready`, `reason` and `broken`."""
        if (status := self._triton.exit_status) is not None:
            self._give_up(f"Triton ended with status {status}")
        elif dead := [label for stub, label in self._stubs.items() if not is_running(stub)]:
            self._give_up(f"the python stub of {', '.join(dead)} died")
        elif self._probe is not None:
            if self._probe.done():
                self._judge(self._probe)
            elif self._probe.seconds > self._patience * (self._late + 1):
                self._take_late(self._probe)
        elif self._clock() >= self._due:
            self._queue = self._queue or deque(self._probe_inferences)
            probe_inference = self._queue.popleft()
            self._successes = self._link.successes(probe_inference.model)
            self._probe, self._late = self._link.probe(probe_inference), 0

    def _judge(self, probe: Probe) -> None:
        """Take the answer of a probe into account and plan the next one."""
        self._probe = None
        error = probe.error
        if error is None:
            self._failures = 0
            self.reason = ""
            self.probe_seconds[probe.probe_inference.model] = round(probe.seconds, 4)
            self._fastest = min(self._fastest, probe.seconds)
            wait = 0.0 if self._queue else max(self._pace.seconds, self._fastest / self._pace.share)
        else:
            self._fail(probe, f"{error.code().name}: {error.details()}")
            self._queue.appendleft(probe.probe_inference)
            wait = 0.2
        self._due = self._clock() + wait

    def _take_late(self, probe: Probe) -> None:
        """Count a probe without an answer as failed, unless its model answers other requests: then it waits on."""
        self._late += 1
        successes = self._link.successes(probe.probe_inference.model)
        if not successes > self._successes >= 0:
            self._fail(probe, f"no answer within {probe.seconds:.0f} s")
        self._successes = successes

    def _fail(self, probe: Probe, why: str) -> None:
        """Note a failed round."""
        self._failures += 1
        self.reason = f"probe {probe.probe_inference.model}: {why}"
        self.probe_seconds[probe.probe_inference.model] = None

    def _give_up(self, reason: str) -> None:
        """Note a failure that no further probe can take back."""
        self.reason = reason
        self._failures = self._pace.failures


def stubs_of(triton: Child) -> dict[psutil.Process, str]:
    """Return Triton's python stubs: the process of each and the model that it runs."""
    return {one: stub_label(one.pid) for one in triton.members() if name_of(one.pid).startswith(_STUB_NAME)}


def stub_count(configs: Iterable[ModelConfig]) -> int:
    """Return how many python stubs these models have."""
    return sum(group.count for config in configs if config.backend == "python" for group in config.instance_group)


def stub_label(pid: int) -> str:
    """Return the name of the model that a python stub runs; its command line holds `<model>/<version>/model.py`."""
    words = command_of(pid)
    return next((Path(word).parents[1].name for word in words if word.endswith("/model.py")), f"process {pid}")
