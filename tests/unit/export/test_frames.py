"""Frames of a folder for a graph: read as training reads them, and refused as there, by file and with a cure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosswire.export.frames import FramesError, of_folder
from crosswire.export.tasks.segmentation.servable import input_spec
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.engine.arrays import TensorError
from crosswire.training.modalities import MODALITIES

SIZE = (64, 80)
INPUTS = [input_spec(MODALITIES[name], SIZE) for name in ("rgb", "depth")]
RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (100, 120, 3), np.uint8)
DEPTH = RANDOM.integers(1, 5000, (100, 120)).astype(np.uint16)
MANIFEST = {"classes": ["floor", "wall"], "depth_units_per_metre": 500}


def pictures(folder: Path) -> Path:
    """Write one frame in the plain layout, as `rgb/one.png` and `depth/one.png`."""
    for name, picture in (("rgb", RGB), ("depth", DEPTH)):
        (folder / name).mkdir(parents=True)
        Image.fromarray(picture).save(folder / name / "one.png")
    return folder


def archive(folder: Path, **arrays: np.ndarray) -> Path:
    """Write one frame as arrays."""
    folder.mkdir(exist_ok=True)
    np.savez(folder / "one.npz", **arrays)
    return folder


@pytest.mark.parametrize(("manifest", "unit"), [(None, 1000), (MANIFEST, 500)])
def test_frames_of_pictures_and_of_archives_are_the_same(
    manifest: dict[str, object] | None, unit: int, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "pictures")
    if manifest:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    other = archive(tmp_path / "archives", rgb=RGB, depth=DEPTH.astype(np.float32) / unit)
    for one, two in zip(of_folder(folder, INPUTS, 5).samples[0], of_folder(other, INPUTS, 5).samples[0], strict=True):
        torch.testing.assert_close(one, two)
        assert one.shape[:3] == (1, *SIZE)


def test_frames_are_taken_in_order_and_hidden_files_are_not(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    for name in ("rgb", "depth"):
        (folder / name / ".hidden.png").write_bytes(b"")
        (folder / name / "two.png").write_bytes((folder / name / "one.png").read_bytes())
    (folder / "rgb" / "alone.png").write_bytes((folder / "rgb" / "one.png").read_bytes())
    assert of_folder(folder, INPUTS, 5).description.endswith("2 frames")
    assert len(of_folder(folder, INPUTS, 1).samples) == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (None, "holds no frames"),
        ({"rgb": np.zeros((8, 8, 3), np.uint8)}, "lacks depth"),
        ({"rgb": np.zeros((8, 8), np.uint8), "depth": np.zeros((8, 8), np.float32)}, r"give \[H, W, 3\]"),
        ({"rgb": np.zeros((8, 8, 3), np.uint8), "depth": np.zeros((8, 8), np.uint16)}, "give float32"),
        ({"rgb": np.zeros((8, 8, 3), np.uint8), "depth": np.full((8, 8), np.nan, np.float32)}, "not finite"),
    ],
)
def test_arrays_that_cannot_calibrate_are_refused(
    arrays: dict[str, np.ndarray] | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(FramesError, match=message):
        of_folder(archive(tmp_path, **arrays) if arrays else tmp_path, INPUTS, 5)


def test_a_damaged_archive_and_arrays_of_two_sizes_are_named(tmp_path: Path) -> None:
    archive(tmp_path, rgb=np.zeros((8, 8, 3), np.uint8), depth=np.zeros((4, 8), np.float32))
    with pytest.raises(DataError, match=r"one\.npz, depth: 4x8 .* but .*one\.npz, rgb is 8x8"):
        of_folder(tmp_path, INPUTS, 5)
    (tmp_path / "one.npz").write_bytes((tmp_path / "one.npz").read_bytes()[:100])
    with pytest.raises(TensorError, match=r"one\.npz is no \.npz archive"):
        of_folder(tmp_path, INPUTS, 5)


def _save(name: str, picture: np.ndarray) -> Callable[[Path], None]:
    """Return what puts a picture in the place of another one."""
    return lambda folder: Image.fromarray(picture).save(folder / name / "one.png")


def _manifest(text: str) -> Callable[[Path], None]:
    """Return what writes a manifest."""

    def write(folder: Path) -> None:
        (folder / "manifest.json").write_text(text)

    return write


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _save("depth", DEPTH.astype(np.uint8)),
            r"depth/one\.png: is an 8-bit greyscale picture .* not 16-bit grey; save depth as",
        ),
        (_save("depth", DEPTH[:50]), r"depth/one\.png: 50x120 .* but .*rgb/one\.png is 100x120; register"),
        (_save("rgb", DEPTH), r"rgb/one\.png: is a 16-bit greyscale picture .* not a colour picture"),
        (_manifest('{"classes": ["floor"], "depth_units_per_metre": 0}'), r"manifest\.json: .* millimetres have 1000"),
        (_manifest('{"classes": ["floor"]}'), r"unknown unit; say in manifest\.json .* depth_units_per_metre"),
        (_manifest("{"), r"manifest\.json: cannot be used"),
        (lambda folder: (folder / "rgb" / "one.png").write_bytes(b"no picture"), r"rgb/one\.png: cannot be read"),
    ],
    ids=["8-bit depth", "two sizes", "16-bit colour", "no unit", "no key", "no JSON", "no picture"],
)
def test_pictures_that_cannot_calibrate_are_refused_as_in_training(
    change: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    change(pictures(tmp_path))
    with pytest.raises(DataError, match=message):
        of_folder(tmp_path, INPUTS, 5)


def test_a_picture_of_more_pixels_than_pillow_trusts_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"rgb/one\.png: cannot be read .*decompression bomb"):
        of_folder(pictures(tmp_path), INPUTS, 5)
