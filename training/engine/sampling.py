"""What is drawn in which step of a training, and the batches of it.

Order and augmentation are functions of the seed and the step alone, so that a resumed run sees exactly what an
uninterrupted one would have seen, and so that any number of processes and workers sees the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch.utils.data import DataLoader, Sampler

from crosswire.training.config import ConfigError, RunConfig


class Draw(NamedTuple):
    """One sample of one step: which frame, and the number that seeds its augmentation."""

    frame: int
    number: int


class Samples(Protocol):
    """A data set of a task: samples by index or by draw, and how they become a batch."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, draw: Draw | int) -> Any:
        """Return one sample."""

    def collate(self, samples: list[Any]) -> Any:
        """Stack samples."""


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a seed, 0 to 2^63 - 1, that is a function of its arguments alone and differs between any two of them.

    Args:
        seed: of the run, 0 or more.
        purpose: what is drawn.
        counters: for example the step and the rank, 0 or more each.
    """
    entropy = (seed, zlib.crc32(purpose.encode()), *counters)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


class StepSampler(Sampler[list[Draw]]):
    """Batches of draws as a function of the step: every frame once per pass, each pass in an order of its own.

    Args:
        size: number of frames.
        batch: draws per step, over all processes.
        seed: of the order.
        steps: length of one iteration, which ends at a multiple of it.
        step: returns the step that an iteration starts with.
        rank: this process among those that train together; it gets its slice of every batch.
        ranks: how many they are.

    Raises:
        ConfigError: no frame at all, or a batch that cannot be shared out evenly.
    """

    def __init__(
        self, size: int, batch: int, seed: int, steps: int, step: Callable[[], int], *, rank: int = 0, ranks: int = 1
    ) -> None:
        if size < 1:
            raise ConfigError(f"there are {size} samples to train on; allowed is 1 or more; give the split train some")
        if batch % ranks:
            fits = f"{batch - batch % ranks} or {batch - batch % ranks + ranks}" if batch > ranks else ranks
            raise ConfigError(f"data.batch is {batch}, which {ranks} processes cannot share evenly; use {fits}")
        self.size = size
        self.batch = batch
        self.seed = seed
        self.steps = steps
        self.step = step
        self.rank = rank
        self.ranks = ranks
        self._epoch = -1
        self._order = np.arange(0)

    def __len__(self) -> int:
        """Steps left until the next multiple of `steps`."""
        return self.steps - self.step() % self.steps

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield one list of draws per step."""
        first = self.step()
        share = self.batch // self.ranks
        for step in range(first, first + len(self)):
            start = step * self.batch + self.rank * share
            yield [self._draw(number) for number in range(start, start + share)]

    def _draw(self, number: int) -> Draw:
        """Return the draw with a number, counted from the beginning of the run."""
        epoch, place = divmod(number, self.size)
        if epoch != self._epoch:
            self._order = np.random.default_rng((self.seed, epoch)).permutation(self.size)
            self._epoch = epoch
        return Draw(int(self._order[place]), number)


def drawn_batches(
    dataset: Samples, config: RunConfig, step: Callable[[], int], rank: int, ranks: int
) -> DataLoader[Any]:
    """Return batches in random order from the present step to the next validation.

    Args:
        dataset: what is drawn from.
        config: the whole run.
        step: returns the present step.
        rank: this process among those that train together.
        ranks: how many they are.

    Raises:
        ConfigError: no sample, or a batch that the processes cannot share evenly.
    """
    sampler = StepSampler(len(dataset), config.data.batch, config.seed, config.val_every, step, rank=rank, ranks=ranks)
    workers = config.runtime.workers
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=dataset.collate, num_workers=workers)  # type: ignore[arg-type]


def ordered_batches(dataset: Samples, config: RunConfig, batch: int, rank: int, ranks: int) -> DataLoader[Any]:
    """Return batches of all samples in order; of several processes each its share.

    Args:
        dataset: what is scored.
        config: the whole run.
        batch: samples of a batch; 0 for a process's share of a batch of the training.
        rank: this process among those that score together.
        ranks: how many they are.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size=batch or max(1, config.data.batch // ranks),
        sampler=range(rank, len(dataset), ranks),
        collate_fn=dataset.collate,
        num_workers=config.runtime.workers,
    )
