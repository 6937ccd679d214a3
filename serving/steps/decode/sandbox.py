"""Decoding what strangers send where it can do no harm: in worker processes that are bounded, killed and replaced.

A file that is made to crash its decoder, to fill the memory or to keep it busy for ever takes a worker along, not the
step that asked: the request is refused in words, and the next one finds a new worker. `sandbox_main` is what the
workers run.
"""

from __future__ import annotations

import mmap
import os
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from crosswire import ROOT
from crosswire.serving.config.limits import WorkerLimits
from crosswire.serving.steps.decode.shm_message import MessageError, Value, pack, unpack

READY, DONE, REFUSED, FAILED = b"+", b"=", b"!", b"?"
END_BYTES = 8
HEADER_BYTES = 128 << 10
_START_SECONDS = 60.0
_ENDING_SECONDS = 10.0  # for one that crashed to become a dead process, which says why
_KEPT_BYTES = 8 << 20
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Memory that one image gave back is kept for the next one: fetching it anew costs a quarter of the decoding.
KEEP_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}


class MediaError(ValueError):
    """Media, or their description, that cannot be used; names the tensor, what came and what is allowed."""


class WorkerError(RuntimeError):
    """A worker that does not start, or a function that failed for a reason that is not in the media."""


class Workers:
    """Calls one function in worker processes, as many at a time as there are workers; safe to use from threads."""

    def __init__(self, function: str, limits: WorkerLimits, count: int) -> None:
        """Start the first worker; the others start when they are needed.

        Args:
            function: `package.module:name`; takes and returns what `shm_message` can carry, and returns a tuple.
            limits: what one call may use.
            count: most workers.

        Raises:
            WorkerError: the first one does not start.
        """
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        workers = [Worker(function, limits) for _ in range(count)]
        for worker in workers:
            self._idle.put(worker)
        workers[-1].start()

    def call(self, *values: Value) -> list[Any]:
        """Call the function and return what it returned.

        Raises:
            MediaError: it refused its arguments, crashed on them, or needed more time or memory than it may have.
            WorkerError: it failed for another reason.
        """
        with self.calling(*values) as result:
            return result()

    @contextmanager
    def calling(self, *values: Value) -> Iterator[Callable[[], list[Any]]]:
        """Call the function while a block runs, which gets what waits for its result; both raise like `call`."""
        with self._borrowed(self._idle.get()) as worker, worker.calling(*values) as result:
            yield result

    @contextmanager
    def held(self) -> Iterator[Worker | None]:
        """Give a worker that has nothing to do just now for as long as a block runs, or None."""
        try:
            idle = self._idle.get_nowait()
        except queue.Empty:
            yield None
            return
        with self._borrowed(idle) as worker:
            yield worker

    def spread(self, items: Sequence[Any], *values: Value) -> list[Any]:
        """Share items among the workers that have nothing to do just now, and one at least; raises like `call`.

        Args:
            items: what JSON holds; the function is called with a list of some, and must return the values of each,
                one item after the other, as many for every one.
            *values: further arguments.

        Returns:
            per item its values.
        """
        with ExitStack() as stack:
            workers = [stack.enter_context(self._borrowed(self._idle.get()))]
            while len(workers) < len(items) and (another := stack.enter_context(self.held())):
                workers.append(another)
            count = len(workers)
            results = [
                stack.enter_context(worker.calling(list(items[first::count]), *values))
                for first, worker in enumerate(workers)
            ]
            found: list[list[Any]] = [[] for _ in items]
            for first, result in enumerate(results):
                returned, share = result(), found[first::count]
                each = len(returned) // len(share)
                found[first::count] = [returned[at : at + each] for at in range(0, len(returned), each)]
        return found

    def close(self) -> None:
        """End every worker, waiting for those that are at work."""
        while not self._idle.empty():
            self._idle.get().end(at_once=True)

    @contextmanager
    def _borrowed(self, worker: Worker) -> Iterator[Worker]:
        """Give a worker that was taken for as long as a block runs."""
        try:
            yield worker
        finally:
            self._idle.put(worker)


class Worker:
    """One worker process; a dead one is replaced by the next call."""

    def __init__(self, function: str, limits: WorkerLimits) -> None:
        """Prepare; nothing runs yet."""
        self._function, self._limits = function, limits
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False

    def start(self) -> None:
        """Start the process and wait until it has loaded its function."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memory = os.memfd_create("crosswire-worker")
        try:
            os.ftruncate(memory, self._limits.arena_bytes)
            self._map = mmap.mmap(memory, self._limits.arena_bytes)
            command = [sys.executable, "-m", "crosswire.serving.steps.decode.sandbox_main", self._function]
            limits = (self._limits.cpu_seconds, self._limits.memory_bytes, self._limits.arena_bytes)
            self._process = subprocess.Popen(
                [*command, str(there.fileno()), str(memory), *map(str, limits)],
                stdin=subprocess.DEVNULL,
                pass_fds=(there.fileno(), memory),
                env={**os.environ, **_ONE_THREAD, **KEEP_HEAP, "PYTHONPATH": ROOT},
            )
        finally:
            there.close()
            os.close(memory)
        self._arena, self._socket, self._late = memoryview(self._map), here, False
        self._socket.settimeout(_START_SECONDS)
        if self._receive() != READY:
            raise WorkerError(f"a worker for {self._function} does not start ({self.end()}); its reason is in the log")
        self._socket.settimeout(self._limits.wall_seconds)

    @contextmanager
    def calling(self, *values: Value) -> Iterator[Callable[[], list[Any]]]:
        """Call the function while a block runs; see `Workers.calling`."""
        self._begin(values)
        answers: list[bytes] = []

        def result() -> list[Any]:
            answers.append(self._receive())
            return self._finish(answers[0])

        try:
            yield result
        finally:
            if not answers and not self._receive():  # the next call must not find it
                self.end()

    def _begin(self, values: tuple[Value, ...]) -> None:
        """Send a call; to a new process if the last one has ended."""
        try:
            self._send(values)
        except ConnectionError:  # it ended since the look at it
            self.end()
            self._send(values)

    def _send(self, values: tuple[Value, ...]) -> None:
        """Send a call to a process that runs."""
        if self._process is None or self._process.poll() is not None:
            self.end()
            self.start()
        try:
            header, end = pack(values, self._arena)
        except MessageError as error:
            raise MediaError(f"the request is too large to decode: {error}; send less at once") from None
        self._socket.send(end.to_bytes(END_BYTES, "little") + header)

    def _finish(self, answer: bytes) -> list[Any]:
        """Return what the function returned, from the message that says so."""
        kind, end, body = answer[:1], int.from_bytes(answer[1 : 1 + END_BYTES], "little"), answer[1 + END_BYTES :]
        try:
            return self._result(kind, body)
        finally:
            if self._process is not None and end > _KEPT_BYTES:
                self._map.madvise(mmap.MADV_REMOVE)

    def _receive(self) -> bytes:
        """Return the next message, or nothing if the process ended or its time is over."""
        try:
            return self._socket.recv(HEADER_BYTES)
        except TimeoutError:
            self._late = True
            return b""
        except ConnectionError:
            return b""

    def _result(self, kind: bytes, body: bytes) -> list[Any]:
        """Return what the function returned, or raise what it raised."""
        if kind == DONE:
            values = unpack(body, self._arena)
            return [np.array(value) if isinstance(value, np.ndarray) else value for value in values]
        if kind == REFUSED:
            raise MediaError(body.decode(errors="replace"))
        if kind == FAILED:
            raise WorkerError(body.decode(errors="replace"))
        raise MediaError(f"the media cannot be decoded: {self.end()}; send another file")

    def end(self, *, at_once: bool = False) -> str:
        """Wait for the end of the process, or kill it if its time is over or it must end at once; say how it ended."""
        if self._process is None:
            return "the decoder is not running"
        status = self._process.poll()
        try:
            patience = 0.0 if at_once or self._late else _ENDING_SECONDS
            status = self._process.wait(patience) if status is None else status
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        self._process = None
        self._socket.close()
        self._arena.release()
        self._map.close()
        if status is None:
            return f"the decoder did not end within {self._limits.wall_seconds:g} s"
        if status == -signal.SIGXCPU:
            return f"the decoder was still busy after {self._limits.cpu_seconds} s of processor time"
        return f"the decoder ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"
