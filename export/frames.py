"""Raw inputs for a graph: frames of the run's data, or of a folder, brought to the graph's size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosswire.contract import TensorSpec
from crosswire.contract.errors import CrosswireError
from crosswire.media.resize import nearest
from crosswire.training.datasets.files.images import (
    OtherGeometry,
    PlainDepth,
    orientation_problem,
    read_colour,
    read_depth,
    size_problem,
)
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.datasets.folder import ENDINGS, read_manifest, recognise
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.arrays import read_arrays

Raw = NDArray[Any]
#: Stored parts of a metre where no manifest says how many there are.
MILLIMETRES = 1000.0


class FramesError(CrosswireError, ValueError):
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
        tuple(tuple(_batched(nearest(frame.pictures[spec.name], *size)) for spec in inputs) for frame in frames),
        tuple(nearest(frame.labels, *size).astype(np.uint8) for frame in frames),
    )


def of_folder(folder: Path, inputs: Sequence[TensorSpec], count: int) -> Frames:
    """Return up to `count` frames of a folder, without labels.

    The folder holds `.npz` files with one raw array per input, named after it, [H, W, C] or [H, W]; or images in the
    plain layout of `crosswire.training.datasets.folder`, of which labels and lists are not read: `rgb/NAME.png` or
    `.jpg` beside `depth/NAME.png`, 16-bit grey in `depth_units_per_metre` of `manifest.json`, or in
    millimetres where there is none.

    Args:
        folder: with the frames.
        inputs: of the graph, named after the modalities.
        count: how many at most, in alphabetical order.

    Raises:
        FramesError: nothing usable is there, or an array does not fit.
        TensorError: an `.npz` file is damaged.
        DataError: the manifest or an image cannot be used, or the images of a frame differ in size.
    """
    size = _size(inputs)
    if archives := sorted(folder.glob("*.npz")):
        rows = [_archive(path, inputs) for path in archives[:count]]
    else:
        rows = list(_pictures(folder, inputs, count))
    samples = tuple(tuple(_batched(nearest(array, *size)) for array in row) for row in rows)
    return Frames(f"{folder.name}, {len(samples)} frames", samples)


def _size(inputs: Sequence[TensorSpec]) -> tuple[int, int]:
    """Return height and width of a graph's images."""
    return inputs[0].shape[0], inputs[0].shape[1]


def _batched(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor with a batch axis of 1."""
    return torch.from_numpy(array)[None]


def _archive(path: Path, inputs: Sequence[TensorSpec]) -> list[Raw]:
    """Read the arrays of one `.npz` file that are inputs."""
    arrays = read_arrays(path)
    if absent := [spec.name for spec in inputs if spec.name not in arrays]:
        raise FramesError(f"{path} lacks {', '.join(absent)}; it holds {', '.join(arrays) or 'nothing'}")
    return _registered([(f"{path}, {spec.name}", _fitting(arrays[spec.name], spec, path)) for spec in inputs])


def _fitting(array: Raw, spec: TensorSpec, path: Path) -> Raw:
    """Return a raw array of an input, refusing one of another shape or element type, or with values that are none."""
    dtype = np.uint8 if spec.dtype == "UINT8" else np.float32
    if array.ndim != len(spec.shape) or array.shape[2:] != spec.shape[2:] or 0 in array.shape:
        wanted = ["H", "W", *map(str, spec.shape[2:])]
        raise FramesError(f"{path}: {spec.name} has shape {list(array.shape)}; give [{', '.join(wanted)}]")
    if array.dtype != dtype:
        raise FramesError(f"{path}: {spec.name} is {array.dtype}; give {np.dtype(dtype)} ({spec.unit})")
    if not np.isfinite(array).all():
        raise FramesError(f"{path}: {spec.name} holds values that are not finite; replace them before")
    return array


def _pictures(folder: Path, inputs: Sequence[TensorSpec], count: int) -> Iterator[list[Raw]]:
    """Read the images of the first frames in the plain layout, one row of arrays per frame."""
    found = [_found(folder, spec.name) for spec in inputs]
    stems = sorted(set.intersection(*map(set, found)))
    if not stems:
        wanted = ", ".join(f"{spec.name}/NAME.png" for spec in inputs)
        names = ", ".join(spec.name for spec in inputs)
        raise FramesError(f"{folder} holds no frames; give *.npz with the arrays {names}, or pictures {wanted}")
    depth = read_manifest(folder).depth_reader if recognise(folder) else PlainDepth(MILLIMETRES)
    for stem in stems[:count]:
        paths = [files[stem] for files in found]
        if problem := orientation_problem(paths):
            raise DataError(problem)
        yield _registered([(str(path), _picture(path, spec, depth)) for path, spec in zip(paths, inputs, strict=True)])


def _found(folder: Path, name: str) -> dict[str, Path]:
    """Return the images of one input by their stem."""
    paths = (path for path in (folder / name).glob("*") if path.suffix.lower() in ENDINGS[name])
    return {path.stem: path for path in sorted(paths, reverse=True) if not path.name.startswith(".")}


def _picture(path: Path, spec: TensorSpec, depth: PlainDepth | OtherGeometry) -> Raw:
    """Read the image of one input, metres or bytes."""
    return read_depth(path, depth) if spec.dtype == "FP32" else read_colour(path)


def _registered(row: Sequence[tuple[str, Raw]]) -> list[Raw]:
    """Return the arrays of one frame, each with the name of its file, refusing those that differ in size."""
    if problem := size_problem([(file, array.shape) for file, array in row]):
        raise DataError(problem)
    return [array for _, array in row]
