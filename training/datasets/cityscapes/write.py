"""Writing frames in the layout of Cityscapes: an example to look at, and data for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from crosswire.training.datasets.cityscapes.classes import CITYSCAPES_CLASSES, LABEL_IDS
from crosswire.training.datasets.cityscapes.layout import CAMERA, COLOUR, DISPARITY, ENDINGS, LABELS
from crosswire.training.datasets.cityscapes.stereo import UNITS_PER_PIXEL, StereoCamera
from crosswire.training.datasets.frames import IGNORE, Frame, FrameSource
from crosswire.training.datasets.write import relabel

#: A stereo pair that sees what is half a metre away: its disparity there is 100 pixels.
WRITTEN_CAMERA = StereoCamera(baseline=0.1, focal=500.0)
_CITY = "rooms"
#: Every sequence of the data set has one labelled frame, mostly this.
_LABELLED = 19


def write_cityscapes(source: FrameSource, to: Path, splits: Mapping[str, Sequence[int]]) -> None:
    """Write the layout of `layout`, disparity as `WRITTEN_CAMERA` would see it.

    Args:
        source: the frames.
        to: folder to write into.
        splits: indices of the frames of `train`, `val` and `test`; the last two become `val`.
    """
    camera = {"extrinsic": {"baseline": WRITTEN_CAMERA.baseline}, "intrinsic": {"fx": WRITTEN_CAMERA.focal}}
    for split, indices in {"train": splits["train"], "val": [*splits["val"], *splits["test"]]}.items():
        for index in tqdm(indices, desc=f"writing {split} frames", unit="frame"):
            frame = source[index]
            name = f"{_CITY}_{index:06d}_{_LABELLED:06d}"
            files = {folder: to / folder / split / _CITY / f"{name}{end}" for folder, (end, *_) in ENDINGS.items()}
            for file in files.values():
                file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(frame.pictures["rgb"], np.uint8)).save(files[COLOUR])
            Image.fromarray(_label_ids(frame, source)).save(files[LABELS])
            Image.fromarray(_stored_disparity(frame)).save(files[DISPARITY])
            files[CAMERA].write_text(json.dumps(camera, indent=1) + "\n", encoding="utf-8")


def _label_ids(frame: Frame, source: FrameSource) -> NDArray[np.uint8]:
    """Return labels as `_labelIds.png` stores them, 0 where the layout has no such class."""
    labels = relabel(frame.labels, source.classes, CITYSCAPES_CLASSES)
    table = np.zeros(IGNORE + 1, np.uint8)
    table[: len(LABEL_IDS)] = LABEL_IDS
    return table[labels]


def _stored_disparity(frame: Frame) -> NDArray[np.uint16]:
    """Return depth as stored disparity, 0 where there is no reading."""
    depth = np.asarray(frame.pictures["depth"], np.float64)
    pixels = WRITTEN_CAMERA.baseline * WRITTEN_CAMERA.focal / np.where(depth > 0, depth, np.inf)
    return np.where(depth > 0, np.rint(pixels * UNITS_PER_PIXEL + 1).clip(0, 65535), 0).astype(np.uint16)
