"""From views to batches of a generator; order and augmentation are functions of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from crosswire.media.resize import nearest
from crosswire.training.datasets.frames import Frame
from crosswire.training.engine.sampling import Draw, drawn_batches, ordered_batches
from crosswire.training.tasks.options import EVAL_SIZES
from crosswire.training.tasks.segmentation.transforms import centre_crop, crop, flip, resize
from crosswire.training.tasks.translation.config import SEMSEG, ImagesConfig, TranslationConfig
from crosswire.training.tasks.translation.domains import Codec, codecs
from crosswire.training.tasks.translation.images import TRUE, TRUE_LABELS, ImageSource, Raw

NORMAL = "normal"


class ImageBatch(NamedTuple):
    """What a generator is trained on.

    Attributes:
        inputs: per input domain, float32 [N, c, H, W] from -1 to 1.
        targets: the true images of all tasks, stacked [T*N, 3, H, W]; one channel, as of class indices, is repeated.
    """

    inputs: list[Tensor]
    targets: Tensor


Sample = tuple[list[Tensor], list[Tensor]]
Loader = DataLoader[Sample]
Transform = Callable[[dict[str, Raw], int], dict[str, Raw]]


class ViewDataset(Dataset[Sample]):
    """Views as tensors.

    Args:
        source: where the images come from.
        inputs: how the generator sees its inputs.
        outputs: how it sees its outputs.
        transform: what happens to a view first; a function of the view and its number alone.
    """

    def __init__(
        self, source: ImageSource, inputs: tuple[Codec, ...], outputs: tuple[Codec, ...], transform: Transform
    ) -> None:
        self.source = source
        self.inputs = inputs
        self.outputs = outputs
        self.transform = transform

    def __len__(self) -> int:
        """Number of views."""
        return len(self.source)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """Return inputs, float32 [c, H, W] each, and true outputs, float32 [3, H, W] each."""
        index, number = (draw, draw) if isinstance(draw, int) else draw
        view = self.transform(self.source[index], number)
        inputs = [torch.from_numpy(code.encode(view[code.domain.name])) for code in self.inputs]
        outputs = [torch.from_numpy(code.encode(view[f"{TRUE}{code.domain.name}"])) for code in self.outputs]
        return inputs, [picture.expand(3, -1, -1) for picture in outputs]

    def collate(self, samples: list[Sample]) -> ImageBatch:
        """Stack views of one size."""
        inputs = [torch.stack(column) for column in zip(*(inputs for inputs, _ in samples), strict=True)]
        targets = [torch.stack(column) for column in zip(*(outputs for _, outputs in samples), strict=True)]
        return ImageBatch(inputs, torch.cat(targets))


def train_transform(config: ImagesConfig, seed: int) -> Transform:
    """Return a resize, a random crop and a random mirroring, the same for all images of a view."""
    size = (config.height, config.width)
    larger = tuple(round(side * config.resize) for side in size)

    def change(view: dict[str, Raw], number: int) -> dict[str, Raw]:
        random = np.random.default_rng((seed, number))
        frame = resized(frame_of(view), *larger)
        top, left = (int(random.integers(have - want + 1)) for have, want in zip(larger, size, strict=True))
        frame = crop(frame, top, left, *size)
        return _mirrored(frame, view) if random.random() < config.flip else view_of(frame, view)

    return change


def eval_transform(config: ImagesConfig) -> Transform:
    """Return what a configuration does to views that are scored."""
    size = (config.height, config.width)

    def change(view: dict[str, Raw], number: int) -> dict[str, Raw]:
        frame = frame_of(view)
        if config.eval_size == EVAL_SIZES[0]:
            return view
        return view_of((centre_crop if config.eval_size == "crop" else resized)(frame, *size), view)

    return change


def resized(frame: Frame, height: int, width: int) -> Frame:
    """Resize as `resize` does, but colours of classes to the nearest pixel: one between two classes is of neither."""
    kept = {
        name: nearest(picture, height, width)
        for name, picture in frame.pictures.items()
        if name.removeprefix(TRUE) == SEMSEG
    }
    changed = resize(frame, height, width)
    return Frame({**changed.pictures, **kept}, changed.labels)


def frame_of(view: dict[str, Raw]) -> Frame:
    """Return a view as a frame, whose labels are the view's where it has some."""
    first = next(iter(view.values()))
    labels = np.asarray(view.get(TRUE_LABELS, np.zeros(first.shape[:2])), np.uint8)
    return Frame({name: picture for name, picture in view.items() if name != TRUE_LABELS}, labels)


def view_of(frame: Frame, view: dict[str, Raw]) -> dict[str, Raw]:
    """Return a frame as a view with the images of another view."""
    return {name: frame.labels if name == TRUE_LABELS else frame.pictures[name] for name in view}


def _mirrored(frame: Frame, view: dict[str, Raw]) -> dict[str, Raw]:
    """Mirror a view, left to right; normals point the other way then, which the official code leaves out."""
    pictures = view_of(flip(frame), view)
    for name, picture in pictures.items():
        if name.removeprefix(TRUE) == NORMAL:
            turned = np.array(picture, np.uint8)
            turned[..., 0] = 255 - turned[..., 0]
            pictures[name] = turned
    return pictures


def train_loader(
    config: TranslationConfig, source: ImageSource, step: Callable[[], int], *, rank: int = 0, ranks: int = 1
) -> Loader:
    """Return augmented batches from the present step to the next validation; as `train_loader` of segmentation."""
    dataset = _dataset(config, source, train_transform(config.data, config.seed))
    return drawn_batches(dataset, config, step, rank, ranks)


def eval_loader(config: TranslationConfig, source: ImageSource, *, rank: int = 0, ranks: int = 1) -> Loader:
    """Return batches of all views in order; of several processes each its share."""
    full = config.data.eval_size == EVAL_SIZES[0]
    dataset = _dataset(config, source, eval_transform(config.data))
    return ordered_batches(dataset, config, 1 if full else 0, rank, ranks)


def _dataset(config: TranslationConfig, source: ImageSource, transform: Transform) -> ViewDataset:
    """Return views as the network of a run sees them."""
    network = config.network
    return ViewDataset(source, codecs(network.inputs, network), codecs(network.outputs, network), transform)
