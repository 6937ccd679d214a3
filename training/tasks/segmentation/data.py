"""From a configuration to batches: which frames, in which order, augmented how.

Order and augmentation are functions of the seed and the step alone, so that a resumed run sees exactly what an
uninterrupted one would have seen, and so that any number of processes and workers sees the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import IGNORE, Frame, FrameSource
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.no_frames import NoFrames
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.modalities import Modality, modalities
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.transforms import eval_transform, train_transform, unknown

DATASETS = ("rooms", "none", *LAYOUTS)
SPLITS = ("train", "val", "test")


class Draw(NamedTuple):
    """One sample of one step: which frame, and the number that seeds its augmentation."""

    frame: int
    number: int


class Batch(NamedTuple):
    """What a network is trained on.

    Attributes:
        inputs: per stream a normalised tensor, float32 [N, C, H, W].
        labels: int64 [N, H, W].
    """

    inputs: list[Tensor]
    labels: Tensor


Sample = tuple[list[Tensor], Tensor]
Loader = DataLoader[Sample]
Transform = Callable[[Frame, int], Frame]
"""Changes a frame that was drawn as the sample with a number, counted from the beginning of the run."""


def frames(config: DataConfig, split: str) -> FrameSource:
    """Return the frames of a split; the splits of a procedural data set have seeds of their own.

    Data sets with two splits only show the second one as both `val` and `test`, as the papers do.

    Raises:
        ConfigError: an unknown data set or split, or files that are missing or wrong, by name.
    """
    if config.name not in DATASETS:
        raise ConfigError(f"data set {config.name!r} is unknown; allowed are {', '.join(DATASETS)}")
    if split not in SPLITS:
        raise ConfigError(f"split {split!r} is unknown; allowed are {', '.join(SPLITS)}")
    if config.name == "none":
        if split != "test":
            raise ConfigError(f"data set 'none' has no {split} frames; choose one that has, with data.name=NAME")
        return NoFrames(config.classes)
    if config.name in LAYOUTS:
        if not config.path:
            raise ConfigError(f"data set {config.name!r} lies on disk; say where with data.path=DIR")
        return LAYOUTS[config.name].open(config, split)
    scenes = {"train": config.train_scenes, "val": config.val_scenes, "test": config.test_scenes}[split]
    return RoomsFrames(config.seed + SPLITS.index(split), scenes, config.height, config.width)


class FrameDataset(Dataset[Sample]):
    """Frames as normalised tensors.

    Args:
        source: where the frames come from.
        streams: modalities in the network's order.
        transform: what happens to a frame first.
    """

    def __init__(self, source: FrameSource, streams: Sequence[Modality], transform: Transform) -> None:
        self.source = source
        self.streams = streams
        self.transform = transform

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.source)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """Return inputs, one float32 [C, H, W] per stream, and labels, int64 [H, W]."""
        index, number = (draw, draw) if isinstance(draw, int) else draw
        frame = self.transform(self.source[index], number)
        inputs = [torch.from_numpy(m.normalise(frame.pictures[m.name])) for m in self.streams]
        return inputs, torch.from_numpy(frame.labels.astype(np.int64))

    def collate(self, samples: list[Sample]) -> Batch:
        """Stack samples; smaller ones are surrounded with "unknown" at the bottom and on the right."""
        pictures = [[inputs[index] for inputs, _ in samples] for index in range(len(self.streams))]
        empty = [stream.normalise(np.asarray([[unknown(stream.name)]])) for stream in self.streams]
        inputs = [_stack(part, torch.from_numpy(value)) for part, value in zip(pictures, empty, strict=True)]
        return Batch(inputs, _stack([labels for _, labels in samples], torch.tensor(IGNORE)))


def _stack(pictures: list[Tensor], empty: Tensor) -> Tensor:
    """Stack pictures [..., H, W] in their upper left corner; `empty`, which broadcasts to them, fills the rest."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (-2, -1))
    stacked = empty.expand(len(pictures), *pictures[0].shape[:-2], height, width).clone()
    for place, picture in zip(stacked, pictures, strict=True):
        place[..., : picture.shape[-2], : picture.shape[-1]] = picture
    return stacked


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


def train_loader(
    config: SegmentationConfig, source: FrameSource, step: Callable[[], int], *, rank: int = 0, ranks: int = 1
) -> Loader:
    """Return augmented batches from the present step to the next validation.

    Args:
        config: the whole run.
        source: its training frames.
        step: returns the present step.
        rank: this process among those that train together.
        ranks: how many they are.

    Raises:
        ConfigError: a batch that the processes cannot share evenly.
    """
    dataset = FrameDataset(source, modalities(config.network), train_transform(config.data, config.seed))
    sampler = StepSampler(len(source), config.data.batch, config.seed, config.val_every, step, rank=rank, ranks=ranks)
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=dataset.collate, num_workers=config.runtime.workers)


def eval_loader(config: SegmentationConfig, source: FrameSource, *, rank: int = 0, ranks: int = 1) -> Loader:
    """Return batches of all frames in order, at the size of `data.eval_size`; of several processes each its share.

    Args:
        config: the whole run.
        source: validation or test frames.
        rank: this process among those that score together.
        ranks: how many they are.
    """
    dataset = FrameDataset(source, modalities(config.network), eval_transform(config.data))
    return DataLoader(
        dataset,
        batch_size=config.data.eval_batch or max(1, config.data.batch // ranks),
        sampler=range(rank, len(source), ranks),
        collate_fn=dataset.collate,
        num_workers=config.runtime.workers,
    )
