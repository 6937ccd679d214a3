"""Raw inputs for a graph: frames of the run's data, or of a folder, brought to the graph's size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from export.contract import TensorSpec
from training.datasets.frames import FrameSource

PICTURES = (".png", ".jpg", ".jpeg")


class FramesError(ValueError):
    """A folder of frames that cannot be used; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Frames:
    """Samples for a graph.

    Attributes:
        description: what they are, for example `"rooms, 8 test frames"`.
        samples: per frame one tensor per input, each with a batch axis of 1.
        labels: per frame its truth, uint8 [H, W]; empty where there is none.
    """

    description: str
    samples: tuple[tuple[Tensor, ...], ...]
    labels: tuple[NDArray[np.uint8], ...] = ()


def of_source(source: FrameSource, inputs: Sequence[TensorSpec], count: int, description: str) -> Frames:
    """Return up to `count` frames of a data set, spread over it, with their labels.

    Args:
        source: the data set.
        inputs: of the graph, named after the modalities.
        count: how many at most.
        description: what they are, without their number.
    """
    size = _size(inputs)
    chosen = [index * len(source) // min(count, len(source)) for index in range(min(count, len(source)))]
    frames = [source[index] for index in chosen]
    return Frames(
        description.format(count=len(frames)),
        tuple(tuple(_batched(resized(frame.pictures[spec.name], size)) for spec in inputs) for frame in frames),
        tuple(resized(frame.labels, size).astype(np.uint8) for frame in frames),
    )


def of_folder(folder: Path, inputs: Sequence[TensorSpec], count: int) -> Frames:
    """Return up to `count` frames of a folder, without labels.

    The folder holds `.npz` files with one raw array per input, named after it, [H, W, C] or [H, W]; or one folder of
    pictures per input, `rgb/NAME.png` or `.jpg` beside `depth/NAME.png` (16 bits, in `depth_units_per_metre` of a
    `manifest.json`, or in millimetres).

    Raises:
        FramesError: nothing usable is there, or an array does not fit.
    """
    size = _size(inputs)
    if archives := sorted(folder.glob("*.npz")):
        rows = [_archive(path, inputs) for path in archives[:count]]
    else:
        stems = _stems(folder, inputs)
        rows = [[_picture(folder, stem, spec) for spec in inputs] for stem in stems[:count]]
    samples = tuple(tuple(_batched(resized(array, size)) for array in row) for row in rows)
    return Frames(f"{folder.name}, {len(samples)} frames", samples)


def resized(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Bring a raw picture [H, W] or [H, W, C] to a size by nearest neighbour."""
    rows = (np.arange(size[0]) + 0.5) * picture.shape[0] // size[0]
    columns = (np.arange(size[1]) + 0.5) * picture.shape[1] // size[1]
    return np.ascontiguousarray(picture[rows.astype(int)][:, columns.astype(int)])


def _size(inputs: Sequence[TensorSpec]) -> tuple[int, int]:
    """Return height and width of a graph's pictures."""
    return inputs[0].shape[0], inputs[0].shape[1]


def _batched(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor with a batch axis of 1."""
    return torch.from_numpy(array)[None]


def _archive(path: Path, inputs: Sequence[TensorSpec]) -> list[NDArray[Any]]:
    """Read one `.npz` file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise FramesError(f"{path} cannot be read: {error}") from error
    if absent := [spec.name for spec in inputs if spec.name not in arrays]:
        raise FramesError(f"{path} lacks {', '.join(absent)}; it holds {', '.join(arrays) or 'nothing'}")
    return [_fitting(arrays[spec.name], spec, path) for spec in inputs]


def _fitting(array: NDArray[Any], spec: TensorSpec, path: Path) -> NDArray[Any]:
    """Return a raw array with the element type of an input, refusing one of another shape or kind."""
    dtype = np.uint8 if spec.dtype == "UINT8" else np.float32
    if array.ndim != len(spec.shape) or array.shape[2:] != spec.shape[2:] or 0 in array.shape:
        wanted = ["H", "W", *map(str, spec.shape[2:])]
        raise FramesError(f"{path}: {spec.name} has shape {list(array.shape)}; give [{', '.join(wanted)}]")
    if array.dtype != dtype:
        raise FramesError(f"{path}: {spec.name} is {array.dtype}; give {np.dtype(dtype)} ({spec.unit})")
    return array


def _stems(folder: Path, inputs: Sequence[TensorSpec]) -> list[str]:
    """Return the names that every input has a picture of."""
    found = [
        {path.stem for path in (folder / spec.name).glob("*") if path.suffix.lower() in PICTURES} for spec in inputs
    ]
    stems = sorted(set.intersection(*found))
    if not stems:
        wanted = ", ".join(f"{spec.name}/NAME.png" for spec in inputs)
        names = ", ".join(spec.name for spec in inputs)
        raise FramesError(f"{folder} holds no frames; give *.npz with the arrays {names}, or pictures {wanted}")
    return stems


def _picture(folder: Path, stem: str, spec: TensorSpec) -> NDArray[Any]:
    """Read the picture of one input."""
    path = next(path for path in sorted((folder / spec.name).glob(f"{stem}.*")) if path.suffix.lower() in PICTURES)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            if spec.dtype == "UINT8":
                return _fitting(np.array(picture.convert("RGB" if len(spec.shape) == 3 else "L")), spec, path)
            metres = np.array(picture, np.float32) / _units_per_metre(folder)
            return _fitting(metres.astype(np.float32), spec, path)
    except OSError as error:
        raise FramesError(f"{path} cannot be read: {error}") from error


def _units_per_metre(folder: Path) -> float:
    """Return the unit of depth pictures: that of the manifest, or millimetres."""
    manifest = folder / "manifest.json"
    return float(json.loads(manifest.read_text())["depth_units_per_metre"]) if manifest.exists() else 1000.0
