"""A whole batch: a bounded number of requests in flight, every result kept, every failure listed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from crosswire.clients.balance import SAFE
from crosswire.clients.batch.items import Item, find_items
from crosswire.clients.batch.progress import Progress
from crosswire.clients.batch.progress_log import ProgressLog
from crosswire.clients.batch.waiting import Waiting
from crosswire.clients.batch.work import item_request, wanted_outputs
from crosswire.clients.errors import (
    CrosswireError,
    DeadlineExceeded,
    InputError,
    OutputError,
    ServerError,
    ServerUnreachable,
)
from crosswire.clients.files import prepare_folder, write_json_lines
from crosswire.clients.inputs.depth import check_units
from crosswire.clients.inputs.recordings import Pairing
from crosswire.clients.inputs.units import units_of
from crosswire.clients.session import check_inputs
from crosswire.clients.sync_client import Predictor
from crosswire.contract import PipelineDescription
from crosswire.contract.atomic_write import sweep
from crosswire.contract.wire_names import CAMERA, DEPTH_UNITS, PNG_SUFFIX, SUMMARY
from crosswire.media.cameras.camera import RgbdCamera

RESULTS, FAILURES = "results.jsonl", "failures.jsonl"
WINDOW = 8


@dataclass(frozen=True)
class BatchOptions:
    """What to do with every item.

    Attributes:
        overlay: whether overlays are written too.
        units: what one metre counts in depth images, or None for what the layout, a manifest or the network says.
        window: most requests in flight.
        pairing: how images of a recording become pairs.
        again: whether every item that failed is asked about again, even if its files are what they were.
        camera: by which the depth of every item is registered to its colour, or None where it is.
    """

    overlay: bool = False
    units: float | None = None
    window: int = WINDOW
    pairing: Pairing = field(default_factory=Pairing)
    again: bool = False
    camera: RgbdCamera | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.window < 1:
            raise InputError(f"the window is {self.window}; send 1 request at a time or more")
        check_units(self.units)


@dataclass(frozen=True)
class BatchOutcome:
    """How a batch ended.

    Attributes:
        folder: where its files are: `<kind>/STEM.png`, and those of `results` and `failures`.
        done: items with a result, of this run and of earlier ones.
        before: those of earlier runs.
        failed: items without one.
        seconds: how long this run took.
        warnings: how many results warn of what, by the name of the warning.
        unmatched: colour images of a recording without a depth image; they were left out.
        notes: the unit of depth and who says it; what was recognised about the source, or passed over in it.
    """

    folder: Path
    done: int
    before: int
    failed: int
    seconds: float
    warnings: Mapping[str, int]
    unmatched: int = 0
    notes: tuple[str, ...] = ()

    @property
    def results(self) -> Path:
        """File with a line of JSON per item that has a result, in the order of the items."""
        return self.folder / RESULTS

    @property
    def failures(self) -> Path:
        """File with a line of JSON per item that has none, and why."""
        return self.folder / FAILURES

    def as_text(self) -> str:
        """Return how the batch ended, in one line, and what results warn of."""
        new = self.done - self.before
        earlier = f" ({self.before} of them by earlier runs)" if self.before else ""
        rate = f"; {new} in {self.seconds:.1f} s, {new / self.seconds:.1f} a second" if new else ""
        failed = ""
        if self.failed:
            how = "repair the files and give the same command again, or the same files with --again"
            failed = f"; {self.failed} failed, see {self.failures}: {how}"
        told = [f"\n{note}" for note in self.notes]
        told += [
            f"\nwarning in {count} of {self.done} results: {name}, see {self.results}"
            for name, count in sorted(self.warnings.items())
        ]
        alone = f"; {self.unmatched} colour images had no depth close enough in time" if self.unmatched else ""
        return f"{self.done} answered{earlier}{failed}{rate}{alone}{''.join(told)}"


def run_batch(
    predictor: Predictor,
    pipeline: PipelineDescription,
    source: Path,
    folder: Path,
    options: BatchOptions,
    waiting: Waiting,
    stream: IO[str] | None,
) -> BatchOutcome:
    """Ask about every item of a source that has no result yet, and again about refused ones whose files changed.

    Writes `<kind>/STEM.png` per image, `results.jsonl` and `failures.jsonl` (both in the order of the items) and the
    progress log. Killed at any time, the next run goes on and asks again at most what was in flight.

    Args:
        predictor: the way to the server; its retries should be as patient as its timeout.
        pipeline: whom to ask.
        source: a folder or a list file, see `crosswire.clients.batch.items`.
        folder: where to write.
        options: what to do with every item.
        waiting: what the predictor's retries tell of its attempts.
        stream: where progress is shown; None shows none.

    Raises:
        InputError: the source holds nothing, or the folder another batch.
        OutputError: the folder cannot be written to.
        ServerUnreachable: nobody answers any more; what was done stays done.
    """
    if options.camera is not None:
        check_inputs(pipeline, (CAMERA,))
    found = find_items(source, pipeline, options.pairing)
    items, unit = found.items, units_of(options.units, found.units_per_metre, source)
    units, notes = unit.sent, tuple(filter(None, (unit.note(pipeline), *found.notes)))
    outputs = wanted_outputs(pipeline, options.overlay)
    kinds = [prepare_folder(folder / name.removesuffix(PNG_SUFFIX)) for name in outputs if name.endswith(PNG_SUFFIX)]
    identity = {
        "source": str(source.resolve()),
        "pipeline": pipeline.name,
        "outputs": list(outputs),
        DEPTH_UNITS: units,
        **({"offset": options.pairing.offset} if options.pairing.shifts else {}),
        **({} if options.camera is None else {CAMERA: options.camera.to_json()}),
    }
    if stream is not None and notes:
        print(*notes, sep="\n", file=stream, flush=True)
    began = time.perf_counter()
    with ProgressLog(prepare_folder(folder), identity) as log:
        for place in (
            folder,
            *(kind / below for kind in kinds for below in {Path(item.stem).parent for item in items}),
        ):
            sweep(place)
        before = sum(item.stem in log.done for item in items)
        kept = {item.stem for item in items if not options.again and _fails_again(item, log)} | set(log.done)
        left = [item for item in items if item.stem not in kept]
        crew = _Crew(predictor, pipeline, folder, outputs, replace(options, units=units), log, waiting)
        try:
            if left:
                with Progress(len(items), len(items) - len(left), stream, waiting.news) as progress:
                    crew.work(left, options.window, progress)
        except ServerUnreachable as error:
            raise ServerUnreachable(f"{error}; what was answered is kept, the same command goes on") from error
        finally:
            done = [log.done[item.stem] for item in items if item.stem in log.done]
            write_json_lines(folder / RESULTS, done)
            failed = [log.failed[item.stem] for item in items if item.stem in log.failed]
            write_json_lines(folder / FAILURES, failed)
        seconds = time.perf_counter() - began
        warned = Counter(_warned(done))
        return BatchOutcome(folder, len(done), before, len(failed), seconds, warned, found.unmatched, notes)


def _fails_again(item: Item, log: ProgressLog) -> bool:
    """Say whether an item was refused, and nothing about its files has changed."""
    return item.stem in log.failed and log.files[item.stem] == item.state()


def _warned(done: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the name of every warning in the lines of `results.jsonl`."""
    for said in done:
        summary = said.get(SUMMARY)
        yield from {text.partition(":")[0] for text in (summary or {}).get("warnings", ())}


class _Crew:
    """Threads that take one item after the other."""

    def __init__(
        self,
        predictor: Predictor,
        pipeline: PipelineDescription,
        folder: Path,
        outputs: Sequence[str],
        options: BatchOptions,
        log: ProgressLog,
        waiting: Waiting,
    ) -> None:
        self._predictor, self._pipeline, self._folder, self._waiting = predictor, pipeline, folder, waiting
        self._outputs, self._options, self._log = outputs, options, log
        self._lock, self._stop = threading.Lock(), threading.Event()

    def work(self, items: Sequence[Item], window: int, progress: Progress) -> None:
        """Do all items; raise the first error that stops a batch."""
        queue = iter(items)
        with ThreadPoolExecutor(min(window, len(items))) as pool:
            threads = [pool.submit(self._one_after_the_other, queue, progress) for _ in range(pool._max_workers)]
            try:
                for thread in threads:
                    thread.result()
            finally:
                self._stop.set()  # an interrupt: what is in flight is awaited, nothing more is begun

    def _one_after_the_other(self, queue: Iterator[Item], progress: Progress) -> None:
        while not self._stop.is_set():
            with self._lock:
                item = next(queue, None)
            if item is None:
                return
            try:
                progress.step(failed=not self._do(item))
            except BaseException:
                self._stop.set()
                raise

    def _do(self, item: Item) -> bool:
        """Do one item; say whether it has a result."""
        self._log.begin(item.stem)
        try:
            options = self._options
            request = item_request(item, self._pipeline, self._outputs, options.units, options.camera)
            with self._waiting.asking():
                result = self._predictor.ask(request)
            files = result.save(self._folder, item.stem)
        except (ServerUnreachable, OutputError):
            raise
        except (InputError, ServerError) as error:
            final = not isinstance(error, (*SAFE, DeadlineExceeded))
            self._log.fail(item.stem, _reason(item, error), final=final, files=item.state())
            return False
        names = {kind: path.relative_to(self._folder).as_posix() for kind, path in files.items()}
        self._log.end(item.stem, {"stem": item.stem, "files": names, **result.figures()})
        return True


def _reason(item: Item, error: CrosswireError) -> dict[str, Any]:
    """Return an item's line of `failures.jsonl`."""
    files = {name: str(path) for name, path in item.files.items()}
    return {"stem": item.stem, "error": type(error).__name__, "reason": " ".join(str(error).split()), "files": files}
