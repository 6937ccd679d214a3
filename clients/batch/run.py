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
from crosswire.clients.batch.items import Item
from crosswire.clients.batch.progress import Progress
from crosswire.clients.batch.progress_log import ProgressLog
from crosswire.clients.batch.recorded import RecordedItems
from crosswire.clients.batch.sources import ItemSource, find_source
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
from crosswire.clients.inputs.recordings import Pairing
from crosswire.clients.recorded.ahead import ReadAhead
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.sync_client import Predictor
from crosswire.contract import PipelineDescription
from crosswire.contract.atomic_write import sweep
from crosswire.contract.wire_names import DEPTH_UNITS, PNG_SUFFIX, SUMMARY

RESULTS, FAILURES = "results.jsonl", "failures.jsonl"
WINDOW = 8


@dataclass(frozen=True)
class BatchOptions:
    """What to do with every item.

    Attributes:
        overlay: whether overlays are written too.
        window: most requests in flight.
        pairing: how images of a folder with time stamps become pairs.
        recorded: how recordings are read, and what one metre counts in depth images of any source, or None for what the
            layout, a manifest, the recording or the network says.
        again: whether every item that failed is asked about again, even if its files are what they were.
        compress: whether the pixels of recordings are made smaller on their way.
    """

    overlay: bool = False
    window: int = WINDOW
    pairing: Pairing = field(default_factory=Pairing)
    recorded: RecordedOptions = field(default_factory=RecordedOptions)
    again: bool = False
    compress: bool = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.window < 1:
            raise InputError(f"the window is {self.window}; send 1 request at a time or more")


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
        unmatched: images of a recording without a partner; they were left out.
        notes: the unit of depth and who says it; what was recognised about the source, or passed over in it.
        recorded: whether the items are the frames of recordings that were read as such.
        facts: what is known of the recordings.
        broken: why the rest of a recording could not be read.
    """

    folder: Path
    done: int
    before: int
    failed: int
    seconds: float
    warnings: Mapping[str, int]
    unmatched: int = 0
    notes: tuple[str, ...] = ()
    recorded: bool = False
    facts: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

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
            if self.recorded:
                how = "give the same command with --again; a repaired recording needs another folder"
            failed = f"; {self.failed} failed, see {self.failures}: {how}"
        told = [f"\n{note}" for note in self.notes]
        told += [f"\n{reason}" for reason in self.broken]
        told += [
            f"\nwarning in {count} of {self.done} results: {name}, see {self.results}"
            for name, count in sorted(self.warnings.items())
        ]
        who = "images had no partner" if self.recorded else "colour images had no depth"
        alone = f"; {self.unmatched} {who} close enough in time" if self.unmatched else ""
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
    found = find_source(source, pipeline, options.pairing, options.recorded, compress=options.compress)
    outputs = wanted_outputs(pipeline, options.overlay)
    kinds = [prepare_folder(folder / name.removesuffix(PNG_SUFFIX)) for name in outputs if name.endswith(PNG_SUFFIX)]
    identity = {
        "source": str(source.resolve()),
        "pipeline": pipeline.name,
        "outputs": list(outputs),
        DEPTH_UNITS: found.units if options.recorded.units_per_metre is None else options.recorded.units_per_metre,
        **found.identity,
    }
    if stream is not None and found.notes:
        print(*found.notes, sep="\n", file=stream, flush=True)
    began = time.perf_counter()
    with ProgressLog(prepare_folder(folder), identity) as log:
        for place in (folder, *(kind / below for kind in kinds for below in found.folders)):
            sweep(place)
        before = len(found.ordered(log.done))
        crew = _Crew(predictor, pipeline, folder, outputs, found, log, waiting)
        try:
            _work(crew, found, log, options, stream)
        except ServerUnreachable as error:
            raise ServerUnreachable(f"{error}; what was answered is kept, the same command goes on") from error
        finally:
            done, failed = found.ordered(log.done), found.ordered(log.failed)
            write_json_lines(folder / RESULTS, done)
            write_json_lines(folder / FAILURES, failed)
        seconds = time.perf_counter() - began
        warned = Counter(_warned(done))
        outcome = BatchOutcome(folder, len(done), before, len(failed), seconds, warned, found.unmatched)
        if not isinstance(found, RecordedItems):
            return replace(outcome, notes=found.notes)
        broken = tuple(" ".join(str(error).split()) for error in found.broken.values())
        return replace(outcome, recorded=True, facts=found.notes, broken=broken)


def _work(crew: _Crew, found: ItemSource, log: ProgressLog, options: BatchOptions, stream: IO[str] | None) -> None:
    """Ask about what is left, and note what could not be read.

    Raises:
        CrosswireError: the only recording cannot be read at all.
    """
    failed = {stem: log.files[stem] for stem in log.failed}
    kept = set(log.done) | (set() if options.again else found.unchanged(failed))
    count, before = found.count, found.among(kept)
    told_by_reading = isinstance(found, RecordedItems) and count != 0  # what is damaged
    if count is None or count > before or told_by_reading:
        window = options.window if count is None else max(1, min(options.window, count - before))
        with ReadAhead(found.left(kept)) as items, Progress(count, before, stream, crew.waiting.news) as progress:
            crew.work(items, window, progress)
    for name, error in found.broken.items():
        if not log.done and not log.failed:
            raise error
        log.fail(name, _said(name, error), final=False, files=None)


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
        found: ItemSource,
        log: ProgressLog,
        waiting: Waiting,
    ) -> None:
        self._predictor, self._pipeline, self._folder, self.waiting = predictor, pipeline, folder, waiting
        self._outputs, self._found, self._log = outputs, found, log
        self._stop = threading.Event()

    def work(self, items: ReadAhead[Item], window: int, progress: Progress) -> None:
        """Do all items; raise the first error that stops a batch."""
        with ThreadPoolExecutor(window) as pool:
            threads = [pool.submit(self._one_after_the_other, items, progress) for _ in range(window)]
            try:
                for thread in threads:
                    thread.result()
            finally:
                self._stop.set()  # an interrupt: what is in flight is awaited, nothing more is begun
                items.close()

    def _one_after_the_other(self, items: ReadAhead[Item], progress: Progress) -> None:
        while not self._stop.is_set():
            item = items.take()
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
            found = self._found
            request = item_request(item, self._pipeline, self._outputs, found.units, found.camera)
            with self.waiting.asking():
                result = self._predictor.ask(request)
            files = result.save(self._folder, item.stem)
        except (ServerUnreachable, OutputError):
            raise
        except (InputError, ServerError) as error:
            final = not isinstance(error, (*SAFE, DeadlineExceeded))
            self._log.fail(item.stem, _reason(item, error), final=final, files=item.state())
            return False
        names = {kind: path.relative_to(self._folder).as_posix() for kind, path in files.items()}
        self._log.end(item.stem, {"stem": item.stem, "files": names, **item.told(), **result.figures()})
        return True


def _reason(item: Item, error: CrosswireError) -> dict[str, Any]:
    """Return an item's line of `failures.jsonl`."""
    return _said(item.stem, error, {name: str(path) for name, path in item.files.items()})


def _said(stem: str, error: CrosswireError, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what is said about something that failed."""
    reason = " ".join(str(error).split())
    return {"stem": stem, "error": type(error).__name__, "reason": reason, "files": dict(files or {})}
