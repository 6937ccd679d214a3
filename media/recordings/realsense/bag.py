"""Recordings of librealsense, .bag and .db3: topics of its own, in which the camera describes itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.recordings.realsense.description import Description, Stream, description_of, streams_of
from crosswire.media.recordings.recording import Fact, ReadOptions, RecordingError
from crosswire.media.recordings.ros.files.messages import Message, MessageFile
from crosswire.media.recordings.ros.images import COLOURS, GREY, HALVED, encoding_of, size_of
from crosswire.media.recordings.ros.recording import MessageRecording

_TOLD = (("Serial Number", "serial"), ("Firmware Version", "firmware"))


def is_realsense(file: MessageFile) -> bool:
    """Say whether librealsense wrote a recording."""
    return bool(streams_of(file))


class RealSenseRecording(MessageRecording):
    """A recording of librealsense."""

    def __init__(self, path: Path, file: MessageFile, options: ReadOptions) -> None:
        """Find the streams and read how the camera describes itself.

        Raises:
            RecordingError: depth or colour is missing.
        """
        streams = streams_of(file)
        colour = _chosen(file, streams, "Color", options.colour, "--colour-topic")
        depth = _chosen(file, streams, "Depth", options.depth, "--depth-topic")
        super().__init__(path, file, colour.topic, depth.topic, options.longest_gap_s)
        words = description_of(file)
        self.format = f"RealSense {'bag' if file.name == 'ROS 1 bag' else file.name.rpartition('(')[2].strip(')')}"
        unit = words.unit(depth)
        self.units_per_metre = options.units_per_metre or (1 / unit if unit else 1000.0)
        facts = [
            *_device(words.device(depth)),
            Fact("topics", f"colour {colour.topic}, depth {depth.topic}", "the names of streams say"),
            _unit_fact(options.units_per_metre, unit),
            Fact("no reading", "0 and 65535", "librealsense says of Z16"),
        ]
        if file.note:
            facts.append(Fact("file", "cut", f"{file.note}, which its end says"))
        self._own: dict[tuple[str, int], int] = {}
        facts += self._about_time(words, colour, depth)
        facts += _about_colour(file, colour)
        self.camera, self.registered = _camera(words, file, colour, depth, facts)
        self.rate = self.rate_of()
        self.facts = tuple(facts)

    def _stamp(self, message: Message) -> int:
        if self.by_log_time:
            return message.log_ns
        own = self._own.get((message.topic, message.log_ns))
        return message.stamp_ns if own is None else own

    def _about_time(self, words: Description, colour: Stream, depth: Stream) -> list[Fact]:
        """Choose the clock: stamps of two domains are not comparable."""
        domains = [words.metadata(one).get("timestamp_domain", "") for one in (colour, depth)]
        if domains[0] != domains[1]:
            self.by_log_time = True
            reason = (
                f"colour has {domains[0] or 'no clock'} and depth {domains[1] or 'no clock'}, not comparable, which"
            )
            return [Fact("time", "when images arrived", f"{reason} timestamp_domain says")]
        for stream in (colour, depth):
            self._own |= {(stream.topic, log): stamp for log, stamp in words.stamps(stream).items()}
        return [Fact("time", domains[0], "timestamp_domain of both streams says")] if domains[0] else []


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


def _unit_fact(given: float | None, unit: float | None) -> Fact:
    if given is not None:
        return Fact("depth unit", f"{given:g} per metre", "the options say")
    if unit is None:
        return Fact("depth unit", "1 mm", "no option Depth Units is recorded, and this is the usual one", True)
    return Fact("depth unit", f"{1000 * unit:.6g} mm", "the option Depth Units says")


def _device(known: Mapping[str, str]) -> list[Fact]:
    """Return what the device is called."""
    if "Name" not in known:
        return []
    said = "".join(f", {name} {known[key]}" for key, name in _TOLD if key in known)
    return [Fact("device", f"{known['Name']}{said}", "the recording says")]


def _about_colour(file: MessageFile, colour: Stream) -> list[Fact]:
    """Return what is to be told of colour, or nothing.

    Raises:
        RecordingError: it is encoded in another way than can be read.
    """
    message = file.first(colour.topic)
    encoding, transport = encoding_of(message.decode()) if message else ("", "jpeg")
    if not transport and encoding not in COLOURS and encoding not in HALVED:
        raise RecordingError(f"got colour encoded as {encoding!r}, expected one of {', '.join((*COLOURS, *HALVED))}")
    if encoding in GREY:
        return [Fact("colour", "grey, three times the same", f"the encoding {encoding} says")]
    return []


def _camera(
    words: Description, file: MessageFile, colour: Stream, depth: Stream, facts: list[Fact]
) -> tuple[RgbdCamera | None, bool | None]:
    """Return the camera and whether depth lies in the colour camera; what is known becomes facts."""
    eye, other = _lens(words, file, colour, facts), _lens(words, file, depth, facts)
    to_colour, to_depth = words.pose(colour), words.pose(depth)
    if eye is None or other is None:
        return None, None
    if to_colour is None or to_depth is None or to_colour[0] != to_depth[0]:
        facts.append(Fact("extrinsics", "not known", "no tf of both streams to one reference says"))
        return None, None
    pose = to_colour[1].after(to_depth[1].inverse())
    apart = 1000 * float((pose.translation**2).sum() ** 0.5)
    facts.append(Fact("extrinsics", f"{depth.root} to {colour.root}, {apart:.1f} mm", "tf of both streams says"))
    rotation = tuple(float(one) for one in pose.rotation.ravel())
    camera = RgbdCamera(eye, other, rotation, tuple(float(one) for one in pose.translation))
    said = "depth lies in the colour camera" if camera.registered else "depth lies in its own camera"
    facts.append(Fact("registration", said, "lenses and tf of both streams say"))
    return camera, camera.registered


def _lens(words: Description, file: MessageFile, stream: Stream, facts: list[Fact]) -> Lens | None:
    """Return the lens of a stream; what is known of it becomes a fact."""
    what = f"{'depth' if stream.kind == 'Depth' else 'colour'} lens"
    image = file.first(stream.topic)
    try:
        found = words.lens(stream, size_of(image.decode()) if image else None)
    except CameraError as error:
        facts.append(Fact(what, "not known", f"what {stream.root} says cannot be used: {error}"))
        return None
    if found is None:
        facts.append(Fact(what, "not known", f"nothing below {stream.root} says"))
        return None
    lens, topic = found
    said = f"fx {lens.fx:.1f}, {lens.width} x {lens.height}, distortion {lens.distortion.value}"
    facts.append(Fact(what, said, f"{topic} says"))
    return lens
