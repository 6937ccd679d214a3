"""Bags of librealsense: ROS 1 bags with topics of its own, in which the camera describes itself.

`/device_0/sensor_0/Depth_0/image/data` are images, `.../Depth_0/info/camera_info` the lens, `.../Depth_0/tf/0` how the
stream stands to the others, and `/device_0/sensor_0/option/Depth Units/value` says how many metres one unit is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from crosswire.media.cameras.camera import CameraError, Distortion, Lens, RgbdCamera
from crosswire.media.recordings.recording import Fact, ReadOptions, RecordingError
from crosswire.media.recordings.ros.calibration import lens_of
from crosswire.media.recordings.ros.files.messages import MessageFile
from crosswire.media.recordings.ros.images import COLOURS, GREY, HALVED, encoding_of, size_of
from crosswire.media.recordings.ros.recording import MessageRecording
from crosswire.media.recordings.ros.transforms import Pose, pose_of

NAME = "RealSense bag"
_STREAM = re.compile(r"(/device_(\d+)/sensor_(\d+))/([A-Za-z]+)_(\d+)/image/data")
_LOOKED_AT = 64
#: librealsense's names of models. "Modified" shifts what is already bent, which differs where p1 or p2 is not 0.
_MODELS: Mapping[str, Distortion] = {
    "none": Distortion.NONE,
    "brown conrady": Distortion.BROWN_CONRADY,
    "inverse brown conrady": Distortion.INVERSE_BROWN_CONRADY,
    "kannala brandt4": Distortion.KANNALA_BRANDT,
}
_MODIFIED = "modified brown conrady"


@dataclass(frozen=True)
class Stream:
    """A stream of images.

    Attributes:
        topic: of its images.
        sensor: the topic that begins those of its sensor.
        kind: "Depth", "Color", "Infrared", "Fisheye", "Confidence".
        number: which of its kind.
    """

    topic: str
    sensor: str
    kind: str
    number: int

    @property
    def root(self) -> str:
        """The topic that begins those of the stream."""
        return self.topic.removesuffix("/image/data")


def is_realsense(file: MessageFile) -> bool:
    """Say whether librealsense wrote a bag."""
    return any(_STREAM.fullmatch(one.name) for one in file.topics)


class RealSenseBag(MessageRecording):
    """A recording of librealsense."""

    def __init__(self, path: Path, file: MessageFile, options: ReadOptions) -> None:
        """Find the streams and read how the camera describes itself.

        Raises:
            RecordingError: depth or colour is missing.
        """
        streams = [
            Stream(one.name, found[1], found[4], int(found[5]))
            for one in file.topics
            if (found := _STREAM.fullmatch(one.name)) and one.count != 0
        ]
        colour = _chosen(file, streams, "Color", options.colour, "--colour-topic")
        depth = _chosen(file, streams, "Depth", options.depth, "--depth-topic")
        super().__init__(path, file, colour.topic, depth.topic, options.longest_gap_s)
        self.format = NAME
        unit = _option(file, f"{depth.sensor}/option/Depth Units/value")
        self.units_per_metre = options.units_per_metre or (1 / unit if unit else 1000.0)
        facts = [
            *_device(file, depth),
            Fact("topics", f"colour {colour.topic}, depth {depth.topic}", "the names of streams say"),
            _unit_fact(options.units_per_metre, unit),
            Fact("no reading", "0 and 65535", "librealsense says of Z16"),
        ]
        if file.note:
            facts.append(Fact("file", "cut", f"{file.note}, which its end says"))
        facts += self._about_time(colour, depth)
        facts += _about_colour(file, colour)
        self.camera, self.registered = _camera(file, colour, depth, facts)
        self.rate = self.rate_of()
        self.facts = tuple(facts)

    def _about_time(self, colour: Stream, depth: Stream) -> list[Fact]:
        """Choose the clock: stamps of two domains are not comparable."""
        domains = [_metadata(self._file, one).get("timestamp_domain", "") for one in (colour, depth)]
        if domains[0] == domains[1]:
            return [Fact("time", domains[0], "timestamp_domain of both streams says")] if domains[0] else []
        self.by_log_time = True
        reason = (
            f"timestamp_domain of colour is {domains[0]} and of depth {domains[1]}, so only arrival is comparable and"
        )
        return [Fact("time", "when images arrived", f"{reason} is taken")]


def _chosen(file: MessageFile, streams: list[Stream], kind: str, name: str | None, option: str) -> Stream:
    """Return the stream of a kind, the first, or the one that is asked for."""
    held = ", ".join(str(file.topic(one.topic)) for one in streams)
    if name is not None:
        wanted = [one for one in streams if name.strip("/") in (one.topic.strip("/"), one.root.strip("/"))]
        if not wanted:
            raise RecordingError(f"got topic {name}, expected one of images; topics: {held}")
        return wanted[0]
    found = sorted((one for one in streams if one.kind == kind), key=lambda one: (one.sensor, one.number))
    if not found:
        raise RecordingError(f"no stream is {kind}; name one with {option}; topics: {held}")
    return found[0]


def _option(file: MessageFile, topic: str) -> float | None:
    """Return the value of an option, or None."""
    message = file.first(topic)
    return None if message is None else float(f"{message.decode().data:.7g}")  # float32, as 0.001 is stored


def _unit_fact(given: float | None, unit: float | None) -> Fact:
    if given is not None:
        return Fact("depth unit", f"{given:g} per metre", "the options say")
    if unit is None:
        return Fact("depth unit", "1 mm", "the bag has no option Depth Units, and this is the usual one", True)
    return Fact("depth unit", f"{1000 * unit:.6g} mm", "the option Depth Units says")


def _device(file: MessageFile, depth: Stream) -> list[Fact]:
    """Return what the device is called."""
    known = _pairs(file, f"{depth.sensor.rpartition('/')[0]}/info")
    if "Name" not in known:
        return []
    said = ", ".join(f"{name} {known[key]}" for key, name in _TOLD if key in known)
    return [Fact("device", f"{known['Name']}{f', {said}' if said else ''}", "the recording says")]


_TOLD = (("Serial Number", "serial"), ("Firmware Version", "firmware"))


def _pairs(file: MessageFile, topic: str) -> dict[str, str]:
    """Return keys and values of a topic."""
    if file.topic(topic) is None:
        return {}
    try:
        messages = [one.decode() for one in islice(file.read({topic}), _LOOKED_AT)]
    except RecordingError:
        return {}
    found: dict[str, str] = {}
    for one in messages:
        found.setdefault(str(one.key), str(one.value))
    return found


def _metadata(file: MessageFile, stream: Stream) -> dict[str, str]:
    """Return what is noted of a stream's first image."""
    return _pairs(file, f"{stream.root}/image/metadata")


def _about_colour(file: MessageFile, colour: Stream) -> list[Fact]:
    """Return what is to be told of colour, or nothing.

    Raises:
        RecordingError: it is encoded in another way than can be read.
    """
    message = file.first(colour.topic)
    encoding = encoding_of(message.decode())[0] if message else ""
    if message and encoding not in COLOURS and encoding not in HALVED:
        raise RecordingError(f"got colour encoded as {encoding!r}, expected one of {', '.join((*COLOURS, *HALVED))}")
    if encoding in GREY:
        return [Fact("colour", "grey, three times the same", f"the encoding {encoding} says")]
    return []


def _camera(
    file: MessageFile, colour: Stream, depth: Stream, facts: list[Fact]
) -> tuple[RgbdCamera | None, bool | None]:
    """Return the camera and whether depth lies in the colour camera; what is known becomes facts."""
    lenses = [_lens(file, one, facts) for one in (colour, depth)]
    poses = [_pose(file, one) for one in (colour, depth)]
    eye, other = lenses
    to_colour, to_depth = poses
    if eye is None or other is None:
        return None, None
    if to_colour is None or to_depth is None:
        facts.append(Fact("extrinsics", "not known", "no tf of both streams says"))
        return None, None
    pose = to_colour.after(to_depth.inverse())
    apart = 1000 * float((pose.translation**2).sum() ** 0.5)
    facts.append(Fact("extrinsics", f"{depth.root} to {colour.root}, {apart:.1f} mm", "tf of both streams says"))
    rotation = tuple(float(one) for one in pose.rotation.ravel())
    camera = RgbdCamera(eye, other, rotation, tuple(float(one) for one in pose.translation))
    said = "depth lies in the colour camera" if camera.registered else "depth lies in its own camera"
    facts.append(Fact("registration", said, "lenses and tf of both streams say"))
    return camera, camera.registered


def _lens(file: MessageFile, stream: Stream, facts: list[Fact]) -> Lens | None:
    """Return the lens of a stream."""
    what, name = f"{'depth' if stream.kind == 'Depth' else 'colour'} lens", f"{stream.root}/info/camera_info"
    message, image = file.first(name), file.first(stream.topic)
    if message is None:
        facts.append(Fact(what, "not known", f"no {name} says"))
        return None
    info = message.decode()
    try:
        lens = lens_of(info, size_of(image.decode()) if image else None, False, _models(info))
    except CameraError as error:
        facts.append(Fact(what, "not known", f"{name} cannot be used: {error}"))
        return None
    said = f"fx {lens.fx:.1f}, {lens.width} x {lens.height}, distortion {lens.distortion.value}"
    facts.append(Fact(what, said, f"{name} says"))
    return lens


def _models(info: Any) -> Mapping[str, Distortion]:
    """Return the models by their names; the modified one is the plain one where it does not shift."""
    d = [float(one) for one in info.D]
    if str(info.distortion_model).strip().lower() == _MODIFIED and not any(d[2:4]):
        return {**_MODELS, _MODIFIED: Distortion.BROWN_CONRADY}
    return _MODELS


def _pose(file: MessageFile, stream: Stream) -> Pose | None:
    """Return what takes points of the reference stream into a stream: a bag holds that, and not the stream's pose."""
    topic = next((one.name for one in file.topics if one.name.startswith(f"{stream.root}/tf/")), None)
    message = file.first(topic) if topic else None
    return None if message is None else pose_of(message.decode())
