"""Writing frames in the layouts that are read: examples to look at, and data for tests.

Colour goes into the file format of each layout (JPEG in SUN RGB-D, which changes it a little), depth is rounded to the
layout's unit. Classes keep their names where the layout has them; what it has not becomes unlabelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from crosswire.training.datasets import folder, nyuv2, nyuv2_mat, sunrgbd
from crosswire.training.datasets.classes import NYUV2_CLASSES, SUNRGBD_CLASSES
from crosswire.training.datasets.frames import IGNORE, Frame, FrameSource

Splits = Mapping[str, Sequence[int]]
"""Indices of the frames of `train`, `val` and `test`."""

JPEG_QUALITY = 95
MILLIMETRES = 1000
#: What stands for a class that a layout has not: the first of these that it has.
RENAMED = {
    "floor": ("road",),
    "ceiling": ("sky",),
    "rug": ("floor mat", "terrain"),
    "column": ("other structure", "pole"),
    "ball": ("other prop",),
}
_NAMES = 894
_AUTHORS_ROOT = "/n/fs/sun3d/data"


def write_folder(source: FrameSource, to: Path, splits: Splits) -> None:
    """Write the layout of `folder`, depth in millimetres."""
    for index, frame in _frames(source):
        stem = f"{index:06d}"
        _save(to / "rgb" / f"{stem}.png", frame.pictures["rgb"])
        _save(to / "depth" / f"{stem}.png", _units(frame, MILLIMETRES))
        _save(to / "labels" / f"{stem}.png", frame.labels)
    manifest = {"classes": source.classes, "palette": source.palette, "depth_units_per_metre": MILLIMETRES}
    (to / folder.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for name, indices in splits.items():
        _lines(to / f"{name}.txt", (f"{index:06d}" for index in indices))


def write_nyuv2(source: FrameSource, to: Path, splits: Splits) -> None:
    """Write the layout of `nyuv2`."""
    for index, frame in _frames(source):
        name = f"{index + 1:06d}.png"
        _save(to / "rgb" / name, frame.pictures["rgb"])
        _save(to / "depth" / name, _units(frame, nyuv2.UNITS_PER_METRE))
        _save(to / "masks" / name, relabel(frame.labels, source.classes, NYUV2_CLASSES))
    for name, indices in _two(splits).items():
        files = (f"{index + 1:06d}.png" for index in indices)
        _lines(to / f"{name}.txt", (f"rgb/{file}\tmasks/{file}\tdepth/{file}" for file in files))


def write_nyuv2_mat(source: FrameSource, to: Path, splits: Splits) -> None:
    """Write the layout of `nyuv2_mat`; of the 894 names the ones from 401 on are used, which stand for class 1 on."""
    import h5py
    import scipy.io

    to.mkdir(parents=True, exist_ok=True)
    with h5py.File(to / nyuv2_mat.FILE, "w", userblock_size=512) as file:
        count, (height, width) = len(source), source[0].labels.shape
        images = file.create_dataset("images", (count, 3, width, height), "uint8")
        depths = file.create_dataset("depths", (count, width, height), "float32")
        labels = file.create_dataset("labels", (count, width, height), "uint16")
        file["names"] = np.zeros((1, _NAMES), np.uint64)
        for index, frame in _frames(source):
            images[index] = frame.pictures["rgb"].transpose(2, 1, 0)
            depths[index] = frame.pictures["depth"].T
            classes = relabel(frame.labels, source.classes, NYUV2_CLASSES).T.astype(np.uint16)
            labels[index] = np.where(classes == IGNORE, 0, classes + 401)
    with (to / nyuv2_mat.FILE).open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    mapping = np.arange(_NAMES)[None] % len(NYUV2_CLASSES) + 1
    scipy.io.savemat(str(to / nyuv2_mat.MAPPING), {"mapClass": mapping.astype(np.uint8)})
    train, test = (np.asarray(indices)[:, None] + 1 for indices in _two(splits).values())
    scipy.io.savemat(str(to / nyuv2_mat.SPLITS), {"trainNdxs": train, "testNdxs": test})


def write_sunrgbd(source: FrameSource, to: Path, splits: Splits) -> None:
    """Write the layout of `sunrgbd`, as if a sensor had looked at the rooms."""
    import h5py
    import scipy.io

    fields = ("sequenceName", "rgbpath", "rgbname", "depthpath", "depthname")
    meta = np.empty((1, len(source)), [(field, object) for field in fields])
    for path in (sunrgbd.META, sunrgbd.SPLIT):
        (to / path).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(to / sunrgbd.LABELS, "w", userblock_size=512) as file:
        references = file.create_dataset("SUNRGBD2Dseg/seglabel", (len(source), 1), h5py.ref_dtype)
        for index, frame in _frames(source):
            name, inside = f"{index + 1:07d}", _sequence(index)
            _save(to / inside / "image" / f"{name}.jpg", frame.pictures["rgb"])
            for depth_folder in ("depth", "depth_bfx"):
                _save(to / inside / depth_folder / f"{name}.png", _rotated(frame))
            file[f"#refs#/{name}"] = _one_based(frame, source).T
            references[index, 0] = file[f"#refs#/{name}"].ref
            path = f"{_AUTHORS_ROOT}/{inside}"
            paths = (f"{path}/image/{name}.jpg", f"{name}.jpg", f"{path}/depth/{name}.png", f"{name}.png")
            meta[0, index] = (inside, *paths)
    scipy.io.savemat(str(to / sunrgbd.META), {"SUNRGBDMeta": meta})
    train, test = (_cells(f"{_AUTHORS_ROOT}/{_sequence(i)}" for i in indices) for indices in _two(splits).values())
    scipy.io.savemat(str(to / sunrgbd.SPLIT), {"alltrain": train, "alltest": test})


def write_sunrgbd_png(source: FrameSource, to: Path, splits: Splits) -> None:
    """Write the layout of `sunrgbd_png`, each split numbered from 1."""
    for split, indices in zip(("train", "test"), _two(splits).values(), strict=True):
        lines = []
        for number, index in enumerate(tqdm(indices, desc=f"writing {split} frames", unit="frame"), start=1):
            frame = source[index]
            colour, depth = f"image/{split}/img-{number:06d}.jpg", f"depth/{split}/{number:08d}.png"
            labels = f"label37/{split}/img37labels-{number:06d}.png"
            _save(to / colour, frame.pictures["rgb"])
            _save(to / depth, _rotated(frame))
            _save(to / labels, _one_based(frame, source))
            lines.append(f"{colour} {depth} {labels}")
        _lines(to / f"{split}37.txt", lines)


def split_evenly(count: int) -> Splits:
    """Share frames out: three fifths to train on, a fifth each to validate and to test with, at least one each."""
    fifth = max(1, count // 5)
    rest = count - 2 * fifth
    return {"train": range(rest), "val": range(rest, rest + fifth), "test": range(rest + fifth, count)}


def relabel(labels: NDArray[np.uint8], have: Sequence[str], want: Sequence[str]) -> NDArray[np.uint8]:
    """Return labels numbered as in `want`; a class that it has not, as itself or as `RENAMED`, becomes unlabelled."""
    table = np.full(256, IGNORE, np.uint8)
    for label, name in enumerate(have):
        known = next((one for one in (name, *RENAMED.get(name, ())) if one in want), None)
        if known is not None:
            table[label] = want.index(known)
    return table[labels]


def _frames(source: FrameSource) -> Iterable[tuple[int, Frame]]:
    """Yield all frames with their index, under a progress bar."""
    for index in tqdm(range(len(source)), desc="writing frames", unit="frame"):
        yield index, source[index]


def _two(splits: Splits) -> Splits:
    """Return what a layout with two splits trains on and scores."""
    return {"train": splits["train"], "val": [*splits["val"], *splits["test"]]}


def _units(frame: Frame, units_per_metre: int) -> NDArray[np.uint16]:
    """Return depth in parts of a metre."""
    depth = np.asarray(frame.pictures["depth"], np.float64)
    return np.asarray(np.rint(depth * units_per_metre).clip(0, 65535), np.uint16)


def _rotated(frame: Frame) -> NDArray[np.uint16]:
    """Return depth as SUN RGB-D stores it."""
    millimetres = _units(frame, MILLIMETRES)
    return np.asarray((millimetres << 3) | (millimetres >> 13), np.uint16)


def _one_based(frame: Frame, source: FrameSource) -> NDArray[np.uint8]:
    """Return labels as SUN RGB-D stores them: classes from 1, 0 = unlabelled."""
    labels = relabel(frame.labels, source.classes, SUNRGBD_CLASSES)
    return np.where(labels == IGNORE, 0, labels + 1).astype(np.uint8)


def _sequence(index: int) -> str:
    """Return the folder of a frame in SUN RGB-D."""
    return f"{sunrgbd.ROOT}/kv1/rooms/{index + 1:06d}"


def _cells(texts: Iterable[str]) -> NDArray[Any]:
    """Return texts as a MATLAB cell array of one row."""
    return np.asarray([*texts], object)[None]


def _save(path: Path, picture: NDArray[np.generic]) -> None:
    """Save an image in the format of its name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=JPEG_QUALITY)


def _lines(path: Path, lines: Iterable[str]) -> None:
    """Write a list file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
