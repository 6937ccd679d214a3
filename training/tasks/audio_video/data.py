"""From a configuration to batches: which clips, in which order, with which modality missing.

Order and missing modalities are functions of the seed and the step alone, as in
`crosswire.training.tasks.segmentation.data`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.base import ClipSource
from crosswire.training.datasets.clips.events_clips import EventClips
from crosswire.training.datasets.clips.layouts import CLIP_LAYOUTS, SPLITS
from crosswire.training.datasets.clips.read import Clip
from crosswire.training.engine.sampling import Draw, derive_seed, drawn_batches, ordered_batches
from crosswire.training.tasks.audio_video.config import AudioVideoConfig, ClipShape

DATASETS = ("events", *CLIP_LAYOUTS)


class ClipBatch(NamedTuple):
    """What a network is trained on.

    Attributes:
        inputs: one per modality: frames uint8 [N, T, H, W, 3], sound float32 [N, S]; zeros where missing.
        labels: int64 [N].
    """

    inputs: list[Tensor]
    labels: Tensor


Sample = tuple[list[Tensor], int]


def clips(config: AudioVideoConfig, split: str) -> ClipSource:
    """Return the clips of a split; the splits of the procedural ones have seeds of their own.

    Raises:
        ConfigError: an unknown data set or split, or files that are missing or wrong, by name.
    """
    data, shape = config.data, config.network.clip
    if data.name not in DATASETS:
        raise ConfigError(f"data set {data.name!r} is unknown; allowed are {', '.join(DATASETS)}")
    if split not in SPLITS:
        raise ConfigError(f"split {split!r} is unknown; allowed are {', '.join(SPLITS)}")
    if data.name == "events":
        count = {"train": data.train_clips, "val": data.val_clips, "test": data.test_clips}[split]
        return EventClips(data.seed + SPLITS.index(split), count, shape)
    if not data.path:
        raise ConfigError(f"data set {data.name!r} lies on disk; say where with data.path=DIR")
    return CLIP_LAYOUTS[data.name].open(Path(data.path), split, shape)


class ClipDataset(Dataset[Sample]):
    """Clips as tensors.

    Args:
        source: where they come from.
        config: the whole run.
        training: whether clips lose modalities as the configuration says.
    """

    def __init__(self, source: ClipSource, config: AudioVideoConfig, *, training: bool = False) -> None:
        self.source = source
        self.config = config
        self.dropout = config.modality_dropout if training else 0.0

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.source)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """Return one input per modality, and the label."""
        index, number = (draw, draw) if isinstance(draw, int) else draw
        clip, label = self.source[index]
        arrays = as_tensors(clip, self.config.network.clip, self.config.network.modalities)
        lost = self._lost(number)
        return [torch.zeros_like(x) if place == lost else x for place, x in enumerate(arrays)], label

    def _lost(self, number: int) -> int | None:
        """Return which modality a draw loses, or None."""
        if not self.dropout:
            return None
        random = np.random.default_rng(derive_seed(self.config.seed, "modality dropout", number))
        return int(random.integers(len(self.config.network.modalities))) if random.random() < self.dropout else None

    def collate(self, samples: list[Sample]) -> ClipBatch:
        """Stack samples."""
        inputs = [torch.stack(part) for part in zip(*(inputs for inputs, _ in samples), strict=True)]
        return ClipBatch(inputs, torch.tensor([label for _, label in samples]))


def as_tensors(clip: Clip, shape: ClipShape, modalities: tuple[str, ...]) -> list[Tensor]:
    """Return one tensor per modality of a clip, zeros where it lacks one."""
    frames = np.zeros((shape.frames, shape.height, shape.width, 3), np.uint8) if clip.frames is None else clip.frames
    waveform = np.zeros(shape.samples, np.float32) if clip.waveform is None else clip.waveform
    arrays = {"video": torch.from_numpy(frames), "audio": torch.from_numpy(waveform)}
    return [arrays[name] for name in modalities]


def train_loader(
    config: AudioVideoConfig, source: ClipSource, step: Callable[[], int], *, rank: int = 0, ranks: int = 1
) -> DataLoader[Any]:
    """Return batches from the present step to the next validation; arguments as in `train_loader` of segmentation."""
    return drawn_batches(ClipDataset(source, config, training=True), config, step, rank, ranks)


def eval_loader(config: AudioVideoConfig, source: ClipSource, *, rank: int = 0, ranks: int = 1) -> DataLoader[Any]:
    """Return batches of all clips in order; of several processes each its share."""
    return ordered_batches(ClipDataset(source, config), config, config.data.eval_batch, rank, ranks)
