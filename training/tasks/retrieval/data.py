"""The features of ActivityNet that a network is trained on and scored with: one vector per video, some per image.

How they lie on disk: `crosswire.training.datasets.features.activitynet`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from crosswire.training.config import ConfigError
from crosswire.training.datasets.features.activitynet import ANNOTATIONS, IMAGES, SUBSETS, VIDEOS, activities
from crosswire.training.engine.sampling import Draw, derive_seed
from crosswire.training.tasks.retrieval.config import RetrievalConfig


class Pairs(NamedTuple):
    """What a network is trained on.

    Attributes:
        video: float32 [N, F].
        image: of the same videos, float32 [N, G].
        labels: int64 [N], the activity.
    """

    video: Tensor
    image: Tensor
    labels: Tensor


class Features:
    """The features of a split, in memory.

    Args:
        root: the folder.
        split: `train`, `val` or `test`; the last two are ActivityNet's validation subset, whose activities are known.

    Attributes:
        classes: names of the activities, over all splits.
        videos: float32 [V, F].
        labels: int64 [V].
        images: one float32 [images, G] per video.

    Raises:
        ConfigError: a file is missing or broken, or no video of the split has features.
    """

    def __init__(self, root: Path, split: str) -> None:
        known = activities(root / ANNOTATIONS)
        self.classes = tuple(sorted({activity for _, activity in known.values()}))
        videos, labels, images = [], [], []
        try:
            with h5py.File(root / VIDEOS) as clips, h5py.File(root / IMAGES) as stills:
                for name, (subset, activity) in sorted(known.items()):
                    if subset == SUBSETS[split] and name in clips and name in stills:
                        videos.append(np.atleast_2d(clips[name][()]).mean(0).astype(np.float32))
                        images.append(np.atleast_2d(stills[name][()]).astype(np.float32))
                        labels.append(self.classes.index(activity))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{root} has no readable {VIDEOS} and {IMAGES}: {error}") from error
        if len(videos) < 2:
            raise ConfigError(f"{root} has features of {len(videos)} videos of the subset {SUBSETS[split]}; give more")
        self.videos: NDArray[np.float32] = np.stack(videos)
        self.labels = np.asarray(labels, np.int64)
        self.images = images

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.videos)


def features(config: RetrievalConfig, split: str) -> Features:
    """Return the features of a split, refusing those of another size than the network's.

    Raises:
        ConfigError: no folder, missing files, or other sizes.
    """
    if not config.data.path:
        raise ConfigError("data set 'activitynet' lies on disk; say where with data.path=DIR")
    found = Features(Path(config.data.path), split)
    sizes = found.videos.shape[1], found.images[0].shape[1]
    if sizes != (config.network.video, config.network.image):
        raise ConfigError(
            f"the features have {sizes[0]} and {sizes[1]} values; set network.video={sizes[0]}, "
            f"network.image={sizes[1]}"
        )
    return found


class PairDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """Every video with one of its images, drawn anew in every pass.

    Args:
        source: the features.
        seed: of the drawing.
    """

    def __init__(self, source: Features, seed: int) -> None:
        self.source = source
        self.seed = seed

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.source)

    def __getitem__(self, draw: Draw | int) -> tuple[Tensor, Tensor, int]:
        """Return a video, an image of it, and the activity."""
        index, number = (draw, draw) if isinstance(draw, int) else draw
        images = self.source.images[index]
        chosen = np.random.default_rng(derive_seed(self.seed, "image", number)).integers(len(images))
        video, image = torch.from_numpy(self.source.videos[index]), torch.from_numpy(images[chosen])
        return video, image, int(self.source.labels[index])

    def collate(self, samples: list[tuple[Tensor, Tensor, int]]) -> Pairs:
        """Stack pairs."""
        videos, images, labels = zip(*samples, strict=True)
        return Pairs(torch.stack(videos), torch.stack(images), torch.tensor(labels))
