"""Real clips of the user: files of film and sound, or folders of frames; with labels, one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import FRAMES, WAVEFORM
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.proof.samples import Sample, opened
from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.media.clips.frames import read_frames
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.waveform import read_waveform

Array = NDArray[Any]
_IMAGES = (".png", ".jpg", ".jpeg")


def read_clips(folder: Path, inputs: Sequence[TensorSpec], count: int) -> list[Sample]:
    """Read up to `count` clips of a folder, in alphabetical order, as the server reads them.

    Args:
        folder: with files of film or sound, or with one folder of images per clip, whose images are its frames.
        inputs: of the adopted graph.
        count: how many at most.

    Raises:
        AdoptError: there is none, or one cannot be used.
    """
    found = _clips(folder)
    if not found:
        raise AdoptError(
            f"{folder} holds no clips; give files that end in {', '.join(CLIP_ENDINGS)}, or folders of images"
        )
    return [Sample(path.stem, _raw(path, inputs)) for path in found[:count]]


def read_labelled_clips(folder: Path, inputs: Sequence[TensorSpec], count: int, classes: Sequence[str]) -> list[Sample]:
    """Read up to `count` clips of every class.

    Args:
        folder: with one folder per class, named as the class, or by its number.
        inputs: of the adopted graph.
        count: how many of each class at most.
        classes: names by number.

    Raises:
        AdoptError: a folder names no class, there is no clip, or one cannot be used.
    """
    numbers = {str(place): place for place in range(len(classes))} | {name: n for n, name in enumerate(classes)}
    folders = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    samples: list[Sample] = []
    for one in folders:
        if one.name not in numbers:
            known = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
            raise AdoptError(
                f"got the folder {one}, expected one folder per class: {known}; rename it, or name the classes with "
                "--classes"
            )
        truth = np.asarray(numbers[one.name])
        samples += [Sample(path.stem, _raw(path, inputs), truth) for path in _clips(one)[:count]]
    if not samples:
        raise AdoptError(f"{folder} holds no clips in folders of classes; give one folder per class: {classes[0]}/")
    return samples


def _clips(folder: Path) -> list[Path]:
    """Return files of clips, and folders of images."""
    paths = sorted(path for path in folder.glob("*") if not path.name.startswith("."))
    return [path for path in paths if path.suffix.lower() in CLIP_ENDINGS or (path.is_dir() and _images(path))]


def _images(folder: Path) -> list[Path]:
    """Return the images of a folder in alphabetical order."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGES and path.name[0] != ".")


def _raw(path: Path, inputs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Return a clip as it is sent, with a batch axis of 1."""
    names = [spec.name for spec in inputs]
    if path.is_dir() and names != [FRAMES]:
        raise AdoptError(f"{path} is a folder of images, and the network takes {' and '.join(names)}; give clips")
    found = {FRAMES: _still(path, inputs[0])} if path.is_dir() else _read(path, inputs)
    return {name: array[None] for name, array in found.items()}


def _still(folder: Path, spec: TensorSpec) -> Array:
    """Return the images of a folder as frames; the last one stands where there are too few."""
    count, height, width = spec.shape[:3]
    paths = _images(folder)[:count]
    size = (width, height)
    frames = [opened(path).convert("RGB").resize(size, Image.Resampling.BOX) for path in paths]
    return np.stack([np.asarray(frames[min(place, len(frames) - 1)]) for place in range(count)])


def _read(path: Path, inputs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Return frames and sound of a file, those that the network takes."""
    try:
        import av
    except ImportError as error:
        raise AdoptError(f"{path} cannot be read without PyAV; install it: pip install av") from error
    specs = {spec.name: spec for spec in inputs}
    frames, sound = specs.get(FRAMES), specs.get(WAVEFORM)
    count, height, width = frames.shape[:3] if frames else (0, 1, 1)
    rate = round(sound.rate or 1) if sound else 1
    samples = sound.shape[0] if sound else 0
    shape = ClipShape(count, height, width, frames.rate if frames else None, samples, rate)
    found: dict[str, Array] = {}
    start = None
    try:
        if frames is not None:
            with av.open(str(path)) as container:
                again = lambda: av.open(str(path))  # noqa: E731
                seen = read_frames(container, again, shape, lambda *_: None) if container.streams.video else None
            if seen is not None:
                found[FRAMES], start = seen.pixels, seen.start
        if sound is not None:
            with av.open(str(path)) as container:
                heard = read_waveform(container, shape, start, lambda _: None) if container.streams.audio else None
            if heard is not None:
                found[WAVEFORM] = heard.samples
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise AdoptError(f"{path} cannot be read: {error}; give whole files of film or sound") from error
    if lacking := [name for name in specs if name not in found]:
        raise AdoptError(f"{path} has no {lacking[0]}, which the network takes; give clips that have")
    return found
