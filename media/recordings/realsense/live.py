"""A RealSense camera on the cable, read as a recording that does not end: `open_recording("realsense:")`."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.pairing import Kind, Pairing, Stamped
from crosswire.media.recordings.realsense.description import MODELS
from crosswire.media.recordings.recording import Fact, ReadOptions, RecordedFrame, Recording, RecordingError

SCHEME = "realsense:"
_EXTRA = "pip install 'crosswire[realsense]', on Linux also apt-get install libusb-1.0-0"
_WAIT_S = 5.0
_RATE = 30
_QUEUE = 64
Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class _Source:
    """One of the two streams that are read.

    Attributes:
        kind: which.
        place: of its sensor among those of the device; some cameras have both streams on one.
        sensor: of librealsense.
        profile: size, rate and format that it is asked for.
    """

    kind: Kind
    place: int
    sensor: Any
    profile: Any


def open_camera(address: str, options: ReadOptions | None = None) -> Recording:
    """Open a camera that is connected.

    Args:
        address: "realsense:" for the only one, or "realsense:SERIAL".
        options: how its images are read.

    Raises:
        RecordingError: it is not there, in use, or pyrealsense2 is not installed.
    """
    try:
        library = importlib.import_module("pyrealsense2")
    except ImportError as error:
        raise RecordingError(
            f"a RealSense camera is read with the package pyrealsense2, try {_EXTRA} ({error})"
        ) from error
    serial = address.removeprefix(SCHEME)
    try:
        devices = list(library.context().query_devices())
        names = [_info(library, one, "serial_number") for one in devices]
    except RuntimeError as error:
        raise RecordingError(f"{address}: {error}; connect the camera again") from error
    chosen = [one for one, name in zip(devices, names, strict=True) if serial in ("", name)]
    if len(chosen) != 1:
        held = ", ".join(names) or "none"
        raise RecordingError(f"got {address}, expected one RealSense camera, connected: {held}; try {SCHEME}SERIAL")
    try:
        return RealSenseCamera(library, chosen[0], options or ReadOptions())
    except RuntimeError as error:
        raise RecordingError(f"{address}: {error}; connect the camera again") from error


class RealSenseCamera(Recording):
    """A camera that is connected, or librealsense's software device."""

    def __init__(self, library: Any, device: Any, options: ReadOptions, wait_s: float = _WAIT_S) -> None:
        """Choose the streams of colour and depth and read the calibration.

        Args:
            library: pyrealsense2.
            device: one of its devices.
            options: how images are read.
            wait_s: how long it may send nothing, seconds.

        Raises:
            RecordingError: it has no colour or no depth.
        """
        self._library = library
        self._wait_ms = round(1000 * wait_s)
        self._gap_ns = round(options.longest_gap_s * 1e9)
        self._pairing: Pairing[Pixels] = Pairing(self._gap_ns)
        name, serial = (_info(library, device, one) for one in ("name", "serial_number"))
        self.path = Path(f"{SCHEME}{serial}")
        self.format = "RealSense camera"
        if options.colour or options.depth:
            raise RecordingError(f"got a topic for {self.path}, expected none: a camera has one colour and one depth")
        sensors = list(device.query_sensors())
        colour = _source(library, sensors, "colour", library.stream.color, library.format.rgb8)
        depth = _source(library, sensors, "depth", library.stream.depth, library.format.z16)
        self._sources = (colour, depth)
        unit = float(f"{depth.sensor.as_depth_sensor().get_depth_scale():.7g}")
        self._units_per_metre = options.units_per_metre or 1 / unit
        self.rate = float(colour.profile.fps())
        said = (f"{1000 * unit:.6g} mm", "the camera says")
        if options.units_per_metre:
            said = (f"{options.units_per_metre:g} per metre", "the options say")
        facts = [
            Fact("device", f"{name}, serial {serial}", "the camera says"),
            Fact("depth unit", *said),
            Fact("no reading", "0 and 65535", "librealsense says of Z16"),
        ]
        try:
            self.camera = _camera(library, colour.profile, depth.profile)
            self.registered = self.camera.registered
            lies = "the colour camera" if self.registered else "its own camera"
            facts.append(Fact("registration", f"depth lies in {lies}", "the calibration of the camera says"))
        except (CameraError, RuntimeError) as error:
            facts.append(Fact("camera", "not known", f"its calibration cannot be used: {error}"))
        self.facts = tuple(facts)

    @property
    def unmatched(self) -> int:
        """How many images have had no partner so far."""
        return self._pairing.unmatched

    def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
        """Yield pairs as they come, from now on, until the iterator is closed.

        Raises:
            RecordingError: the camera sends nothing any more.
        """
        self._pairing = Pairing(self._gap_ns)
        yield from self._pairing.frames(
            self._images(), start, lambda _, colour, depth: (colour, to_metres(depth, self._units_per_metre))
        )

    def _images(self) -> Iterator[Stamped[Pixels]]:
        """Yield the images of both sensors as they come."""
        queue = self._library.frame_queue(_QUEUE, keep_frames=True)
        started: list[Any] = []
        try:
            for place in sorted({one.place for one in self._sources}):
                sources = [one for one in self._sources if one.place == place]
                sources[0].sensor.open([one.profile for one in sources])
                started.append(sources[0].sensor)
                sources[0].sensor.start(queue)
            yield from self._stamped(queue)
        except RuntimeError as error:  # librealsense raises nothing else
            raise RecordingError(f"{self.path}: {error}; connect the camera again") from error
        finally:
            for sensor in started:
                for end in (sensor.stop, sensor.close):
                    with contextlib.suppress(RuntimeError):  # the cable may be out
                        end()

    def _stamped(self, queue: Any) -> Iterator[Stamped[Pixels]]:
        """Yield images with stamps of one clock: that of the camera if both sensors have the same, else ours."""
        waiting: list[tuple[Kind, Any, int, Pixels]] = []
        domains: dict[Kind, Any] = {}
        by_arrival = False
        while True:
            arrived, frame = queue.try_wait_for_frame(self._wait_ms)
            if not arrived:
                raise RecordingError(f"{self.path} sent no image for {self._wait_ms / 1000:g} s; check the cable")
            kind: Kind = "depth" if frame.profile.stream_type() == self._library.stream.depth else "colour"
            domains[kind] = frame.get_frame_timestamp_domain()
            waiting.append((kind, frame.timestamp, time.monotonic_ns(), np.array(frame.get_data())))
            if len(domains) < 2 and len(waiting) < _QUEUE:
                continue
            by_arrival = by_arrival or len(domains) < 2 or len(set(domains.values())) > 1  # and it stays so
            for kind, stamp_ms, arrival_ns, pixels in waiting:
                yield Stamped(kind, round(stamp_ms * 1e6) if not by_arrival else arrival_ns, pixels)
            waiting.clear()


def _info(library: Any, device: Any, name: str) -> str:
    """Return what a device says of itself, or nothing."""
    key = getattr(library.camera_info, name)
    return str(device.get_info(key)) if device.supports(key) else ""


def _source(library: Any, sensors: Sequence[Any], kind: Kind, stream: Any, form: Any) -> _Source:
    """Return the stream of a kind: the profile that the camera takes by itself, or else the largest at 30 a second."""
    offered = [
        _Source(kind, place, sensor, profile.as_video_stream_profile())
        for place, sensor in enumerate(sensors)
        for profile in sensor.get_stream_profiles()
        if profile.stream_type() == stream and profile.format() == form
    ]
    if not offered:
        raise RecordingError(f"got a camera without {kind}, expected a stream of {form}; connect one with both")

    def order(one: _Source) -> tuple[bool, int, int]:
        profile = one.profile
        return profile.is_default(), -abs(profile.fps() - _RATE), profile.width() * profile.height()

    return max(offered, key=order)


def _camera(library: Any, colour: Any, depth: Any) -> RgbdCamera:
    """Return the calibration of two streams."""
    extrinsics = depth.get_extrinsics_to(colour)
    columns = np.array(extrinsics.rotation, np.float64).reshape(3, 3)  # librealsense writes column after column
    rotation = tuple(float(one) for one in columns.T.ravel())
    translation = tuple(float(one) for one in extrinsics.translation)
    return RgbdCamera(lens_of_intrinsics(library, colour), lens_of_intrinsics(library, depth), rotation, translation)


def lens_of_intrinsics(library: Any, profile: Any) -> Lens:
    """Return the lens of a stream.

    Args:
        library: pyrealsense2.
        profile: of a video stream.

    Raises:
        CameraError: its distortion is of a kind that is not known.
    """
    given = profile.get_intrinsics()
    coefficients = tuple(float(one) for one in given.coeffs)
    model = str(given.model).rpartition(".")[2].replace("_", " ")
    if not any(coefficients):
        model, coefficients = "none", ()
    if model not in MODELS:
        raise CameraError(f"got distortion {model}, expected one of {', '.join(MODELS)}")
    return Lens(given.width, given.height, given.fx, given.fy, given.ppx, given.ppy, MODELS[model], coefficients)
