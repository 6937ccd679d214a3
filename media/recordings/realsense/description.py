"""How librealsense describes a camera in its recordings, of both generations.

It used to write ROS 1 bags with ROS' own messages (`/file_version` 3); version 2.59 writes .db3 files of ROS 2 in which
most is text, "key=value;key=value" (`/file_version` 4). In both a stream's `tf` takes points of the reference stream
into the stream: the inverse of the pose that ROS' messages of this type otherwise hold.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from crosswire.media.cameras.camera import CameraError, Distortion, Lens
from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.calibration import lens_of
from crosswire.media.recordings.ros.files.messages import MessageFile
from crosswire.media.recordings.ros.transforms import Pose, pose_of

_STREAM = re.compile(r"((/device_\d+/sensor_\d+)/([A-Za-z]+)_(\d+))/image/data(/compressed|/compressedDepth)?")
_LOOKED_AT = 64
_TEXT = "std_msgs/msg/String"
#: librealsense's names of models, in lower case. It projects with one formula for "Inverse" and "Modified".
MODELS: Mapping[str, Distortion] = {
    "none": Distortion.NONE,
    "brown conrady": Distortion.BROWN_CONRADY,
    "inverse brown conrady": Distortion.INVERSE_BROWN_CONRADY,
    "modified brown conrady": Distortion.INVERSE_BROWN_CONRADY,
    "kannala brandt4": Distortion.KANNALA_BRANDT,
}


@dataclass(frozen=True)
class Stream:
    """A stream of images.

    Attributes:
        topic: of its images.
        root: the topic that begins all of its own.
        sensor: the topic that begins those of its sensor.
        kind: "Depth", "Color", "Infrared", "Fisheye", "Confidence".
        number: which of its kind.
    """

    topic: str
    root: str
    sensor: str
    kind: str
    number: int

    @property
    def device(self) -> str:
        """The topic that begins those of its device."""
        return self.sensor.rpartition("/")[0]


def streams_of(file: MessageFile) -> list[Stream]:
    """Return the streams of images of a recording; none where librealsense did not write it."""
    found = [_STREAM.fullmatch(one.name) for one in file.topics if one.count != 0]
    return [Stream(one[0], one[1], one[2], one[3], int(one[4])) for one in found if one]


class Description(abc.ABC):
    """What a recording says of its camera."""

    def __init__(self, file: MessageFile) -> None:
        """Take the open file."""
        self._file = file

    @abc.abstractmethod
    def unit(self, stream: Stream) -> float | None:
        """Return how many metres one unit of depth is, or None."""

    @abc.abstractmethod
    def device(self, stream: Stream) -> Mapping[str, str]:
        """Return what the device says of itself: "Name", "Serial Number", ..."""

    @abc.abstractmethod
    def metadata(self, stream: Stream) -> Mapping[str, str]:
        """Return what is noted of the first image of a stream."""

    @abc.abstractmethod
    def lens(self, stream: Stream, size: tuple[int, int] | None) -> tuple[Lens, str] | None:
        """Return the lens of a stream and the topic that says so, or None where nothing is said.

        Raises:
            CameraError: it cannot be used.
        """

    @abc.abstractmethod
    def pose(self, stream: Stream) -> tuple[str, Pose] | None:
        """Return the reference that a stream stands to, and what takes points of that into the stream, or None."""

    def stamps(self, stream: Stream) -> Mapping[int, int]:
        """Return the time stamp of each image by the time of recording, nanoseconds, where its header has another."""
        return {}

    def _first(self, topic: str) -> Any:
        """Return the first message of a topic, decoded, or None."""
        if self._file.topic(topic) is None:
            return None
        try:
            message = self._file.first(topic)
            return None if message is None else message.decode()
        except RecordingError:
            return None

    def _reference(self, stream: Stream) -> str | None:
        """Return the topic of a stream's `tf`."""
        begin = f"{stream.root}/tf/"
        return next((one.name for one in self._file.topics if one.name.startswith(begin)), None)


class BagDescription(Description):
    """In messages of ROS 1."""

    def unit(self, stream: Stream) -> float | None:
        """Return how many metres one unit of depth is, or None."""
        message = self._first(f"{stream.sensor}/option/Depth Units/value")
        return None if message is None else _plain(message.data)

    def device(self, stream: Stream) -> Mapping[str, str]:
        """Return what the device says of itself."""
        return self._pairs(f"{stream.device}/info")

    def metadata(self, stream: Stream) -> Mapping[str, str]:
        """Return what is noted of the first image of a stream."""
        return self._pairs(f"{stream.root}/image/metadata")

    def lens(self, stream: Stream, size: tuple[int, int] | None) -> tuple[Lens, str] | None:
        """Return the lens of a stream and the topic that says so, or None where nothing is said."""
        topic = f"{stream.root}/info/camera_info"
        info = self._first(topic)
        return None if info is None else (lens_of(info, size, False, MODELS), topic)

    def pose(self, stream: Stream) -> tuple[str, Pose] | None:
        """Return the reference that a stream stands to, and what takes points of that into the stream, or None."""
        topic = self._reference(stream)
        message = self._first(topic) if topic else None
        return None if message is None or topic is None else (topic.rpartition("/")[2], pose_of(message))

    def _pairs(self, topic: str) -> dict[str, str]:
        """Return the first value of each key of a topic."""
        if self._file.topic(topic) is None:
            return {}
        found: dict[str, str] = {}
        try:
            for message in islice(self._file.read({topic}), _LOOKED_AT):
                one = message.decode()
                found.setdefault(str(one.key), str(one.value))
        except RecordingError:
            pass  # said when frames are read
        return found


class DatabaseDescription(Description):
    """In text: the `CameraInfo` of its images knows neither the model of distortion nor the unit of depth."""

    def unit(self, stream: Stream) -> float | None:
        """Return how many metres one unit of depth is, or None."""
        message = self._first(f"{stream.sensor}/option/Depth_Units/value")
        noted = self.metadata(stream).get("depth_units") if message is None else str(message.data)
        return _plain(noted)

    def device(self, stream: Stream) -> Mapping[str, str]:
        """Return what the device says of itself."""
        return self._words(f"{stream.device}/info")

    def metadata(self, stream: Stream) -> Mapping[str, str]:
        """Return what is noted of the first image of a stream."""
        return self._words(f"{stream.root}/image/metadata")

    def lens(self, stream: Stream, size: tuple[int, int] | None) -> tuple[Lens, str] | None:
        """Return the lens of a stream and the topic that says so, or None where nothing is said."""
        topic = f"{stream.root}/camera_info"
        words = self._words(topic)
        if not words:
            return None
        try:
            wide, high = int(words["width"]), int(words["height"])
            fx, fy, cx, cy = (float(words[key]) for key in ("fx", "fy", "ppx", "ppy"))
            coefficients = tuple(float(one) for one in words["coeffs"].split(","))
            name = words["model"].lower()
        except (KeyError, ValueError) as error:
            raise CameraError(f"got {words}, expected width, height, fx, fy, ppx, ppy, model and coeffs") from error
        if not any(coefficients):
            model = Distortion.NONE
        elif name in MODELS:
            model = MODELS[name]
        else:
            raise CameraError(f"got distortion {name!r}, expected one of {', '.join(MODELS)}")
        lens = Lens(wide, high, fx, fy, cx, cy, model, () if model is Distortion.NONE else coefficients)
        if size not in (None, lens.size):
            raise CameraError(f"got images of {size}, expected {lens.size}")
        return lens, topic

    def pose(self, stream: Stream) -> tuple[str, Pose] | None:
        """Return the reference that a stream stands to, and what takes points of that into the stream, or None."""
        topic = self._reference(stream)
        words = self._words(topic) if topic else {}
        try:
            columns = np.array([float(one) for one in words["rotation"].split(",")], np.float64).reshape(3, 3)
            shift = np.array([float(one) for one in words["translation"].split(",")], np.float64).reshape(3)
        except (KeyError, ValueError):
            return None
        return str(topic).rpartition("/")[2], Pose(columns.T, shift)  # librealsense writes column after column

    def stamps(self, stream: Stream) -> Mapping[int, int]:
        """Return the time stamp of each image by the time of recording, nanoseconds: its header has that alone."""
        found: dict[int, int] = {}
        topic = f"{stream.root}/image/metadata"
        try:
            for message in self._file.read({topic}):
                noted = _split(str(message.decode().data)).get("timestamp", "")
                found[message.log_ns] = round(float(noted) * 1e6)
        except (RecordingError, ValueError):
            pass  # images without a note keep the time of their header
        return found

    def _words(self, topic: str) -> dict[str, str]:
        """Return keys and values of a text."""
        message = self._first(topic)
        return {} if message is None else _split(str(message.data))


def description_of(file: MessageFile) -> Description:
    """Return the description of a recording, by the type of its words."""
    texts = any(one.kind == _TEXT and one.name.endswith("/info") for one in file.topics)
    return DatabaseDescription(file) if texts else BagDescription(file)


def _split(text: str) -> dict[str, str]:
    """Return keys and values of "key=value;key=value"."""
    pairs = (one.partition("=") for one in text.split(";"))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _plain(value: object) -> float | None:
    """Return a number as it was meant before it became one of 32 bits, or None."""
    try:
        number = float(f"{float(str(value)):.7g}")
    except ValueError:
        return None
    return number if number > 0 else None
