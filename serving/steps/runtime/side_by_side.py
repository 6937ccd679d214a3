"""How a processor runs the samples that a network has to answer: side by side where there are enough of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import BoundedSemaphore, Lock

import numpy as np

from crosswire.serving.steps.runtime.graph_choice import Arrays, Run


class Cores:
    """The threads that all graphs of one network share; safe to use from several requests at once.

    With one thread per sample nothing waits: no thread of a convolution is done before the others. Fewer samples than
    threads share them all.
    """

    def __init__(self, threads: int, at_once: int) -> None:
        """Take how many threads there are, and how many samples may run at a time."""
        self._threads = threads
        self._places = BoundedSemaphore(at_once)
        self._pool = ThreadPoolExecutor(at_once)
        self._lock = Lock()
        self._wanted = 0

    def shared(self, together: Run, alone: Run) -> Run:
        """Return a function that runs a batch sample by sample.

        Args:
            together: runs one sample on all threads; may be called from several.
            alone: runs one sample on the thread that calls it; may be called from several.
        """

        def one(feed: Arrays) -> Arrays:
            try:
                with self._places:
                    return (alone if self._wanted >= self._threads else together)(feed)
            finally:
                self._count(-1)

        def run(feed: Arrays) -> Arrays:
            count = len(next(iter(feed.values())))
            self._count(count)
            if count == 1:
                return one(feed)
            samples = [{name: array[index : index + 1] for name, array in feed.items()} for index in range(count)]
            begun = [self._pool.submit(one, sample) for sample in samples]
            wait(begun)  # every one counts itself off, also when another one fails
            parts = [each.result() for each in begun]
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

        return run

    def _count(self, samples: int) -> None:
        """Note that so many more samples want to run."""
        with self._lock:
            self._wanted += samples
