"""RealSense recordings and cameras against librealsense itself: its software device, recorder and playback."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.cameras.camera import Distortion
from crosswire.media.recordings import open_recording
from crosswire.media.recordings.realsense.live import RealSenseCamera
from crosswire.media.recordings.recording import ReadOptions, Recording, RecordingError
from tests.support.recordings.real import real

rs: Any = pytest.importorskip(
    "pyrealsense2",
    reason="not run: pyrealsense2 cannot be imported; pip install '.[realsense]', apt-get install libusb-1.0-0",
    exc_type=ImportError,
)
REAL = "realsense_bag/single_depth_color_640x480.bag"
COEFFICIENTS = [0.1, -0.02, 0.003, 0.004, 0.005]
UNIT = 0.00025
TURN = (0.1, 0.3, -0.2)
POINT = [0.3, -0.2, 1.5]


class SoftwareCamera:
    """librealsense's software device with a depth and a colour sensor.

    Attributes:
        device: for the library.
    """

    def __init__(self) -> None:
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Software")
        self.device.register_info(rs.camera_info.serial_number, "42")
        self._stereo, self._rgb = self.device.add_sensor("Stereo Module"), self.device.add_sensor("RGB Camera")
        self._stereo.add_read_only_option(rs.option.depth_units, UNIT)
        depth = stream(rs.stream.depth, 1, 64, 48, 2, rs.format.z16, rs.distortion.brown_conrady)
        colour = stream(rs.stream.color, 2, 32, 24, 3, rs.format.rgb8, rs.distortion.inverse_brown_conrady)
        self.depth = self._stereo.add_video_stream(depth, True).as_video_stream_profile()
        self.colour = self._rgb.add_video_stream(colour, True).as_video_stream_profile()
        self.depth.register_extrinsics_to(self.colour, extrinsics())
        self.device.create_matcher(rs.matchers.default)

    def send(self, number: int) -> None:
        """Send a pair: depth of 1000 units and `number`, colour 3 ms later."""
        depth = np.full((48, 64), 1000 + number, np.uint16)
        colour = np.full((24, 32, 3), (200, 100, number), np.uint8)
        for sensor, profile, pixels, late in (
            (self._stereo, self.depth, depth, 0),
            (self._rgb, self.colour, colour, 3),
        ):
            frame = rs.software_video_frame()
            frame.pixels, frame.bpp, frame.frame_number = pixels, pixels[0, 0].nbytes, number
            frame.stride, frame.timestamp = pixels[0].nbytes, 1000.0 + 33 * number + late
            frame.domain, frame.profile, frame.depth_units = rs.timestamp_domain.hardware_clock, profile, UNIT
            sensor.on_video_frame(frame)


def stream(kind: Any, uid: int, width: int, height: int, size: int, form: Any, model: Any) -> Any:
    """Return a stream of a distorted camera."""
    lens = rs.intrinsics()
    lens.width, lens.height, lens.ppx, lens.ppy = width, height, width / 2 + 1, height / 2 - 1
    lens.fx, lens.fy, lens.model, lens.coeffs = width * 1.1, width * 1.2, model, COEFFICIENTS
    made = rs.video_stream()
    made.type, made.index, made.uid, made.fps, made.bpp, made.fmt = kind, 0, uid, 30, size, form
    made.width, made.height, made.intrinsics = width, height, lens
    return made


def extrinsics() -> Any:
    """Return what turns about all axes and moves."""
    made = rs.extrinsics()
    rotation = np.eye(3)
    for axis, angle in enumerate(TURN):
        one, (a, b) = np.eye(3), [other for other in range(3) if other != axis]
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        rotation = one @ rotation
    made.rotation, made.translation = [float(one) for one in rotation.T.ravel()], [0.01, 0.02, 0.03]
    return made


@dataclass(frozen=True)
class Truth:
    """What the library says of the cameras, in values that outlive the device."""

    lenses: tuple[dict[str, Any], ...]
    moved: list[float]

    @classmethod
    def of(cls, depth: Any, colour: Any) -> Truth:
        """Read two profiles."""
        names = ("width", "height", "fx", "fy", "ppx", "ppy", "coeffs")
        lenses = tuple({name: getattr(one.get_intrinsics(), name) for name in names} for one in (depth, colour))
        return cls(lenses, list(rs.rs2_transform_point_to_point(depth.get_extrinsics_to(colour), POINT)))


def same_camera(recording: Recording, truth: Truth, digits: float = 1e-6) -> None:
    """Hold a recording's camera against what the library says."""
    camera = recording.camera
    assert camera is not None and recording.registered is False
    for lens, given in zip((camera.depth, camera.colour), truth.lenses, strict=True):
        assert lens.size == (given["width"], given["height"])
        theirs = [given[name] for name in ("fx", "fy", "ppx", "ppy")]
        assert (lens.fx, lens.fy, lens.cx, lens.cy) == pytest.approx(theirs, rel=1e-6)
        assert lens.coefficients == pytest.approx(given["coeffs"] if any(given["coeffs"]) else [])
    moved = np.array(camera.rotation).reshape(3, 3) @ POINT + camera.translation
    assert moved == pytest.approx(truth.moved, abs=digits)


def check_frames(frames: list[Any]) -> None:
    """Check what the software camera sent."""
    for number, frame in enumerate(frames):
        assert np.allclose(frame.depth, (1000 + number) * UNIT, rtol=1e-6, atol=0)
        assert frame.rgb.tolist() == np.full((24, 32, 3), (200, 100, number)).tolist()
        assert frame.stamp_ns - frame.depth_stamp_ns == 3_000_000
        assert frame.time_s == pytest.approx(0.033 * number)


def test_a_connected_camera_is_a_recording() -> None:
    software = SoftwareCamera()
    recording = RealSenseCamera(rs, software.device, ReadOptions(), wait_s=1.0)
    same_camera(recording, Truth.of(software.depth, software.colour))
    assert recording.rate == 30 and str(recording.path) == "realsense:42"
    assert recording.camera is not None and recording.camera.colour.distortion is Distortion.INVERSE_BROWN_CONRADY
    frames = []

    def feed() -> None:
        time.sleep(0.5)  # sensors drop what comes before they are started
        for number in range(12):
            software.send(number)
            time.sleep(0.01)

    thread = threading.Thread(target=feed)
    thread.start()
    with pytest.raises(RecordingError, match="sent no image for 1 s; check the cable"):
        for frame in recording:
            frames.append(frame)
    thread.join()
    assert len(frames) == 12 and recording.unmatched == 0
    check_frames(frames)


def test_a_camera_without_colour_is_refused() -> None:
    device = rs.software_device()
    sensor = device.add_sensor("Stereo Module")
    sensor.add_read_only_option(rs.option.depth_units, UNIT)
    sensor.add_video_stream(stream(rs.stream.depth, 1, 64, 48, 2, rs.format.z16, rs.distortion.none), True)
    with pytest.raises(RecordingError, match="got a camera without colour"):
        RealSenseCamera(rs, device, ReadOptions())


def test_no_camera_is_said_in_one_line() -> None:
    with pytest.raises(RecordingError, match="got realsense:12345, expected one RealSense camera, connected: ") as said:
        open_recording("realsense:12345")
    assert "\n" not in str(said.value)


def test_what_the_library_records_is_read(tmp_path: Path) -> None:
    path = tmp_path / "soft.db3"
    software = SoftwareCamera()
    recorder = rs.recorder(str(path), software.device)
    queue = rs.frame_queue(50)
    for sensor in recorder.query_sensors():
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    for number in range(8):
        software.send(number)
        time.sleep(0.02)
    time.sleep(0.5)
    for sensor in recorder.query_sensors():
        sensor.stop()
        sensor.close()
    del recorder, sensor
    with open_recording(path) as recording:
        frames = list(recording)
        same_camera(recording, Truth.of(software.depth, software.colour), digits=1e-5)  # it writes six digits
        said = [str(one) for one in recording.facts]
    assert "depth unit: 0.25 mm, as the option Depth Units says" in said
    assert recording.format == "RealSense .db3" and len(frames) == 8
    check_frames(frames)


Images = dict[int, np.ndarray[Any, Any]]


def played(path: Path) -> tuple[Images, Images, Truth, float]:
    """Return depth and colour images by their stamps, nanoseconds, the cameras, and the unit of depth, by playback."""
    device = rs.context().load_device(str(path))
    device.as_playback().set_real_time(False)
    queue = rs.frame_queue(50, keep_frames=True)
    profiles, sensors, unit = {}, device.query_sensors(), 0.0
    for sensor in sensors:
        for profile in sensor.get_stream_profiles():
            profiles[profile.stream_type()] = profile.as_video_stream_profile()
        if sensor.is_depth_sensor():
            unit = sensor.as_depth_sensor().get_depth_scale()
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    depths, colours = {}, {}
    while True:
        there, frame = queue.try_wait_for_frame(2000)
        if not there:
            break
        images = depths if frame.profile.stream_type() == rs.stream.depth else colours
        images[round(frame.timestamp * 1e6)] = np.array(frame.get_data())
    truth = Truth.of(profiles[rs.stream.depth], profiles[rs.stream.color])
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    return depths, colours, truth, unit


@pytest.mark.parametrize("converted", [False, True], ids=["bag", "db3"])
def test_a_real_recording_is_what_the_library_plays(converted: bool, tmp_path: Path) -> None:
    path = real(REAL)
    depths, colours, truth, unit = played(path)
    if converted:
        rs.context().convert_bag_to_db3(str(path), str(tmp_path / "real.db3"))
        path = tmp_path / "real.db3"
    with open_recording(path, ReadOptions(longest_gap_s=0.2)) as recording:
        (frame,) = recording
        same_camera(recording, truth, digits=1e-5)
    assert np.array_equal(frame.rgb, colours[frame.stamp_ns])
    stored = depths[frame.depth_stamp_ns]
    assert np.array_equal(frame.depth > 0, stored > 0) and (stored > 0).mean() > 0.1
    assert np.allclose(frame.depth, stored * unit, rtol=1e-6, atol=0)
