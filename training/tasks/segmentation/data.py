"""From a configuration to batches: which frames, in which order, augmented how.

Order and augmentation are functions of the seed and the step alone, so that a resumed run sees exactly what an
uninterrupted one would have seen, and so that any number of processes and workers sees the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import IGNORE, Frame, FrameSource, NoFrames
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.tabletops.tabletop_frames import TabletopFrames
from crosswire.training.engine.sampling import Draw, drawn_batches, ordered_batches
from crosswire.training.modalities import Modality, modalities
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.transforms import eval_transform, train_transform, unknown

PROCEDURAL = {"rooms": RoomsFrames, "tabletop": TabletopFrames}
DATASETS = (*PROCEDURAL, "none", *LAYOUTS)
SPLITS = ("train", "val", "test")


class Batch(NamedTuple):
    """What a network is trained on.

    Attributes:
        inputs: per stream a normalised tensor, float32 [N, C, H, W].
        labels: int64 [N, H, W].
    """

    inputs: list[Tensor]
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch([x.to(device) for x in self.inputs], self.labels.to(device))


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
    sensor = None if config.depth_sensor == "own" else config.depth_sensor
    return PROCEDURAL[config.name](
        config.seed + SPLITS.index(split), scenes, config.height, config.width, sensor=sensor
    )


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
    """Stack images [..., H, W] in their upper left corner; `empty`, which broadcasts to them, fills the rest."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (-2, -1))
    stacked = empty.expand(len(pictures), *pictures[0].shape[:-2], height, width).clone()
    for place, picture in zip(stacked, pictures, strict=True):
        place[..., : picture.shape[-2], : picture.shape[-1]] = picture
    return stacked


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
    return drawn_batches(dataset, config, step, rank, ranks)


def eval_loader(config: SegmentationConfig, source: FrameSource, *, rank: int = 0, ranks: int = 1) -> Loader:
    """Return batches of all frames in order, at the size of `data.eval_size`; of several processes each its share.

    Args:
        config: the whole run.
        source: validation or test frames.
        rank: this process among those that score together.
        ranks: how many they are.
    """
    dataset = FrameDataset(source, modalities(config.network), eval_transform(config.data))
    return ordered_batches(dataset, config, config.data.eval_batch, rank, ranks)
