"""Recordings of RealSense of both generations; `tests/soak/sensors/realsense.py` asks the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.cameras.camera import Distortion
from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings.real import real
from tests.support.recordings.ros import DEPTH_MM, METRES, RGB, STEP, Ros, compressed_depth, png16

DEPTH, COLOUR = "/device_0/sensor_0/Depth_0", "/device_0/sensor_1/Color_0"
HALF = 0.5**0.5
BENT = [0.1, 0.2, 0.3, 0.4, 0.5]
CLOCKS = ("Hardware Clock", "Hardware Clock")


def bag(clocks: tuple[str, str] = CLOCKS, model: str = "Brown Conrady", unit: float | None = 0.00025) -> Ros:
    """Return the messages of a .bag: depth is turned against the reference, and colour against depth."""
    ros = Ros(1)
    ros.add("/file_version", "std_msgs/msg/UInt32", 1, ros.make("std_msgs/msg/UInt32", data=3))
    ros.info(f"{DEPTH}/info/camera_info", "", 1, distortion_model="None", p=[0.0] * 12, r=[0.0] * 9)
    ros.info(f"{COLOUR}/info/camera_info", "", 1, distortion_model=model, d=BENT, p=[0.0] * 12, r=[0.0] * 9)
    for topic, key, value in (
        ("/device_0/info", "Name", "Intel RealSense D435"),
        ("/device_0/info", "Serial Number", "728"),
        (f"{DEPTH}/image/metadata", "timestamp_domain", clocks[0]),
        (f"{COLOUR}/image/metadata", "timestamp_domain", clocks[1]),
    ):
        ros.add(
            topic, "diagnostic_msgs/msg/KeyValue", 1, ros.make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
        )
    if unit is not None:
        message = ros.make("std_msgs/msg/Float32", data=float(np.float32(unit)))
        ros.add("/device_0/sensor_0/option/Depth Units/value", "std_msgs/msg/Float32", 1, message)
    turns = ((DEPTH, (1.0, 0.0, 0.0), (0, 0, HALF, HALF)), (COLOUR, (0.0, 0.0, 0.5), (0, 0, 0, 1)))
    for root, shift, turn in turns:
        ros.transform("", "", shift, turn, topic=f"{root}/tf/0")
        topic, _, _, message = ros.rows.pop()
        ros.add(topic, "geometry_msgs/msg/Transform", 1, message.transforms[0].transform)
    for number in range(3):
        stamp = 360_000_000_000 + number * STEP
        late = 1_000 + number * STEP - stamp
        ros.image(f"{DEPTH}/image/data", stamp, DEPTH_MM, "mono16", "0", late=late)
        ros.image(f"{COLOUR}/image/data", stamp + 4_000_000, RGB, "rgb8", "0", late=late + 9_000_000)
    return ros


def text(ros: Ros, topic: str, data: str, log: int = 0) -> None:
    """Record a text."""
    ros.add(topic, "std_msgs/msg/String", log, ros.make("std_msgs/msg/String", data=data))


def database() -> Ros:
    """Return the messages of a .db3 of the same camera; its colour is bent the other way."""
    ros = Ros(2)
    text(ros, f"{DEPTH}/info", "encoding=Z16;fps=30")
    lens = "width=4;height=3;fx=5;ppx=1.5;fy=6;ppy=1;"
    text(ros, f"{DEPTH}/camera_info", f"{lens}model=None;coeffs=0,0,0,0,0")
    text(ros, f"{COLOUR}/camera_info", f"{lens}model=Inverse Brown Conrady;coeffs=0.1,0.2,0.3,0.4,0.5")
    text(ros, "/device_0/info", "Name=Intel RealSense D435;Serial Number=728")
    text(ros, "/device_0/sensor_0/option/Depth_Units/value", "0.000250")
    text(ros, f"{DEPTH}/tf/ref_1", "rotation=0,1,0,-1,0,0,0,0,1;translation=1,0,0")
    text(ros, f"{COLOUR}/tf/ref_1", "rotation=1,0,0,0,1,0,0,0,1;translation=0,0,0.5")
    for number in range(3):
        log, own = 1000 + number * STEP, 360_000 + 33 * number
        for root, late in ((DEPTH, 0), (COLOUR, 4)):
            noted = f"Frame number={number};timestamp_domain=Hardware Clock;timestamp={own + late}.000000;"
            text(ros, f"{root}/image/metadata", noted, log + 90_000 * late)
        depth = compressed_depth(png16(DEPTH_MM))
        ros.compressed(f"{DEPTH}/image/data/compressedDepth", log - 1000, depth, "16UC1; compressedDepth png", "Depth")
        colour = log - 1000 + 360_000
        ros.image(f"{COLOUR}/image/data", colour, RGB, "rgb8", "Color")
        ros.info(f"{COLOUR}/image/camera_info", "Color", log, d=BENT)  # of ROS, which does not know the model
    return ros


def opened(ros: Ros, tmp_path: Path, **options: Any) -> Recording:
    """Write and open a recording."""
    return open_recording(ros.write(tmp_path / ("a.bag" if ros.version == 1 else "a.db3")), ReadOptions(**options))


@pytest.mark.parametrize("generation", [1, 2])
def test_both_generations_say_the_same(generation: int, tmp_path: Path) -> None:
    with opened(bag() if generation == 1 else database(), tmp_path) as recording:
        frames = list(recording)
        facts = [str(one) for one in recording.facts]
    assert recording.format == ("RealSense bag" if generation == 1 else "RealSense .db3")
    assert [one.depth_stamp_ns for one in frames] == [360_000_000_000 + number * STEP for number in range(3)]
    assert [one.stamp_ns - one.depth_stamp_ns for one in frames] == [4_000_000] * 3
    assert frames[1].depth == pytest.approx(METRES / 4, abs=1e-6) and frames[1].rgb.tolist() == RGB.tolist()
    assert recording.rate == pytest.approx(1e9 / STEP) and recording.registered is False
    assert "depth unit: 0.25 mm, as the option Depth Units says" in facts
    assert "device: Intel RealSense D435, serial 728, as the recording says" in facts
    assert "time: Hardware Clock, as timestamp_domain of both streams says" in facts
    camera = recording.camera
    assert camera is not None and camera.colour.coefficients == tuple(BENT)
    assert camera.depth.distortion is Distortion.NONE and camera.depth.fy == 6
    turned = (Distortion.BROWN_CONRADY, Distortion.INVERSE_BROWN_CONRADY)[generation - 1]
    assert camera.colour.distortion is turned
    # depth = turn(reference) + (1, 0, 0) and colour = reference + (0, 0, 0.5)
    moved = np.array(camera.rotation).reshape(3, 3) @ (1.0, 2.0, 3.0) + camera.translation
    assert moved == pytest.approx((2, 0, 3.5), abs=1e-9)


def test_clocks_that_differ_give_way_to_arrival(tmp_path: Path) -> None:
    with opened(bag(clocks=("Hardware Clock", "System Time")), tmp_path) as recording:
        assert [one.stamp_ns for one in recording] == [13_001_000 + number * STEP for number in range(3)]
        assert any("when images arrived" in str(one) for one in recording.facts)


def test_without_its_option_the_unit_is_a_guess(tmp_path: Path) -> None:
    with opened(bag(unit=None), tmp_path) as recording:
        assert next(iter(recording)).depth == pytest.approx(METRES, abs=1e-6)
        assert any("depth unit: 1 mm, a guess" in str(one) for one in recording.facts)
    (tmp_path / "again").mkdir()
    with opened(bag(), tmp_path / "again", units_per_metre=100.0) as recording:
        assert next(iter(recording)).depth == pytest.approx(METRES * 10, abs=1e-5)


@pytest.mark.parametrize(("model", "expected"), [("Modified Brown Conrady", True), ("Ftheta", False)])
def test_models_of_the_library_are_known_or_told(model: str, expected: bool, tmp_path: Path) -> None:
    with opened(bag(model=model), tmp_path) as recording:
        assert (recording.camera is not None) == expected
        assert any("got distortion 'ftheta'" in str(one) for one in recording.facts) != expected


def test_a_recording_without_colour_says_what_it_holds(tmp_path: Path) -> None:
    ros = bag()
    ros.rows = [row for row in ros.rows if not row[0].startswith(f"{COLOUR}/image")]
    with pytest.raises(RecordingError, match=r"no stream is Color; .*Depth_0/image/data \(sensor_msgs/msg/Image, 3\)"):
        opened(ros, tmp_path)


def test_a_real_recording_is_what_the_library_says() -> None:
    """The numbers are those of pyrealsense2 2.59.1, `get_intrinsics`, `get_extrinsics_to` and the frames' pixels."""
    path = real("realsense_bag/single_depth_color_640x480.bag")
    with open_recording(path, ReadOptions(longest_gap_s=0.2)) as recording:
        (frame,) = recording
    camera = recording.camera
    assert camera is not None
    assert (camera.depth.fx, camera.depth.cx, camera.depth.cy) == pytest.approx((390.431, 331.388, 242.187), abs=1e-3)
    assert (camera.colour.fx, camera.colour.fy) == pytest.approx((613.204, 613.419), abs=1e-3)
    columns = np.array(camera.rotation).reshape(3, 3).T.ravel()
    assert columns[:4] == pytest.approx((0.999863, 0.010309, -0.012927, -0.010310), abs=1e-6)
    assert camera.translation == pytest.approx((0.0143113, 0.0006023, 0.0006108), abs=1e-7)
    assert (frame.stamp_ns, frame.depth_stamp_ns) == (360_713_523_000, 360_815_089_000)
    assert int(frame.rgb.sum()) == 103_934_465
    with (
        open_recording(path) as recording,
        pytest.raises(RecordingError, match=r"allow more with --longest-gap 103"),
    ):
        list(recording)
