"""Paired transforms: every image of a frame and its labels go through the same crop, scale, flip and padding.

Colour is resized bicubically; depth and labels take the nearest pixel, so that no depth between two surfaces and no
class between two classes is ever made up. Depth keeps its metres when an image is scaled, as in the papers: what the
network sees is a closer-cut image of the same scene, not a scene at another distance. Padding is "unknown" in every
image: the mean colour (which jitter changes with the rest of an image), depth 0 (no reading), labels `IGNORE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.media.resize import nearest
from crosswire.training.datasets.frames import IGNORE, Frame
from crosswire.training.datasets.holes import with_holes
from crosswire.training.modalities import MODALITIES
from crosswire.training.tasks.segmentation.config import DataConfig

Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class TrainTransform:
    """Flip, scale, pad and crop at random; the CEN supplement takes 500x500 at a scale of 0.5 to 2.

    Attributes:
        height: rows of the result.
        width: columns of the result.
        scale_min: smallest scale.
        scale_max: largest scale.
        shorter_side: the least that a scale may leave of the shorter side, pixels; 0 for no limit.
        colour_jitter: largest relative change of brightness, contrast and saturation.
        depth_jitter: largest relative change of all depth of a frame.
        depth_holes: largest share of a frame's depth that goes missing, in every other frame.
        seed: of what is drawn at random.
    """

    height: int
    width: int
    scale_min: float = 1.0
    scale_max: float = 1.0
    shorter_side: int = 0
    colour_jitter: float = 0.0
    depth_jitter: float = 0.0
    depth_holes: float = 0.0
    seed: int = 0

    def __call__(self, frame: Frame, number: int) -> Frame:
        """Return the frame at the size of the transform; a function of the frame, the seed and the number alone."""
        random = np.random.default_rng((self.seed, number))
        if random.random() >= 0.5:
            frame = flip(frame)
        height, width = frame.labels.shape
        factor = max(random.uniform(self.scale_min, self.scale_max), self.shorter_side / min(height, width))
        frame = pad(resize(frame, round(height * factor), round(width * factor)), self.height, self.width)
        height, width = frame.labels.shape
        top = int(random.integers(height - self.height + 1))
        left = int(random.integers(width - self.width + 1))
        return self._holed(self._jittered(crop(frame, top, left, self.height, self.width), random), random)

    def _jittered(self, frame: Frame, random: np.random.Generator) -> Frame:
        """Change the colours and the depth of a frame; nothing is drawn where nothing changes."""
        if not self.colour_jitter and not self.depth_jitter:
            return frame
        colour = 1 + self.colour_jitter * random.uniform(-1, 1, 3)
        depth = np.float32(1 + self.depth_jitter * random.uniform(-1, 1))
        pictures: dict[str, Array] = dict(frame.pictures)
        if "rgb" in pictures:
            pictures["rgb"] = jitter(pictures["rgb"], *colour)
        if "depth" in pictures:
            pictures["depth"] = pictures["depth"].astype(np.float32) * depth  # no reading, 0, stays none
        return Frame(pictures, frame.labels)

    def _holed(self, frame: Frame, random: np.random.Generator) -> Frame:
        """Leave some depth of every other frame without a reading; nothing is drawn where nothing changes."""
        if not self.depth_holes or "depth" not in frame.pictures or random.random() < 0.5:
            return frame
        share = self.depth_holes * random.random()
        depth = with_holes(frame.pictures["depth"], MODALITIES["depth"].missing or 0, share, random)
        return Frame({**frame.pictures, "depth": depth}, frame.labels)


@dataclass(frozen=True, kw_only=True)
class EvalTransform:
    """Leave a frame as it is, resize it, or take its centre.

    Attributes:
        size: one of `crosswire.training.tasks.options.EVAL_SIZES`.
        height: rows of the result, unless it is left as it is.
        width: columns of the result, unless it is left as it is.
    """

    size: str = "full"
    height: int = 0
    width: int = 0

    def __call__(self, frame: Frame, number: int = 0) -> Frame:
        """Return the frame at the size of the transform; the number changes nothing."""
        if self.size == "resize":
            return resize(frame, self.height, self.width)
        if self.size == "crop":
            return centre_crop(frame, self.height, self.width)
        return frame


def train_transform(config: DataConfig, seed: int) -> TrainTransform:
    """Return what a configuration does to training frames."""
    return TrainTransform(
        seed=seed,
        height=config.height,
        width=config.width,
        scale_min=config.scale_min,
        scale_max=config.scale_max,
        shorter_side=config.shorter_side,
        colour_jitter=config.colour_jitter,
        depth_jitter=config.depth_jitter,
        depth_holes=config.depth_holes,
    )


def eval_transform(config: DataConfig) -> EvalTransform:
    """Return what a configuration does to validation and test frames."""
    return EvalTransform(size=config.eval_size, height=config.height, width=config.width)


def flip(frame: Frame) -> Frame:
    """Mirror a frame, left to right."""
    return _each(frame, lambda picture, _: picture[:, ::-1])


def jitter(colours: Array, brightness: float, contrast: float, saturation: float) -> Array:
    """Scale the brightness of uint8 [H, W, 3], its distance from the mean grey, and that from each pixel's grey."""
    picture = colours.astype(np.float32) * np.float32(brightness)
    picture += (picture - picture.mean()) * np.float32(contrast - 1)
    picture += (picture - picture.mean(2, keepdims=True)) * np.float32(saturation - 1)
    changed: Array = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return changed


def resize(frame: Frame, height: int, width: int) -> Frame:
    """Resize a frame: images of bytes bicubically, everything else to the nearest pixel."""
    if frame.labels.shape == (height, width):
        return frame
    smooth = {name for name, picture in frame.pictures.items() if picture.dtype == np.uint8}
    return _each(frame, lambda picture, name: (_cubic if name in smooth else nearest)(picture, height, width))


def pad(frame: Frame, height: int, width: int) -> Frame:
    """Surround a frame with "unknown" until it has at least this size; the frame stays in the middle."""
    down, right = (max(0, want - have) for want, have in zip((height, width), frame.labels.shape, strict=True))
    if not down and not right:
        return frame
    edges = ((down // 2, down - down // 2), (right // 2, right - right // 2))
    return _each(frame, lambda picture, name: _surround(picture, edges, unknown(name)))


def crop(frame: Frame, top: int, left: int, height: int, width: int) -> Frame:
    """Cut a window out of a frame."""
    return _each(frame, lambda picture, _: picture[top : top + height, left : left + width])


def centre_crop(frame: Frame, height: int, width: int) -> Frame:
    """Return the centre of a frame, padded where the frame is smaller."""
    frame = pad(frame, height, width)
    rows, columns = frame.labels.shape
    return crop(frame, (rows - height) // 2, (columns - width) // 2, height, width)


def unknown(name: str) -> tuple[float, ...]:
    """Return what "nothing is known here" looks like in an image, one raw value per channel; "" names the labels.

    The value that means missing where the modality has one, else its mean, rounded: closest to zero once normalised.
    """
    if not name:
        return (IGNORE,)
    modality = MODALITIES[name]
    return (modality.missing,) * modality.channels if modality.missing is not None else modality.mean


def _each(frame: Frame, change: Callable[[Array, str], Array]) -> Frame:
    """Apply one change to all images and to the labels, which have no name."""
    pictures: dict[str, Array] = {name: change(picture, name) for name, picture in frame.pictures.items()}
    return Frame(pictures, np.ascontiguousarray(change(frame.labels, ""), np.uint8))


def _cubic(picture: Array, height: int, width: int) -> Array:
    """Resize uint8 [H, W], [H, W, 1] or [H, W, 3] bicubically, smoothed first where it shrinks."""
    flat = picture.squeeze(2) if picture.ndim == 3 and picture.shape[2] == 1 else picture
    resized = np.asarray(Image.fromarray(flat).resize((width, height), Image.Resampling.BICUBIC))
    return resized.reshape(height, width, *picture.shape[2:])


def _surround(picture: Array, edges: tuple[tuple[int, int], tuple[int, int]], value: tuple[float, ...]) -> Array:
    """Pad [H, W] or [H, W, C] with one value per channel."""
    (top, bottom), (left, right) = edges
    shape = (picture.shape[0] + top + bottom, picture.shape[1] + left + right, *picture.shape[2:])
    padded = np.empty(shape, picture.dtype)
    padded[...] = np.rint(value) if picture.ndim == 3 else value[0]
    padded[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return padded
