"""Pixels of ROS' messages: every encoding, byte order, padding and compression."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crosswire.media.recordings import RecordedFrame, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions
from crosswire.media.recordings.ros.compressed_depth import read_rvl
from tests.support.recordings.ros import DEPTH_MM, METRES, RGB, START, Ros, compressed_depth, jpeg, png16, rvl

ALPHA = np.full((3, 4, 1), 9, np.uint8)
GREY = RGB[..., :1]
COLOURS = {
    "rgb8": RGB,
    "bgr8": RGB[..., ::-1],
    "rgba8": np.concatenate((RGB, ALPHA), -1),
    "bgra8": np.concatenate((RGB[..., ::-1], ALPHA), -1),
    "8UC3": RGB[..., ::-1],
    "mono8": GREY,
}


def only(ros: Ros, tmp_path: Path, **options: Any) -> tuple[RecordedFrame, list[str]]:
    """Return the one frame of a recording, and what is known of it."""
    path = ros.write(tmp_path / ("a.bag" if ros.version == 1 else "a.mcap"))
    with open_recording(path, ReadOptions(**options)) as recording:
        (frame,) = recording
        return frame, [str(one) for one in recording.facts]


def with_depth(pixels: NDArray[Any], encoding: str, version: int = 2, **more: Any) -> Ros:
    """Return a recording of one pair with this depth."""
    ros = Ros(version)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.image("/depth/image", START, pixels, encoding, **more)
    return ros


@pytest.mark.parametrize("encoding", COLOURS)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("pad", [0, 5])
def test_colour_is_rgb_in_every_encoding(encoding: str, version: int, pad: int, tmp_path: Path) -> None:
    ros = Ros(version)
    ros.image("/rgb/image", START, COLOURS[encoding], encoding, pad=pad)
    ros.image("/depth/image", START, DEPTH_MM, "16UC1")
    frame, facts = only(ros, tmp_path)
    expected = np.repeat(GREY, 3, -1) if encoding == "mono8" else RGB
    assert frame.rgb.tolist() == expected.tolist() and frame.rgb.flags.c_contiguous
    told = [one for one in facts if one.startswith("colour: ")]
    assert len(told) == (encoding in ("8UC3", "mono8"))


@pytest.mark.parametrize(
    ("encoding", "places"), [("yuv422", (1, 0)), ("yuv422_yuy2", (0, 1)), ("uyvy", (1, 0)), ("yuyv", (0, 1))]
)
def test_colour_with_half_the_columns_is_rgb(encoding: str, places: tuple[int, int], tmp_path: Path) -> None:
    """Studio white, black, and red as ITU-R BT.601 writes them."""
    bright = np.array([[235, 16, 81, 81]], np.uint8)
    u, v = np.array([[128, 90]]), np.array([[128, 240]])
    stored = np.zeros((1, 4, 2), np.uint8)
    stored[..., places[0]] = bright
    stored[:, 0::2, places[1]], stored[:, 1::2, places[1]] = u, v
    ros = Ros(2)
    ros.image("/rgb/image", START, stored, encoding)
    ros.image("/depth/image", START, DEPTH_MM, "16UC1")
    frame, _ = only(ros, tmp_path)
    assert np.abs(frame.rgb[0].astype(int) - [[255] * 3, [0] * 3, [254, 0, 0], [254, 0, 0]]).max() <= 1


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pad", [0, 6])
def test_depth_is_metres_in_every_encoding(version: int, big: bool, pad: int, tmp_path: Path) -> None:
    for number, encoding in enumerate(("16UC1", "mono16")):
        (tmp_path / str(number)).mkdir()
        ros = with_depth(DEPTH_MM, encoding, version, big=big, pad=pad)
        frame, facts = only(ros, tmp_path / str(number))
        assert frame.depth == pytest.approx(METRES, abs=1e-6)
        assert ("depth unit: 1 mm, a guess" in " ".join(facts)) == (encoding == "mono16")
    (tmp_path / "metres").mkdir()
    metres = np.where(METRES > 0, METRES, np.nan).astype(np.float32)
    metres[2, 3], metres[2, 2] = np.inf, -1
    frame, facts = only(with_depth(metres, "32FC1", version, big=big, pad=pad), tmp_path / "metres")
    expected = METRES.copy()
    expected[2, 2:] = 0
    assert frame.depth.tolist() == expected.tolist()
    assert any(one.startswith("depth unit: 1 m, as the encoding 32FC1") for one in facts)


def test_a_unit_that_is_given_is_taken(tmp_path: Path) -> None:
    frame, facts = only(with_depth(DEPTH_MM, "16UC1"), tmp_path, units_per_metre=5000.0)
    assert frame.depth == pytest.approx(METRES / 5, abs=1e-6)
    assert "depth unit: 5000 per metre, as the options say" in facts


@pytest.mark.parametrize("form", ["jpeg", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8", "bgr8; jpeg"])
def test_a_jpeg_stays_as_it_is(form: str, tmp_path: Path) -> None:
    pixels = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    ros = Ros(2)
    ros.compressed("/rgb/image/compressed", START, jpeg(pixels), form)
    ros.image("/depth/image", START, DEPTH_MM, "16UC1")
    frame, _ = only(ros, tmp_path)
    assert frame.colour == jpeg(pixels)
    assert np.abs(frame.rgb.astype(int) - pixels).max() <= 4


BODIES = {"png": png16, "rvl": rvl}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("version", [1, 2])
def test_compressed_depth_in_whole_numbers(body: str, version: int, tmp_path: Path) -> None:
    ros = Ros(version)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.compressed(
        "/depth/image/compressedDepth",
        START,
        compressed_depth(BODIES[body](DEPTH_MM)),
        f"16UC1; compressedDepth {body}",
    )
    frame, facts = only(ros, tmp_path)
    assert frame.depth == pytest.approx(METRES, abs=1e-6)
    assert any("16UC1 (compressedDepth) says" in one for one in facts)


@pytest.mark.parametrize("form", ["16UC1; compressedDepth", "16UC1"])
def test_the_first_versions_of_the_transport_name_no_codec(form: str, tmp_path: Path) -> None:
    ros = Ros(1)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.compressed("/depth/image/compressedDepth", START, compressed_depth(png16(DEPTH_MM)), form)
    frame, _ = only(ros, tmp_path)
    assert frame.depth == pytest.approx(METRES, abs=1e-6)


def test_depth_as_a_plain_png(tmp_path: Path) -> None:
    ros = Ros(1)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.compressed("/depth/image/compressed", START, png16(DEPTH_MM), "16UC1; png compressed ")
    frame, _ = only(ros, tmp_path)
    assert frame.depth == pytest.approx(METRES, abs=1e-6)


@pytest.mark.parametrize("body", BODIES)
def test_compressed_depth_in_metres_is_stored_as_its_inverse(body: str, tmp_path: Path) -> None:
    """With the transport's defaults: depth_max 10, depth_quantization 100, A = q (q + 1), B = 1 - A / depth_max."""
    a, b = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0
    stored = np.where(METRES > 0, np.round(a / np.maximum(METRES, 0.1) + b), 0).astype(np.uint16)
    ros = Ros(2)
    ros.image("/rgb/image", START, RGB, "rgb8")
    data = compressed_depth(BODIES[body](stored), a, b)
    ros.compressed("/depth/image/compressedDepth", START, data, f"32FC1; compressedDepth {body}")
    frame, facts = only(ros, tmp_path)
    assert (frame.depth > 0).tolist() == (METRES > 0).tolist()
    assert frame.depth == pytest.approx(METRES, rel=0.001)
    assert any(one.startswith("depth unit: 1 m") for one in facts)


def test_rvl_of_many_pixels_and_of_few() -> None:
    chance = np.random.default_rng(3)
    for depth in (
        np.zeros((5, 7), np.uint16),
        np.full((1, 1), 65535, np.uint16),
        chance.integers(0, 65536, (37, 41)).astype(np.uint16),
        np.where(chance.random((40, 30)) < 0.5, 0, chance.integers(400, 9000, (40, 30))).astype(np.uint16),
    ):
        assert read_rvl(rvl(depth)[8:], depth.size).reshape(depth.shape).tolist() == depth.tolist()


def damaged_messages() -> dict[str, bytes]:
    """Return compressed depth that is damaged."""
    return {
        "short": b"abc",
        "no image": compressed_depth(b"")[:12],
        "png cut": compressed_depth(png16(DEPTH_MM)[:40]),
        "png of colour": compressed_depth(jpeg(RGB)),
        "rvl cut": compressed_depth(rvl(np.arange(1, 4000, dtype=np.uint16).reshape(31, 129))[:60]),
        "rvl without numbers": compressed_depth(struct.pack("<ii", 4, 3)),
        "rvl of no size": compressed_depth(struct.pack("<iiI", 0, -3, 0)),
        "rvl of zeros": compressed_depth(struct.pack("<iiII", 4, 3, 0, 0)),
    }


@pytest.mark.parametrize("name", damaged_messages())
def test_damaged_depth_names_its_frame(name: str, tmp_path: Path) -> None:
    ros = Ros(2)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.compressed("/depth/image/compressedDepth", START, damaged_messages()[name], "16UC1; compressedDepth")
    with pytest.raises(RecordingError, match="depth of frame 0: got"):
        only(ros, tmp_path)


def test_an_image_of_too_few_bytes_is_damaged(tmp_path: Path) -> None:
    ros = with_depth(DEPTH_MM, "16UC1")
    ros.rows[1][3].height = 4
    with pytest.raises(RecordingError, match=r"depth of frame 0: got an image of 24 bytes in rows of 8, expected"):
        only(ros, tmp_path)


def test_rows_without_padding_after_the_last_are_whole(tmp_path: Path) -> None:
    ros = with_depth(DEPTH_MM, "16UC1", pad=6)
    ros.rows[1][3].data = ros.rows[1][3].data[:-6]
    frame, _ = only(ros, tmp_path)
    assert frame.depth == pytest.approx(METRES, abs=1e-6)


def test_raw_sensor_data_is_refused(tmp_path: Path) -> None:
    ros = Ros(2)
    ros.image("/rgb/image", START, GREY, "bayer_rggb8")
    ros.image("/depth/image", START, DEPTH_MM, "16UC1")
    with pytest.raises(RecordingError, match="no topic holds colour"):
        only(ros, tmp_path)
    (tmp_path / "again").mkdir()
    with pytest.raises(RecordingError, match="colour encoded as 'bayer_rggb8', expected one of rgb8, "):
        only(ros, tmp_path / "again", colour="/rgb/image")
