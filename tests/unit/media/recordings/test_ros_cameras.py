"""Topics that are chosen, and the camera that ROS' messages describe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.cameras.camera import Distortion, Lens
from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings.ros import DEPTH_MM, RGB, START, Ros, compressed_depth, jpeg, png16

PINHOLE = Lens(4, 3, 5.0, 6.0, 1.5, 1.0)
RECTIFIED = Lens(4, 3, 7.0, 8.0, 1.25, 0.75)


def image(ros: Ros, topic: str, encoding: str, frame: str = "camera") -> None:
    """Record an image of some encoding."""
    if encoding == "compressedDepth":
        ros.compressed(topic, START, compressed_depth(png16(DEPTH_MM)), "16UC1; compressedDepth png", frame)
    elif encoding == "jpeg":
        ros.compressed(topic, START, jpeg(RGB), "bgr8; jpeg compressed bgr8", frame)
    elif encoding in ("16UC1", "mono16"):
        ros.image(topic, START, DEPTH_MM, encoding, frame)
    elif encoding == "32FC1":
        ros.image(topic, START, DEPTH_MM.astype(np.float32) / 1000, encoding, frame)
    else:
        ros.image(topic, START, RGB if encoding.endswith("b8") or "bgr" in encoding else RGB[..., :1], encoding, frame)


def opened(ros: Ros, tmp_path: Path, **options: Any) -> Recording:
    """Write and open a recording."""
    path = ros.write(tmp_path / ("a.bag" if ros.version == 1 else "a.mcap"))
    recording = open_recording(path, ReadOptions(**options))
    recording.close()
    return recording


def topics(recording: Recording) -> str:
    """Return which topics were taken."""
    return next(one.value for one in recording.facts if one.what == "topics")


#: Topics of a recording with their encodings, and which are colour and depth.
CHOICES: dict[str, tuple[dict[str, str], str, str]] = {
    "realsense-ros": (
        {
            "/camera/infra1/image_rect_raw": "mono8",
            "/camera/infra2/image_rect_raw": "mono8",
            "/camera/depth/image_rect_raw": "16UC1",
            "/camera/aligned_depth_to_infra1/image_raw": "16UC1",
            "/camera/aligned_depth_to_color/image_raw": "16UC1",
            "/camera/aligned_depth_to_color/image_raw/compressedDepth": "compressedDepth",
            "/camera/color/image_raw": "rgb8",
            "/camera/color/image_raw/compressed": "jpeg",
        },
        "/camera/color/image_raw",
        "/camera/aligned_depth_to_color/image_raw",
    ),
    "Azure Kinect": (
        {
            "/depth/image_raw": "16UC1",
            "/depth_to_rgb/image_raw": "16UC1",
            "/ir/image_raw": "mono16",
            "/rgb/image_raw": "bgra8",
            "/rgb_to_depth/image_raw": "bgra8",
        },
        "/rgb/image_raw",
        "/depth_to_rgb/image_raw",
    ),
    "openni": (
        {
            "/camera/rgb/image_color": "rgb8",
            "/camera/rgb/image_mono": "mono8",
            "/camera/ir/image_raw": "mono16",
            "/camera/depth/image_raw": "16UC1",
            "/camera/depth/image": "32FC1",
        },
        "/camera/rgb/image_color",
        "/camera/depth/image_raw",
    ),
    "zed": (
        {
            "/zed/zed_node/rgb/image_rect_color": "bgra8",
            "/zed/zed_node/depth/depth_registered": "32FC1",
            "/zed/zed_node/confidence/confidence_map": "32FC1",
        },
        "/zed/zed_node/rgb/image_rect_color",
        "/zed/zed_node/depth/depth_registered",
    ),
    "only compressed": (
        {"/c/color/image_raw/compressed": "jpeg", "/c/depth/image_raw/compressedDepth": "compressedDepth"},
        "/c/color/image_raw/compressed",
        "/c/depth/image_raw/compressedDepth",
    ),
    "two cameras": (
        {"/left/rgb/image_raw": "rgb8", "/right/rgb/image_raw": "rgb8", "/right/depth/image_raw": "16UC1"},
        "/right/rgb/image_raw",
        "/right/depth/image_raw",
    ),
    "a node named depth": (
        {"/depth_camera/rgb/image_raw": "rgb8", "/depth_camera/depth/image_raw": "32FC1", "/front/rgb": "rgb8"},
        "/depth_camera/rgb/image_raw",
        "/depth_camera/depth/image_raw",
    ),
    "grey alone": ({"/cam/image_raw": "mono8", "/cam/depth": "mono16"}, "/cam/image_raw", "/cam/depth"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_topics_are_chosen_by_encoding_and_name(name: str, tmp_path: Path) -> None:
    held, colour, depth = CHOICES[name]
    ros = Ros(1)
    for topic, encoding in held.items():
        if encoding == "bgra8":
            ros.image(topic, START, np.dstack((RGB, RGB[..., :1])), encoding)
        else:
            image(ros, topic, encoding)
    recording = opened(ros, tmp_path)
    assert topics(recording) == f"colour {colour}, depth {depth}"
    (fact,) = (one for one in recording.facts if one.what == "topics")
    assert fact.guessed


def test_infrared_alone_is_no_colour(tmp_path: Path) -> None:
    ros = Ros(2)
    image(ros, "/camera/infra1/image_rect_raw", "mono8")
    image(ros, "/camera/depth/image_rect_raw", "16UC1")
    with pytest.raises(RecordingError, match=r"no topic holds colour.*infra1"):
        opened(ros, tmp_path)
    named = opened(ros, tmp_path, colour="/camera/infra1/image_rect_raw")
    assert topics(named).startswith("colour /camera/infra1")


def test_topics_that_are_given_are_taken(tmp_path: Path) -> None:
    ros = Ros(2)
    for topic, encoding in CHOICES["realsense-ros"][0].items():
        image(ros, topic, encoding)
    recording = opened(ros, tmp_path, colour="camera/color/image_raw/compressed", depth="/camera/depth/image_rect_raw")
    assert topics(recording) == "colour /camera/color/image_raw/compressed, depth /camera/depth/image_rect_raw"
    assert "as the options say" in str(recording.facts[0])
    with pytest.raises(RecordingError, match=r"got topic /nothing, expected one of images; topics: /camera/infra1"):
        opened(ros, tmp_path, depth="/nothing")


def camera_of(tmp_path: Path, name: str = "/camera/color/image_raw", version: int = 2, **info: Any) -> Recording:
    """Return a recording of one frame whose colour camera has this `CameraInfo`; that of depth is a pinhole."""
    ros = Ros(version)
    image(ros, name, "rgb8", "color")
    image(ros, "/camera/depth/image_raw", "16UC1", "color")
    ros.info(f"{name.rpartition('/')[0]}/camera_info", "color", **info)
    ros.info("/camera/depth/camera_info", "color")
    return opened(ros, tmp_path)


def colour_lens(tmp_path: Path, **more: Any) -> Lens:
    """Return the lens of colour."""
    camera = camera_of(tmp_path, **more).camera
    assert camera is not None
    return camera.colour


@pytest.mark.parametrize("version", [1, 2])
def test_the_matrix_of_a_raw_image_is_k_and_of_a_rectified_one_p(version: int, tmp_path: Path) -> None:
    assert colour_lens(tmp_path, version=version) == PINHOLE
    (tmp_path / "b").mkdir()
    d = [0.1, 0.2, 0.3, 0.4, 0.5]
    rectified = colour_lens(tmp_path / "b", version=version, name="/camera/color/image_rect_color", d=d)
    assert rectified == RECTIFIED, "no distortion is left"
    (tmp_path / "c").mkdir()
    assert colour_lens(tmp_path / "c", name="/camera/color/image_rect", p=[0.0] * 12) == PINHOLE


@pytest.mark.parametrize(
    ("model", "d", "expected"),
    [
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4, 0.5], Distortion.BROWN_CONRADY),
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4], Distortion.BROWN_CONRADY),
        ("", [0.1, 0.2, 0.3, 0.4, 0.5], Distortion.BROWN_CONRADY),
        ("rational_polynomial", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], Distortion.RATIONAL),
        ("equidistant", [0.1, 0.2, 0.3, 0.4], Distortion.KANNALA_BRANDT),
        ("plumb_bob", [0.0] * 5, Distortion.NONE),
        ("", [], Distortion.NONE),
    ],
)
def test_distortion_is_that_of_the_model(model: str, d: list[float], expected: Distortion, tmp_path: Path) -> None:
    lens = colour_lens(tmp_path, distortion_model=model, d=d)
    assert lens.distortion is expected
    kept = tuple(d) if any(d) else ()
    assert lens.coefficients == kept + (0.0,) * (expected.terms - len(kept))


def test_a_region_and_binning_move_the_lens_as_in_image_geometry(tmp_path: Path) -> None:
    lens = colour_lens(
        tmp_path, width=20, height=10, binning_x=2, binning_y=2, roi=(6, 2, 6, 8), k=[40.0, 0, 11, 0, 44, 5, 0, 0, 1]
    )
    assert lens == Lens(4, 3, 20.0, 22.0, (11 - 6) / 2, (5 - 2) / 2)


def test_images_smaller_than_their_camera_info_scale_the_lens(tmp_path: Path) -> None:
    lens = colour_lens(tmp_path, width=8, height=6, k=[10.0, 0, 3.5, 0, 12, 2.5, 0, 0, 1])
    assert lens == Lens(4, 3, 5.0, 6.0, 1.5, 1.0)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"k": [0.0] * 9}, "without focal length"),
        ({"width": 40, "height": 3}, "got images of 4 x 3, expected 40 x 3"),
        ({"distortion_model": "magic", "d": [0.1] * 5}, "got distortion 'magic'"),
        ({"distortion_model": "rational_polynomial", "d": [0.1] * 14}, "14 coefficients"),
    ],
)
def test_what_cannot_be_used_is_told_and_images_are_read_all_the_same(
    info: dict[str, Any], said: str, tmp_path: Path
) -> None:
    recording = camera_of(tmp_path, **info)
    assert recording.camera is None
    assert any(one.what == "colour lens" and said in one.origin for one in recording.facts)


def robot(version: int, depth_topic: str = "/camera/depth/image_raw") -> Ros:
    """Return a recording whose cameras have frames of their own."""
    ros = Ros(version)
    image(ros, "/camera/color/image_raw", "rgb8", "color_optical")
    image(ros, depth_topic, "16UC1", "/depth_optical" if version == 1 else "depth_optical")
    ros.info("/camera/color/camera_info", "color_optical")
    ros.info(f"{depth_topic.rpartition('/')[0]}/camera_info", "depth_optical", k=[4.0, 0, 1.5, 0, 4.0, 1.0, 0, 0, 1])
    return ros


HALF = math.sqrt(0.5)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_chain_of_transforms_leads_from_depth_to_colour(version: int, tmp_path: Path) -> None:
    """Both cameras look along x of the robot; colour stands 50 mm to the left of depth, and is turned by 90 degrees."""
    ros = robot(version)
    ros.transform("base", "link", (1, 2, 3), (0, 0, HALF, HALF))
    ros.transform("link", "depth_optical", (0.1, 0, 0), OPTICAL)
    ros.transform("link", "color", (0.1, 0.05, 0), (0, 0, HALF, HALF))
    ros.transform("color", "color_optical", (0, 0, 0), OPTICAL)
    recording = opened(ros, tmp_path)
    assert recording.camera is not None and recording.registered is False
    rotation = np.array(recording.camera.rotation).reshape(3, 3)
    # a point 1 m ahead of depth is 50 mm right of the middle of colour's place, which looks to the left of the robot
    assert rotation @ (0, 0, 1) + recording.camera.translation == pytest.approx((1, 0, -0.05), abs=1e-9)
    assert rotation @ (0, 1, 1) + recording.camera.translation == pytest.approx((1, 1, -0.05), abs=1e-9)
    assert recording.camera.depth.fx == 4 and recording.camera.colour.fx == 5
    assert any("50.0 mm, as /tf_static says" in str(one) for one in recording.facts)


def test_frames_that_move_are_a_guess(tmp_path: Path) -> None:
    ros = robot(2)
    ros.transform("base", "depth_optical", (0.1, 0, 0), (0, 0, 0, 1), topic="/tf")
    ros.transform("base", "color_optical", (0.2, 0, 0), (0, 0, 0, 1), topic="/tf")
    recording = opened(ros, tmp_path)
    assert recording.camera is not None
    assert recording.camera.translation == pytest.approx((-0.1, 0, 0))
    assert any(one.what == "extrinsics" and one.guessed for one in recording.facts)


def test_without_a_chain_there_is_no_camera(tmp_path: Path) -> None:
    recording = opened(robot(2), tmp_path)
    assert recording.camera is None and recording.registered is False
    assert any("no chain of transforms from depth_optical to color_optical" in str(one) for one in recording.facts)


def test_one_frame_and_one_lens_are_registered(tmp_path: Path) -> None:
    recording = camera_of(tmp_path)
    assert recording.registered is True and recording.camera is not None and recording.camera.registered
    assert any(
        one.what == "registration" and "CameraInfo of both topics are the same" in one.origin for one in recording.facts
    )


def test_one_frame_and_two_lenses_are_not(tmp_path: Path) -> None:
    recording = camera_of(tmp_path, k=[5.5, 0, 1.5, 0, 6.0, 1.0, 0, 0, 1])
    assert recording.registered is False and recording.camera is not None
    assert recording.camera.translation == (0, 0, 0)


@pytest.mark.parametrize("with_info", [True, False])
def test_a_name_that_promises_registration_is_believed(with_info: bool, tmp_path: Path) -> None:
    ros = Ros(2)
    image(ros, "/camera/color/image_raw", "rgb8", "color")
    image(ros, "/camera/aligned_depth_to_color/image_raw", "16UC1", "color")
    ros.info("/camera/color/camera_info", "color")
    if with_info:
        ros.info("/camera/aligned_depth_to_color/camera_info", "color")
    recording = opened(ros, tmp_path)
    assert recording.registered is True
    assert recording.camera is not None and recording.camera.registered
    assert any("the names" in str(one) for one in recording.facts)


def test_without_any_calibration_nobody_knows(tmp_path: Path) -> None:
    ros = Ros(2)
    image(ros, "/camera/color/image_raw", "rgb8")
    image(ros, "/camera/depth/image_raw", "16UC1")
    recording = opened(ros, tmp_path)
    assert recording.registered is None and recording.camera is None
