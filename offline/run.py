"""A whole offline batch: the items of a source that are not done yet, in parts, by the workers of an engine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from crosswire.clients.batch.progress import Progress
from crosswire.clients.batch.work import wanted_outputs
from crosswire.clients.errors import InputError, ServerError
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.contract.atomic_write import sweep
from crosswire.contract.wire_names import DEPTH_UNITS, PNG_SUFFIX
from crosswire.offline.engines.engine import Engine
from crosswire.offline.pipelines import ExportedPipeline, PipelineSource
from crosswire.offline.results.batch_file import claim
from crosswire.offline.results.resume import Recorded, missing, present_files, recorded, tidy
from crosswire.offline.results.table import TABLE, next_run
from crosswire.offline.sources.find import find_source
from crosswire.offline.sources.references import Part, cut
from crosswire.offline.sources.source import Source
from crosswire.offline.stores import LocalStore, Store, is_address, open_store, plain_place
from crosswire.offline.worker import PartReport, WorkerTask

PART = 64
_MOST_ROUNDS, _IDLE_ROUNDS = 100, 3


@dataclass(frozen=True)
class OfflineOptions:
    """What to do with every item.

    Attributes:
        overlay: whether overlays are written too.
        part: most items of a part: what is done again at most when a worker dies.
        again: whether every item that failed is done again, even if its files are what they were.
        reading: what one metre counts in depth images, and the camera; the rest is for recordings.
    """

    overlay: bool = False
    part: int = PART
    again: bool = False
    reading: RecordedOptions = field(default_factory=RecordedOptions)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.part < 1:
            raise InputError(f"a part has {self.part} items; name 1 or more")


@dataclass(frozen=True)
class Workers:
    """What the reports of workers tell of them.

    Attributes:
        count: how many of them did something.
        loaded_s: seconds until the slowest one was ready.
        memory_bytes: most memory that one held.
        rate: items a second, from the first part's beginning to the last one's end: workers are loaded then.
        rounds: how often workers were sent for what was missing; more than 1 where some died.
    """

    count: int
    loaded_s: float
    memory_bytes: int
    rate: float
    rounds: int

    def as_text(self) -> str:
        """Return the same in one line."""
        held = f", {self.memory_bytes / 1e6:.0f} MB at most each" if self.memory_bytes else ""
        again = f"; lost parts were done anew ({self.rounds} rounds)" if self.rounds > 1 else ""
        return (
            f"workers: {self.count}, loaded in {self.loaded_s:.1f} s{held}; {self.rate:.1f} a second once loaded{again}"
        )


@dataclass(frozen=True)
class OfflineOutcome:
    """How an offline batch ended.

    Attributes:
        place: where its results are: `<kind>/ITEM.png`, and the table.
        done: items with a result, of this run and of earlier ones.
        before: those of earlier runs.
        failed: items without one.
        seconds: how long this run took, all of it.
        warnings: how many results warn of what, by the name of the warning.
        workers: what is known of the workers, or None where nothing was left to do.
        unmatched: images without a partner; they were left out.
    """

    place: str
    done: int
    before: int
    failed: int
    seconds: float
    warnings: Mapping[str, int]
    workers: Workers | None = None
    unmatched: int = 0

    @property
    def table(self) -> str:
        """Place of the table, with a row per item."""
        return f"{self.place}/{TABLE}"

    def as_text(self) -> str:
        """Return how the batch ended, in one line, and what there is to know of workers and results."""
        new = self.done - self.before
        earlier = f" ({self.before} of them by earlier runs)" if self.before else ""
        rate = f"; {new} in {self.seconds:.1f} s, {new / self.seconds:.1f} a second" if new else ""
        failed = ""
        if self.failed:
            failed = (
                f"; {self.failed} failed, see error and reason in {self.table}: repair the files and give the same "
                "command again, or the same files with --again"
            )
        told = [] if self.workers is None else [f"\n{self.workers.as_text()}"]
        told += [
            f"\nwarning in {count} of {self.done} results: {name}, see {self.table}"
            for name, count in sorted(self.warnings.items())
        ]
        alone = f"; {self.unmatched} colour images had no depth close enough in time" if self.unmatched else ""
        return f"{self.done} answered{earlier}{failed}{rate}{alone}{''.join(told)}"


def run_offline(
    source: str,
    results: str,
    pipeline: PipelineSource,
    engine: Engine,
    options: OfflineOptions | None = None,
    stream: IO[str] | None = None,
) -> OfflineOutcome:
    """Have every item done that is not done yet; called again after any kind of end, it goes on.

    Args:
        source: path or address of what is asked about, see `crosswire.offline.sources.find`.
        results: path or address of where files and table go.
        pipeline: who is asked.
        engine: what runs the workers.
        options: what to do with every item.
        stream: where progress is shown, for example `sys.stderr`; None shows none.

    Raises:
        InputError: the source holds nothing for the pipeline, or `results` another batch.
        OutputError: results cannot be written.
        ServerError: servers that are asked do not answer any more, or workers die again and again; what was committed
            stays done.
    """
    options = options or OfflineOptions()
    began = time.perf_counter()
    found = find_source(source, pipeline.description, options.reading)
    outputs = wanted_outputs(pipeline.description, options.overlay)
    kinds = [name.removesuffix(PNG_SUFFIX) for name in outputs if name.endswith(PNG_SUFFIX)]
    store = open_store(results)
    claim(store, _identity(source, found, pipeline, outputs))
    _sweep(store, [TABLE, *kinds])
    if stream is not None:
        print(*found.notes, *engine.notes, sep="\n", file=stream, flush=True)
    table = recorded(store)
    tidy(store, table)
    left = missing(found.references, table.items, present_files(store, kinds), again=options.again)
    kept = {one.item for one in found.references} - {one.item for one in left}
    before = sum(table.items[item].error is None for item in kept)
    workers = None
    if left:
        task = WorkerTask(found.place, store.place, pipeline, outputs, found.units, found.camera)
        parts = list(cut(left, options.part, next_run(store)))
        with Progress(len(found.references), len(kept), stream, lambda: "") as progress:
            workers = _work(engine, parts, task, progress)
        table = recorded(store)
        tidy(store, table)
    return _outcome(store, found, table, before, time.perf_counter() - began, workers)


def _identity(source: str, found: Source, pipeline: PipelineSource, outputs: Sequence[str]) -> dict[str, Any]:
    """Return what makes a batch the same as an earlier one, as plain JSON types."""
    own = {"network": pipeline.identity} if isinstance(pipeline, ExportedPipeline) else {}
    return {
        "source": source if is_address(source) else str(Path(plain_place(source)).resolve()),
        "pipeline": pipeline.description.name,
        **own,
        "outputs": list(outputs),
        DEPTH_UNITS: found.units,
        **found.identity,
    }


def _sweep(store: Store, folders: Sequence[str]) -> None:
    """Remove what killed workers left half written on a disk; nobody is writing there now."""
    if isinstance(store, LocalStore):
        root = Path(store.place)
        for folder in folders:
            for place in (root / folder, *(path for path in (root / folder).rglob("*") if path.is_dir())):
                sweep(place)


def _work(engine: Engine, parts: Sequence[Part], task: WorkerTask, progress: Progress) -> Workers:
    """Have all parts done, and those whose workers died again.

    Raises:
        ServerError: nothing more gets done.
    """
    left = {part.name: part for part in parts}
    reports: list[PartReport] = []
    idle = 0
    for round_ in range(1, _MOST_ROUNDS + 1):
        before = len(left)
        for report in engine.run(list(left.values()), task):
            report.check()
            if left.pop(report.part, None) is None:
                continue
            reports.append(report)
            for failed, count in ((True, report.failed), (False, report.done)):
                progress.step(failed=failed, count=count)
        if not left:
            return _workers(reports, round_)
        idle = idle + 1 if len(left) == before else 0
        if idle == _IDLE_ROUNDS:
            break
    items = sum(len(part.references) for part in left.values())
    raise ServerError(
        f"the workers died before they had done {items} of the items; what was committed is kept: look at "
        "their log, give each more memory or make parts smaller (--part), and give the same command again"
    )


def _workers(reports: Sequence[PartReport], rounds: int) -> Workers:
    """Return what reports tell of the workers."""
    seconds = max(one.ended_s for one in reports) - min(one.began_s for one in reports)
    return Workers(
        len({one.worker for one in reports}),
        max(one.loaded_s for one in reports),
        max(one.memory_bytes for one in reports),
        sum(one.done + one.failed for one in reports) / max(seconds, 1e-9),
        rounds,
    )


def _outcome(
    store: Store, found: Source, table: Recorded, before: int, seconds: float, workers: Workers | None
) -> OfflineOutcome:
    """Return how the batch ended, as the table says it."""
    rows = [table.items[one.item] for one in found.references if one.item in table.items]
    done = [row for row in rows if row.error is None]
    warned = Counter(name for row in done for name in row.warned)
    return OfflineOutcome(
        store.place, len(done), before, len(rows) - len(done), seconds, warned, workers, found.unmatched
    )
