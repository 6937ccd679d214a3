"""A recording of ROS as pairs of colour and depth."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosswire.media.depth import to_metres
from crosswire.media.recordings.pairing import Pairing, Stamped
from crosswire.media.recordings.recording import Fact, Images, ReadOptions, RecordedFrame, Recording, RecordingError
from crosswire.media.recordings.ros.camera import calibration_of
from crosswire.media.recordings.ros.files.messages import COMPRESSED, IMAGE, Message, MessageFile, damaged
from crosswire.media.recordings.ros.images import (
    DEPTHS,
    GREY,
    encoding_of,
    read_colour,
    read_depth,
    size_of,
)
from crosswire.media.recordings.ros.topics import ImageTopic, choose

_LOOKED_AT = 9


class MessageRecording(Recording):
    """Pairs of the images of two topics; what the recording is called and knows is given by who opens it."""

    def __init__(self, path: Path, file: MessageFile, colour: str, depth: str, longest_gap_s: float) -> None:
        """Begin.

        Args:
            path: file or folder.
            file: open; the recording closes it.
            colour: topic of colour.
            depth: topic of depth.
            longest_gap_s: how far the stamps of a pair may lie apart, seconds.
        """
        self.path = path
        self.format = file.name
        self.units_per_metre = 1000.0
        self.by_log_time = False
        self._file = file
        self._topics = (colour, depth)
        self._gap_s = longest_gap_s
        self._pairing: Pairing[Message] = Pairing(0)

    @property
    def unmatched(self) -> int:
        """How many images have had no partner so far."""
        return self._pairing.unmatched

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
        """Yield the pairs from one on, in the order of time; those before are not decoded.

        Raises:
            RecordingError: the file is damaged here, or there is no pair at all.
        """
        self._pairing = Pairing(round(self._gap_s * 1e9))
        stamps = Stamps()
        yield from self._pairing.frames(self._images(stamps), start, self._read)
        if not self._pairing.paired:
            raise RecordingError(f"{self.path}: {stamps.no_pair(self._gap_s)}")

    def _read(self, index: int, colour: Message, depth: Message) -> Images:
        """Return the images of a pair.

        Raises:
            RecordingError: one of them is damaged.
        """
        return self._colour(index, colour), self._depth(index, depth)

    def rate_of(self) -> float | None:
        """Return the frames per second of colour, from its first images, or None where there are too few."""
        stamps = [self._stamp(one) for one in self._first(self._topics[0], _LOOKED_AT)]
        steps = [later - earlier for earlier, later in pairwise(stamps) if later > earlier]
        return 1e9 / statistics.median(steps) if steps else None

    def _first(self, topic: str, count: int) -> list[Message]:
        """Return the first messages of a topic."""
        try:
            return list(islice(self._file.read({topic}), count))
        except RecordingError:
            return []

    def _stamp(self, message: Message) -> int:
        return message.log_ns if self.by_log_time else message.stamp_ns

    def _images(self, stamps: Stamps) -> Iterator[Stamped[Message]]:
        """Yield the images of both topics."""
        colour, _ = self._topics
        for message in self._file.read(set(self._topics)):
            stamp = self._stamp(message)
            stamps.add(message.topic == colour, stamp)
            yield Stamped("colour" if message.topic == colour else "depth", stamp, message)

    def _colour(self, index: int, message: Message) -> npt.NDArray[np.uint8] | bytes:
        try:
            return read_colour(message.decode())
        except RecordingError as error:
            raise RecordingError(f"{self.path}, colour of frame {index}: {error}") from error

    def _depth(self, index: int, message: Message) -> npt.NDArray[np.float32]:
        try:
            return to_metres(read_depth(message.decode()), self.units_per_metre)
        except RecordingError as error:
            raise RecordingError(f"{self.path}, depth of frame {index}: {error}") from error


class Stamps:
    """What is kept of the stamps while they are read, for messages."""

    def __init__(self) -> None:
        """Begin."""
        self._seen: dict[bool, int] = {}
        self._counts = {True: 0, False: 0}
        self._closest: int | None = None

    def add(self, colour: bool, stamp: int) -> None:
        """Note the stamp of an image."""
        self._seen[colour] = stamp
        self._counts[colour] += 1
        if len(self._seen) == 2:
            gap = abs(self._seen[True] - self._seen[False])
            self._closest = gap if self._closest is None else min(gap, self._closest)

    def no_pair(self, gap_s: float) -> str:
        """Say why there is no pair."""
        images = f"{self._counts[True]} colour and {self._counts[False]} depth images"
        said = f"no two of {images} lie within {1e3 * gap_s:g} ms"
        if self._closest is None:
            return f"{said}; record both sensors"
        need = self._closest / 1e6
        return f"{said}, the closest {need:.3g} ms apart; allow more with --longest-gap {need * 1.01:.3g}"


class RosRecording(MessageRecording):
    """A recording of a robot: topics found by type, encoding and name."""

    def __init__(self, path: Path, file: MessageFile, options: ReadOptions) -> None:
        """Choose the topics and read what is known of the camera.

        Raises:
            RecordingError: a topic is missing or damaged.
        """
        images = image_topics(file)
        colour, depth = choose(images, file.topics, options.colour, options.depth)
        super().__init__(path, file, colour.name, depth.name, options.longest_gap_s)
        facts = [Fact("topics", f"colour {colour.name}, depth {depth.name}", *_why(options))]
        if file.note:
            facts.append(Fact("file", "cut", f"{file.note}, which its end says"))
        unit = DEPTHS.get(depth.encoding, ("", 1000.0))[1]
        self.units_per_metre = options.units_per_metre or unit
        facts += _about_depth(depth, options.units_per_metre)
        facts += _about_colour(colour)
        firsts = [message for one in (colour, depth) if (message := file.first(one.name))]
        self.by_log_time = any(one.stamp_ns == 0 for one in firsts)
        if self.by_log_time:
            facts.append(Fact("time", "when images were recorded", "their own stamps are 0 and say nothing"))
        calibration = calibration_of(file, colour, depth)
        self.camera, self.registered = calibration.camera, calibration.registered
        self.facts = (*facts, *calibration.facts)
        self.rate = self.rate_of()


def image_topics(file: MessageFile) -> list[ImageTopic]:
    """Return the topics of images, as the first of each is encoded."""
    found = []
    for topic in file.topics:
        if topic.kind not in (IMAGE, COMPRESSED) or topic.count == 0:
            continue
        message = file.first(topic.name)
        if message is None:
            continue
        try:
            image = message.decode()
        except RecordingError:
            continue
        encoding, transport = encoding_of(image)
        found.append(ImageTopic(topic, encoding, transport, str(image.header.frame_id), size_of(image)))
    return found


Reader = Callable[[Path, MessageFile, ReadOptions], Recording]


def opened(path: Path, file: MessageFile, options: ReadOptions, reader: Reader = RosRecording) -> Recording:
    """Open a recording over an open file, which is closed where that fails.

    Raises:
        RecordingError: it has no pair of topics, or is damaged.
    """
    try:
        return reader(path, file, options)
    except RecordingError as error:
        file.close()
        if str(path) in str(error):
            raise
        raise RecordingError(f"{path}: {error}") from error
    except Exception as error:
        file.close()
        raise damaged(path, error) from error


def _why(options: ReadOptions) -> tuple[str, bool]:
    """Return why these topics were taken, and whether that is a guess."""
    if options.colour and options.depth:
        return "the options say", False
    return "type, encoding and name fit best", True


def _about_depth(depth: ImageTopic, units_per_metre: float | None) -> Sequence[Fact]:
    """Return what is known of stored depth."""
    encoding = f"{depth.encoding}{f' ({depth.transport})' if depth.transport else ''}"
    none = "NaN, infinity and what is not above 0" if depth.encoding == "32FC1" else "0 and 65535"
    missing = Fact("no reading", none, f"REP 118 says of {encoding}")
    if units_per_metre is not None:
        return Fact("depth unit", f"{units_per_metre:g} per metre", "the options say"), missing
    if depth.encoding == "mono16":
        return Fact("depth unit", "1 mm", "mono16 names no unit, and this is the usual one", True), missing
    unit = "1 m" if depth.encoding == "32FC1" else "1 mm"
    return Fact("depth unit", unit, f"the encoding {encoding} says (REP 118)"), missing


def _about_colour(colour: ImageTopic) -> Sequence[Fact]:
    """Return what is to be told of colour."""
    if colour.encoding in GREY and not colour.transport:
        return (Fact("colour", "grey, three times the same", f"the encoding {colour.encoding} says"),)
    if colour.encoding in ("8UC3", "8UC4"):
        return (Fact("colour", "blue, green, red", f"{colour.encoding} names no order, and OpenCV has this one", True),)
    return ()
