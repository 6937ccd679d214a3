"""Ray as an engine: Ray Data maps a pool of actors, each a worker with the graph, over the parts of a batch.

What travels are references and reports; images are read and written by the workers themselves. Parts whose worker died
are left out by Ray Data and done anew by whoever runs the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from crosswire.clients.errors import InputError

_LOOPBACK = "127.0.0.1"
_LOCAL = "local"
_MOST_BLOCKS = 10_000
_PURPOSE = "--engine ray"


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


class RayEngine(Engine):
    """A pool of Ray actors, on this machine or on a cluster."""

    def __init__(self, options: RayOptions | None = None) -> None:
        """Connect to the cluster, or start one on this machine that listens on the loopback alone.

        Raises:
            InputError: Ray is not installed, or nobody answers at the address.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = needed("ray", _PURPOSE)
        self._data = needed("ray.data", _PURPOSE)
        self._options = options or RayOptions()
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, self._options.address)
        self._workers = self._options.workers or _fitting(self._ray.cluster_resources(), self._options)
        where = "this machine" if self._options.address is None else f"the Ray cluster at {self._options.address}"
        self.notes: tuple[str, ...] = (f"{self._workers} workers of {self._options.cores} cores on {where}",)

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Map the actors over the parts; see `Engine`."""
        ray, data = self._ray, self._data
        workers = min(self._workers, len(parts))
        shared = ray.put(task)
        rows = [{"part": pickle.dumps(part)} for part in parts]
        with _quiet(data):
            made = data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS)).map_batches(
                PartWorker,
                batch_size=1,
                compute=data.ActorPoolStrategy(size=workers),
                fn_constructor_args=([shared], self._options.cores),
                num_cpus=self._options.cores,
                num_gpus=self._options.gpus,
                scheduling_strategy="SPREAD",
            )
            for row in made.iter_rows():
                yield _report(row["report"])

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        if self._own:
            self._ray.shutdown()


class PartWorker:
    """A worker as Ray Data has it: a class that is called with batches of rows, each a part."""

    def __init__(self, task: list[Any], cores: int) -> None:
        """Load the pipeline, for some cores of this machine."""
        import ray

        os.environ[CORES_VARIABLE] = str(cores)
        self._worker = Worker(ray.get(task[0]))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Do the parts of a batch; returns their reports."""
        reports = [self._worker.do(pickle.loads(part)) for part in batch["part"]]
        return {"report": [json.dumps(asdict(report)) for report in reports]}


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
    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError) as error:  # its ConnectionError is an OSError
        reason = " ".join(str(error).split())
        raise InputError(f"no Ray cluster answers at {address} ({reason}); check with: ray status") from error


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


@contextmanager
def _quiet(data: Any) -> Iterator[None]:
    """Have Ray Data show no bars of its own, and go on where a part is lost."""
    context = data.DataContext.get_current()
    names = {"enable_progress_bars": False, "print_on_execution_start": False, "max_errored_blocks": -1}
    before = {name: getattr(context, name) for name in names}
    try:
        for name, value in names.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _report(text: str) -> PartReport:
    """Return a report from how it travels."""
    plain = json.loads(text)
    return PartReport(**{**plain, "stopped": plain["stopped"] and tuple(plain["stopped"])})
