"""Ray as an engine: Ray Data maps a pool of actors, each a worker with the graph, over the parts of a batch.

What travels are references and reports; images are read and written by the workers themselves. Ray restarts a worker
that died, on another node where its own is gone, and gives it the same part again. Where nothing is left that could
hold it, Ray would wait for ever: then the round is ended, and whoever runs the engine has the rest done by as many
workers as there is room for.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosswire.clients.errors import CrosswireError, InputError, ServerError
from crosswire.offline.packages import needed
from crosswire.offline.sources.references import Part
from crosswire.offline.worker import PartReport, Worker, WorkerTask
from crosswire.serving.steps.runtime.cores import CORES_VARIABLE, granted_cores

_LOOPBACK = "127.0.0.1"
_LOOPBACKS = (_LOOPBACK, "localhost", "::1")
_LOCAL, _AUTO = "local", "auto"
_ANSWER_S = 10.0
_MOST_BLOCKS = 10_000
_PURPOSE = "--engine ray"
_LOOK_S = 1.0
#: How long no report may come after a node was lost, at least, and before the first one: parts may take long.
_PATIENCE_S, _FIRST_S = 120.0, 900.0


@dataclass(frozen=True)
class RayOptions:
    """Where the workers run, and how many.

    Attributes:
        address: of a Ray cluster, as `ray.init` takes it; None starts one on this machine, for this machine alone.
        workers: how many there are, or None for one per core that the cluster has.
        cores: cores of each.
        gpus: GPUs of each, also a part of one.
    """

    address: str | None = None
    workers: int | None = None
    cores: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.cores < 1 or self.gpus < 0 or (self.workers is not None and self.workers < 1):
            raise InputError(
                f"got {self.workers} workers of {self.cores} cores and {self.gpus:g} GPUs; expected 1 worker or more, "
                "each of 1 core or more"
            )


class RayEngine:
    """A pool of Ray actors, on this machine or on a cluster."""

    def __init__(self, options: RayOptions | None = None) -> None:
        """Connect to the cluster, or start one on this machine that listens on the loopback alone.

        Raises:
            InputError: Ray is not installed, nobody answers at the address, or no worker fits into the cluster.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = needed("ray", _PURPOSE)
        needed("ray.data", _PURPOSE)
        self._options = options or RayOptions()
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, self._options.address)
        where = "this machine" if self._options.address is None else f"the Ray cluster at {self._options.address}"
        cores = "1 core" if self._options.cores == 1 else f"{self._options.cores} cores"
        self.notes: tuple[str, ...] = (f"workers on {where}: {self._room()}, each of {cores}",)

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Have actors do the parts; see `Engine`.

        Raises:
            ServerError: Ray gave up before anything was done.
        """
        ray, workers = self._ray, min(self._room(), len(parts))
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        runner = ray.remote(num_cpus=0, scheduling_strategy=here)(Round).remote()
        rows = [pickle.dumps(part) for part in parts]
        reports = runner.run.options(num_returns="streaming").remote(rows, [ray.put(task)], workers, self._options)
        some = False
        try:
            for report in self._received(reports, workers):
                some = True
                yield report
        except ray.exceptions.RayError as error:
            if not some:
                said = str(error).strip().splitlines() or [type(error).__name__]
                raise ServerError(f"Ray gave up: {said[-1]}; look at its logs, in /tmp/ray of its nodes") from error
        finally:
            ray.kill(runner)  # and with it all actors that it owns

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        if self._own:
            self._ray.shutdown()

    def _room(self) -> int:
        """Return how many workers there are to be, as the cluster is now."""
        fitting = _fitting(self._ray.cluster_resources(), self._options)
        return fitting if self._options.workers is None else min(fitting, self._options.workers)

    def _received(self, reports: Any, workers: int) -> Iterator[PartReport]:
        """Yield reports as they come, until all have or none will."""
        latest, longest, patience = time.monotonic(), 0.0, _FIRST_S
        while True:
            ready, _ = self._ray.wait([reports], timeout=_LOOK_S)
            if ready:
                try:
                    report = _report(self._ray.get(next(reports)))
                except StopIteration:
                    return
                latest, longest = time.monotonic(), max(longest, report.ended_s - report.began_s)
                patience = max(_PATIENCE_S, 3 * longest)
                yield report
            elif time.monotonic() - latest > patience and self._room() < workers:
                return


class Round:
    """What maps the pool of actors over parts, in a process that can be ended with all of them."""

    def run(self, parts: list[bytes], task: list[Any], workers: int, options: RayOptions) -> Iterator[str]:
        """Yield the report of each part, as JSON text.

        Args:
            parts: pickled.
            task: reference to the `WorkerTask`.
            workers: how many actors.
            options: what each takes.
        """
        data = needed("ray.data", _PURPOSE)
        context = data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.max_errored_blocks = -1  # what is lost is done anew
        blocks = min(len(parts), _MOST_BLOCKS)
        made = data.from_items([{"part": part} for part in parts], override_num_blocks=blocks).map_batches(
            PartWorker,
            batch_size=1,
            compute=data.ActorPoolStrategy(size=workers),
            fn_constructor_args=(task, options.cores),
            num_cpus=options.cores,
            num_gpus=options.gpus or None,
        )
        for row in made.iter_rows():
            yield row["report"]


class PartWorker:
    """A worker as Ray Data has it: a class that is called with batches of rows, each a part."""

    def __init__(self, task: list[Any], cores: int) -> None:
        """Load the pipeline, for some cores of this machine; what goes wrong is told by the first report."""
        os.environ[CORES_VARIABLE] = str(cores)
        self._worker: Worker | None = None
        self._stopped: tuple[str, str] | None = None
        try:
            self._worker = Worker(needed("ray", _PURPOSE).get(task[0]))
        except CrosswireError as error:
            self._stopped = (type(error).__name__, str(error))
        except Exception:
            self._stopped = ("", traceback.format_exc())

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Do the parts of a batch; returns their reports."""
        return {"report": [json.dumps(asdict(self._done(pickle.loads(part)))) for part in batch["part"]]}

    def _done(self, part: Part) -> PartReport:
        """Do one part; a bug is told by its report, too, with its traceback."""
        if self._worker is None:
            return PartReport(part.name, 0, 0, 0.0, 0.0, "", 0.0, 0, self._stopped)
        try:
            return self._worker.do(part)
        except Exception:
            return PartReport(part.name, 0, 0, 0.0, 0.0, "", 0.0, 0, ("", traceback.format_exc()))


def _connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or start one of this machine alone.

    Raises:
        InputError: nobody answers at the address.
    """
    if address is None:
        ray.init(
            _LOCAL,
            num_cpus=granted_cores(),
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address=_LOOPBACK,
        )
        return
    _check_reachable(ray, address)
    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError) as error:  # its ConnectionError is an OSError
        reason = " ".join(str(error).split())
        raise InputError(f"no Ray cluster answers at {address} ({reason}); check with: ray status") from error


def _check_reachable(ray: Any, address: str) -> None:
    """Raise `InputError` where nobody listens at an address: Ray itself would try for minutes.

    For the loopback's usual names Ray puts the address that this machine has in its network, so that is looked at.
    """
    if address == _AUTO:
        return
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:
        raise InputError(f"got the address {address!r}, expected HOST:PORT of a cluster's head, or {_AUTO}")
    place = ray.util.get_node_ip_address() if host in _LOOPBACKS else host
    try:
        socket.create_connection((place, int(port)), _ANSWER_S).close()
    except OSError as error:
        also = f", which Ray takes for {place}" if place != host else ""
        raise InputError(
            f"no Ray cluster answers at {address}{also} ({error.strerror or error}); check that it runs: ray status"
        ) from error


def _fitting(resources: Mapping[str, float], options: RayOptions) -> int:
    """Return how many workers fit into a cluster.

    Raises:
        InputError: none does.
    """
    cores, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    count = int(cores // options.cores)
    if options.gpus:
        count = min(count, int(gpus // options.gpus))
    if count < 1:
        raise InputError(
            f"the cluster has {cores:g} cores and {gpus:g} GPUs, too few for a worker of {options.cores} cores and "
            f"{options.gpus:g} GPUs; make it larger, or name smaller workers"
        )
    return count


def _report(text: str) -> PartReport:
    """Return a report from how it travels."""
    plain = json.loads(text)
    return PartReport(**{**plain, "stopped": plain["stopped"] and tuple(plain["stopped"])})
