"""Engines: what hands parts to workers, and the one that needs nothing else, this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from crosswire.offline.sources.references import Part
from crosswire.offline.worker import PartReport, Worker, WorkerTask


class Engine(Protocol):
    """Runs workers."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is to know of it before the first item."""

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Have all parts done and yield a report of each as soon as it is committed, in any order.

        A part whose worker died may lack its report; whoever runs the engine has it done anew.

        Args:
            parts: what is to be done.
            task: what a worker has to know.

        Raises:
            CrosswireError: no worker can do anything.
        """

    def close(self) -> None:
        """Give back what it holds."""


class InProcessEngine:
    """One worker, in this process, on all cores that it may use."""

    notes: tuple[str, ...] = ()

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Do the parts one after the other."""
        with Worker(task) as worker:
            for part in parts:
                yield worker.do(part)

    def close(self) -> None:
        """Nothing is held."""
