"""The page's readers of recordings say what `open_recording` says, to the last pixel, stamp and lens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.recordings import open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.page.browser import in_chromium, opened_page
from tests.support.page.frames import COLOUR, DEPTH, read_by_page, recorded, shots
from tests.support.recordings.kinect import COLOUR_SIZE, write_mkv
from tests.support.recordings.real import real
from tests.support.recordings.ros import START, STEP, STORES, Ros, compressed_depth, jpeg, png16, rvl

pytestmark = in_chromium
SHOTS = shots(3)


@pytest.fixture(scope="module")
def page(browser: Any, server: Any) -> Iterator[Any]:
    """The page, whose modules the tests call."""
    with opened_page(browser, server.http_url) as opened:
        yield opened


class BigEndian(Ros):
    """Messages as a machine writes them that begins with the most significant byte."""

    def raw(self, kind: str, message: Any) -> bytes:
        """Return a message as it is stored."""
        return bytes(STORES[2].serialize_cdr(message, kind, little_endian=False))


def of_encodings(version: int, colour: str, depth: str, **changes: Any) -> Ros:
    """Return a recording of raw images in some encodings."""
    ros = Ros(version)
    for shot in SHOTS:
        pixels = {"bgr8": shot.rgb[..., ::-1], "mono8": shot.rgb[..., 0], "yuv422": shot.rgb[..., :2]}.get(
            colour, shot.rgb
        )
        metres = np.where(shot.depth == 0, np.nan, shot.depth / 1000).astype(np.float32)
        ros.image(COLOUR, shot.stamp, np.ascontiguousarray(pixels), colour, **changes)
        ros.image(DEPTH, shot.stamp + 4_000_000, metres if depth == "32FC1" else shot.depth, depth, **changes)
    return ros


def of_files(version: int, form: str, body: Callable[[Any], bytes], **numbers: float) -> Ros:
    """Return a recording of JPEG images and of `compressedDepth`."""
    ros = Ros(version)
    for shot in SHOTS:
        ros.compressed(f"{COLOUR}/compressed", shot.stamp, jpeg(shot.rgb), "rgb8; jpeg compressed bgr8")
        ros.compressed(f"{DEPTH}/compressedDepth", shot.stamp, compressed_depth(body(shot.depth), **numbers), form)
    return ros


def calibrated(version: int, one_frame: bool) -> Ros:
    """Return a recording whose depth lies in its own camera, or in one frame with colour."""
    ros, frames = Ros(version), ("eye", "eye" if one_frame else "ir")
    lens = {"height": 48, "width": 64, "k": [60.0, 0, 31.5, 0, 61.0, 23.5, 0, 0, 1]}
    other = {**lens, "distortion_model": "rational_polynomial", "d": [0.1, -0.2, 0.001, 0.002, 0.03, 0.4, 0.5, 0.06]}
    ros.info("/camera/color/camera_info", frames[0], **lens)
    ros.info("/camera/depth/camera_info", frames[1], **(lens if one_frame else other))
    ros.transform("base", "eye", (0.1, 0.0, 0.02), (0.0, 0.0, 0.6, 0.8))
    ros.transform("base", "mount", (0.0, 0.05, 0.0), (0.5, 0.5, 0.5, 0.5))
    ros.transform("mount", "ir", (0.0, 0.0, 0.3), (0.0, 0.28, 0.0, 0.96))
    for shot in SHOTS:
        ros.image(COLOUR, shot.stamp, shot.rgb, "rgb8", frames[0])
        ros.image("/camera/depth/image_rect_raw", shot.stamp, shot.depth, "16UC1", frames[1])
    return ros


def realsense(clock: str = "Hardware Clock") -> Ros:
    """Return what librealsense records: lenses, poses, the unit, and the clock of either stream."""
    ros = Ros(1)
    for sensor, stream, shift in ((0, "Depth_0", 0.0), (1, "Color_0", 0.015)):
        root, device = f"/device_0/sensor_{sensor}/{stream}", f"/device_0/sensor_{sensor}"
        ros.info(f"{root}/info/camera_info", "", height=48, width=64, distortion_model="Brown Conrady")
        turn = ros.make("geometry_msgs/msg/Quaternion", x=0.0, y=shift, z=0.0, w=float(np.sqrt(1 - shift**2)))
        way = ros.make("geometry_msgs/msg/Vector3", x=shift, y=0.001, z=0.002)
        pose = ros.make("geometry_msgs/msg/Transform", translation=way, rotation=turn)
        ros.add(f"{root}/tf/0", "geometry_msgs/msg/Transform", START, pose)
        unit = ros.make("std_msgs/msg/Float32", data=0.00025)
        ros.add(f"{device}/option/Depth Units/value", "std_msgs/msg/Float32", START, unit)
        named = ros.make(
            "diagnostic_msgs/msg/KeyValue", key="timestamp_domain", value=clock if sensor else "Hardware Clock"
        )
        ros.add(f"{root}/image/metadata", "diagnostic_msgs/msg/KeyValue", START, named)
    for shot in SHOTS:
        depth = shot.depth.copy()
        depth[0, -1] = 65535
        ros.image("/device_0/sensor_1/Color_0/image/data", shot.stamp, shot.rgb, "rgb8", "0", late=0)
        ros.image("/device_0/sensor_0/Depth_0/image/data", shot.stamp + 2_000_000, depth, "mono16", "0", late=5_000_000)
    return ros


def uneven(version: int) -> Ros:
    """Return a recording of 30 images of colour and 20 of depth a second, depth written long before colour."""
    ros, shot = Ros(version), SHOTS[0]
    for index in range(12):
        ros.image(COLOUR, START + index * STEP, np.roll(shot.rgb, index, 1), "rgb8", late=90_000_000)
    for index in range(8):
        ros.image(DEPTH, START + index * 50_000_000, shot.depth + np.uint16(index), "16UC1", late=2_000_000)
    ros.rows.sort(key=lambda row: row[2])
    return ros


PLAIN, LZ4 = {"compression": "none"}, {"compression": "lz4"}
STEPS = of_files(2, "32FC1; compressedDepth png", png16, a=4000.0, b=0.5)
BIG = BigEndian(2, of_encodings(2, "rgb8", "16UC1", big=True).rows)
WRITTEN: dict[str, tuple[Ros, str, dict[str, Any]]] = {
    "mcap": (recorded(SHOTS), "a.mcap", PLAIN),
    "mcap without chunks": (recorded(SHOTS), "a.mcap", {"compression": "none", "use_chunking": False}),
    "mcap, lz4, padded rows, metres": (of_encodings(2, "bgr8", "32FC1", pad=6), "a.mcap", LZ4),
    "mcap, big endian throughout": (BIG, "a.mcap", PLAIN),
    "mcap of ROS 1": (recorded(SHOTS, 1), "a.mcap", {"compression": "lz4", "profile": "ros1"}),
    "mcap, grey": (of_encodings(2, "mono8", "16UC1"), "a.mcap", LZ4),
    "mcap, halved colour": (of_encodings(2, "yuv422", "16UC1"), "a.mcap", LZ4),
    "mcap, JPEG and PNG": (of_files(2, "16UC1; compressedDepth png", png16), "a.mcap", PLAIN),
    "mcap, JPEG and RVL": (of_files(2, "16UC1; compressedDepth rvl", rvl), "a.mcap", PLAIN),
    "mcap, steps of 1 / depth": (STEPS, "a.mcap", LZ4),
    "mcap, two cameras": (calibrated(2, False), "a.mcap", PLAIN),
    "mcap, one camera": (calibrated(2, True), "a.mcap", PLAIN),
    "mcap, other rates": (uneven(2), "a.mcap", PLAIN),
    "bag": (recorded(SHOTS, 1), "a.bag", {}),
    "bag, lz4, JPEG and PNG": (of_files(1, "16UC1; compressedDepth", png16), "a.bag", LZ4),
    "bag, big endian, padded": (of_encodings(1, "bgr8", "32FC1", big=True, pad=3), "a.bag", LZ4),
    "bag of a RealSense camera": (realsense(), "a.bag", {"compression": "lz4", "chunk": 100_000}),
    "bag of a RealSense camera with two clocks": (realsense("System Time"), "a.bag", {}),
}


def assert_alike(page: Any, path: Path, gap_ms: float = 20.0, rounding: int = 0) -> dict[str, Any]:
    """Fail unless the page reads of a recording what `open_recording` does; return what the page says of it."""
    said, frames = read_by_page(page, path, gap_ms)
    with open_recording(path, ReadOptions(longest_gap_s=gap_ms / 1000)) as recording:
        expected = list(recording)
        assert len(frames) == len(expected) > 0
        for got, wanted in zip(frames, expected, strict=True):
            assert np.abs(got.rgb.astype(int) - wanted.rgb).max() <= rounding
            np.testing.assert_allclose(got.metres, wanted.depth, rtol=1e-6)
            assert got.gap_ms == pytest.approx(abs(wanted.depth_stamp_ns - wanted.stamp_ns) / 1e6, abs=1e-3)
            seconds = (got.stamp_ms - frames[0].stamp_ms) / 1000
            assert seconds == pytest.approx(wanted.time_s, abs=1e-6)
        assert said["registered"] == recording.registered
        if recording.registered is False:
            assert recording.camera is not None
            assert_same_camera(said["camera"], recording.camera)
    return said


@pytest.mark.parametrize(
    "name", ["mcap", "mcap without chunks", "mcap, grey", "bag", "bag, lz4, JPEG and PNG", "kinect"]
)
def test_a_cut_recording_is_read_up_to_the_cut(page: Any, tmp_path: Path, name: str) -> None:
    if name == "kinect":
        path = write_mkv(tmp_path / "a.mkv", 3, sizes=((64, 48), (320, 288)), attached=False)
    else:
        ros, file, options = WRITTEN[name]
        path = ros.write(tmp_path / file, **options)
    whole, frames = read_by_page(page, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    cut, some = read_by_page(page, path)
    assert "cut" in cut["cut"] and not whole["cut"]
    assert 0 < len(some) < len(frames) == 3
    for got, wanted in zip(some, frames, strict=False):
        np.testing.assert_array_equal(got.rgb, wanted.rgb)
        np.testing.assert_array_equal(got.metres, wanted.metres)


def assert_same_camera(said: Any, camera: RgbdCamera) -> None:
    """Fail unless a camera of the page is that of a recording."""
    for name in ("colour", "depth"):
        got, wanted = said[name], getattr(camera, name)
        assert (got["width"], got["height"], got["distortion"]) == (*wanted.size, wanted.distortion.value)
        numbers = [wanted.fx, wanted.fy, wanted.cx, wanted.cy, *wanted.coefficients]
        assert [got["fx"], got["fy"], got["cx"], got["cy"], *got["coefficients"]] == pytest.approx(numbers, abs=1e-9)
    assert said["rotation"] == pytest.approx(list(camera.rotation), abs=1e-9)
    assert said["translation"] == pytest.approx(list(camera.translation), abs=1e-9)


@pytest.mark.parametrize("name", WRITTEN)
def test_recordings_of_ros_are_read_as_the_command_line_reads_them(page: Any, tmp_path: Path, name: str) -> None:
    ros, file, options = WRITTEN[name]
    said = assert_alike(page, ros.write(tmp_path / file, **options), rounding=int("halved" in name))
    assert said["cut"] == ""


def test_recordings_of_an_azure_kinect_are_read_as_the_command_line_reads_them(page: Any, tmp_path: Path) -> None:
    sizes = (COLOUR_SIZE, (320, 288))
    said = assert_alike(page, write_mkv(tmp_path / "kinect.mkv", 2, sizes=sizes, mode="NFOV_2X2BINNED"))
    assert said["format"] == "Azure Kinect MKV"


@pytest.mark.parametrize(
    ("name", "gap_ms"),
    [("azure_kinect_mkv/recording.mkv", 20.0), ("realsense_bag/single_depth_color_640x480.bag", 110.0)],
)
def test_real_recordings_are_read_as_the_command_line_reads_them(page: Any, name: str, gap_ms: float) -> None:
    assert_alike(page, real(name), gap_ms)
