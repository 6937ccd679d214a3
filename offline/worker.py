"""A worker of an offline batch: it reads the items of a part, asks its pipeline, writes files, commits the part."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

from crosswire.clients.balance import SAFE
from crosswire.clients.batch.work import item_request
from crosswire.clients.errors import (
    CrosswireError,
    DeadlineExceeded,
    InternalServerError,
    OutputError,
    ServerUnreachable,
)
from crosswire.clients.recorded.ahead import ReadAhead
from crosswire.media.cameras.camera import RgbdCamera
from crosswire.offline.pipelines import PipelineSource
from crosswire.offline.results.table import Row, commit, error_row, result_row
from crosswire.offline.sources.read import ReadItem, read_items
from crosswire.offline.sources.references import Part
from crosswire.offline.stores import open_store

#: Errors after which nothing else can go well either.
_STOPPING = (ServerUnreachable, OutputError)
#: Errors that another try may not meet.
_PASSING = (*SAFE, DeadlineExceeded, InternalServerError)


@dataclass(frozen=True)
class WorkerTask:
    """Everything that a worker has to know, as it travels to other machines.

    Attributes:
        source: where the pieces of references lie, as `open_store` takes it.
        results: where files and table go, likewise.
        pipeline: who is asked.
        outputs: the tensors that are kept.
        units: what one metre counts in depth images, or None for the network's default.
        camera: by which depth is registered to colour, or None.
    """

    source: str
    results: str
    pipeline: PipelineSource
    outputs: tuple[str, ...]
    units: float | None = None
    camera: RgbdCamera | None = None


@dataclass(frozen=True)
class PartReport:
    """How a part went; plain types alone, as it travels back.

    Attributes:
        part: its name.
        done: items with a result.
        failed: items without one.
        began_s: when it was begun, seconds since 1970.
        ended_s: when it was committed.
        worker: machine and process that did it.
        loaded_s: seconds that the worker took to get ready, once.
        memory_bytes: memory that the worker holds, its decoders' with it; 0 where nobody can tell.
        stopped: kind of the error for which the worker gave up, empty for a bug, and what it says; None where it did
            not.
    """

    part: str
    done: int
    failed: int
    began_s: float
    ended_s: float
    worker: str
    loaded_s: float
    memory_bytes: int
    stopped: tuple[str, str] | None = None

    def check(self) -> None:
        """Raise the error for which the worker gave up; `RuntimeError` for a bug, with its traceback."""
        if self.stopped is not None:
            kind, said = self.stopped
            if not kind:
                raise RuntimeError(said)
            error = next((one for one in _STOPPING if one.__name__ == kind), CrosswireError)
            raise error(f"{said}; what was committed is kept, the same command goes on")


@dataclass
class _Tally:
    """Rows of a part so far."""

    rows: list[Row] = field(default_factory=list)
    counts: Counter[bool] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Take one more."""
        self.rows.append(row)
        self.counts[row.error is None] += 1


class Worker:
    """Does parts one after the other; a context manager.

    What it does twice, itself or another worker after it died, replaces the same files by the same ones.
    """

    def __init__(self, task: WorkerTask) -> None:
        """Load the pipeline.

        Raises:
            CrosswireError: it cannot be used.
        """
        began = time.monotonic()
        self._task = task
        self._source, self._results = open_store(task.source), open_store(task.results)
        self._description = task.pipeline.description
        self._optional = frozenset(tensor.name for tensor in self._description.inputs if tensor.optional)
        self._pipeline = task.pipeline.open()
        self._pool = ThreadPoolExecutor(self._pipeline.at_once)
        self._loaded_s = time.monotonic() - began

    def __enter__(self) -> Worker:
        """Return the worker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End what it started."""
        self._pool.shutdown(cancel_futures=True)
        self._pipeline.close()

    def do(self, part: Part) -> PartReport:
        """Do the items of a part and commit it; a bad item is a row with an error."""
        began, tally, stopped = time.time(), _Tally(), None
        try:
            self._fill(part, tally)
            commit(self._results, part.name, tally.rows)
        except _STOPPING as error:
            stopped = (type(error).__name__, str(error))
        return PartReport(
            part.name,
            tally.counts[True],
            tally.counts[False],
            began,
            time.time(),
            f"{os.uname().nodename}:{os.getpid()}",
            self._loaded_s,
            memory_bytes(),
            stopped,
        )

    def _fill(self, part: Part, tally: _Tally) -> None:
        """Do the items, some at a time, and gather their rows in the order of the part."""
        waiting: deque[Future[Row]] = deque()
        try:
            with ReadAhead(read_items(self._source, part, self._optional)) as items:
                while (item := items.take()) is not None:
                    waiting.append(self._pool.submit(self._row, item))
                    if len(waiting) > self._pipeline.at_once:
                        tally.add(waiting.popleft().result())
            while waiting:
                tally.add(waiting.popleft().result())
        finally:
            for one in waiting:
                one.cancel()

    def _row(self, item: ReadItem) -> Row:
        """Do one item: its files are written before its row."""
        task = self._task
        try:
            request = item_request(item, self._description, task.outputs, task.units, task.camera)
            result = self._pipeline.ask(request)
        except _STOPPING:
            raise
        except CrosswireError as error:
            return error_row(item.reference, error, final=not isinstance(error, _PASSING))
        return result_row(item.reference, result, self._save(item.stem, result.images))

    def _save(self, stem: str, images: Mapping[str, bytes]) -> dict[str, str]:
        """Write the images of an item, as `ItemResult.save` does; returns their names by what they hold."""
        names = {kind: f"{kind}/{stem}.png" for kind in images}
        for kind, name in names.items():
            self._results.write(name, images[kind])
        return names


def memory_bytes() -> int:
    """Return the memory that this process and its children hold, bytes; 0 where nobody can tell.

    Pages that several of them share count in each.
    """
    try:
        import psutil
    except ModuleNotFoundError:
        return 0
    total, own = 0, psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
