"""Labelled point clouds: every pixel with depth is a point where the lens says, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crosswire.clients import InputError, OutputError
from crosswire.clients.streaming.outputs.cloud import CloudWriter
from crosswire.clients.streaming.outputs.frame import LabelledFrame, StreamFacts
from crosswire.media.cameras.camera import Distortion, Lens
from crosswire.media.cameras.lenses import project
from tests.support.outputs.labelled import HEIGHT, LENS, WIDTH, labelled
from tests.support.outputs.ply import read_ply

BENT = Lens(WIDTH, HEIGHT, 50.0, 51.0, 31.25, 23.5, Distortion.BROWN_CONRADY, (0.08, -0.05, 0.002, -0.001, 0.01))
NAMES = ("x", "y", "z", "red", "green", "blue", "label", "confidence")


def write(folder: Path, frame: LabelledFrame, lens: Lens | None = LENS, **options: str) -> Path:
    with CloudWriter(folder, StreamFacts(lens, source="desk.bag"), **options) as clouds:
        clouds.add(frame)
    return folder / f"{frame.index:06d}.ply"


@pytest.mark.parametrize("lens", [LENS, BENT], ids=["pinhole", "distorted"])
def test_a_point_is_seen_at_its_pixel_and_carries_what_was_found_there(lens: Lens, tmp_path: Path) -> None:
    frame = labelled(3)
    points, comments = read_ply(write(tmp_path, frame, lens))
    rows, columns = np.nonzero(frame.readings)
    assert points.dtype.names == NAMES
    assert 0 < len(points) == len(rows) < HEIGHT * WIDTH - 3 * WIDTH
    places = np.stack([points[name] for name in "xyz"], axis=-1)
    assert np.array_equal(points["z"], frame.readings[rows, columns])
    assert project(lens, places) == pytest.approx(np.stack([columns, rows], axis=-1), abs=1e-3)
    result = frame.result
    assert result.confidence is not None
    assert np.array_equal(points["label"], result.labels[rows, columns])
    assert np.array_equal(points["confidence"], result.confidence[rows, columns])
    colours = np.stack([points[name] for name in ("red", "green", "blue")], axis=-1)
    assert np.array_equal(colours, result.palette[points["label"]])
    assert comments[:2] == ["frame 3", f"stamp_ns {frame.stamp_ns}"]
    first = " ".join(map(str, result.palette[0].tolist()))
    assert f"class 0 {first} {result.class_names[0]}" in comments


def test_a_lens_of_another_size_is_scaled(tmp_path: Path) -> None:
    frame = labelled()
    small = read_ply(write(tmp_path / "small", frame, BENT.scaled(WIDTH // 2, HEIGHT // 2)))[0]
    whole = read_ply(write(tmp_path / "whole", frame, BENT))[0]
    assert small["x"] == pytest.approx(whole["x"], abs=1e-4) and small["y"] == pytest.approx(whole["y"], abs=1e-4)


def test_a_lens_that_bends_moves_points(tmp_path: Path) -> None:
    frame = labelled()
    straight, bent = (read_ply(write(tmp_path / name, frame, lens))[0] for name, lens in (("a", LENS), ("b", BENT)))
    assert np.abs(straight["x"] - bent["x"]).max() > 0.01


def test_points_may_have_the_colour_of_the_image_and_no_confidence(tmp_path: Path) -> None:
    frame = labelled()
    assert frame.rgb is not None
    object.__setattr__(frame.result, "confidence", None)
    points, _ = read_ply(write(tmp_path, frame, colours="image"))
    assert points.dtype.names == NAMES[:-1]
    seen = np.stack([points[name] for name in ("red", "green", "blue")], axis=-1)
    assert np.array_equal(seen, frame.rgb[frame.readings > 0])


def test_depth_of_another_size_is_taken_at_the_same_place(tmp_path: Path) -> None:
    small = np.arange(1, 1 + HEIGHT * WIDTH // 4, dtype=np.float32).reshape(HEIGHT // 2, WIDTH // 2)
    points, _ = read_ply(write(tmp_path, labelled(depth=small)))
    assert np.array_equal(points["z"].reshape(HEIGHT, WIDTH), small.repeat(2, axis=0).repeat(2, axis=1))


def test_a_frame_without_a_reading_is_a_file_without_a_point(tmp_path: Path) -> None:
    points, _ = read_ply(write(tmp_path, labelled(depth=np.full((HEIGHT, WIDTH), np.nan, np.float32))))
    assert len(points) == 0


def test_what_lacks_a_camera_or_depth_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"desk\.bag has no calibration of its colour camera, .* with --camera FILE"):
        write(tmp_path, labelled(), None)
    with pytest.raises(InputError, match="frame 0 has no depth in metres; points need colour and depth"):
        write(tmp_path, labelled(depth=None))
    with pytest.raises(InputError, match=r"frame 0: depth is 40 x 40 but the image is 64 x 48: .* --camera FILE"):
        write(tmp_path, labelled(depth=np.ones((40, 40), np.float32)))
    with pytest.raises(InputError, match="the colour camera is 8 x 8, the images are 64 x 48"):
        write(tmp_path, labelled(), Lens(8, 8, 5, 5, 4, 4))
    with pytest.raises(InputError, match="got cloud colours 'red', expected classes or image"):
        write(tmp_path, labelled(), colours="red")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write to the folder"):
        write(tmp_path / "file", labelled())
