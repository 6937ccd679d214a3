"""Azure Kinect recordings, as k4arecorder and Open3D write them: Matroska with tracks COLOR, DEPTH and IR.

Tracks are found by their names or by the tags K4A_COLOR_TRACK and K4A_DEPTH_TRACK. Depth is 16 bits in millimetres, 0
where there is none, most significant byte first (`b16g`; the earliest recordings store the other order and call it
YUY2). Colour is MJPEG, passed on as it is stored, or NV12, YUY2 or BGRA. Other Matroska files with a 16-bit grey track
are read, too; what their depth counts is then a guess.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.kinect.calibration import DEPTH_SIZES, read_calibration
from crosswire.media.recordings.kinect.matroska import Outline, outline
from crosswire.media.recordings.kinect.tracks import Track, colour_and_depth, tracks_of
from crosswire.media.recordings.pairing import Pairing, Stamped
from crosswire.media.recordings.recording import (
    Fact,
    Images,
    ReadOptions,
    RecordedFrame,
    Recording,
    RecordingError,
    read_frame,
)

FORMAT = "Azure Kinect MKV"
UNITS_PER_METRE = 1000.0
_CALIBRATION = "calibration.json"
_NS = 1_000_000_000


@dataclass(frozen=True)
class _Image:
    """An image that is in no frame yet.

    Attributes:
        stamp_ns: when it was taken, on the device's clock.
        data: its bytes as they are stored, or a decoded `av.VideoFrame`.
    """

    stamp_ns: int
    data: Any


def open_mkv(path: Path, options: ReadOptions) -> Recording:
    """Open a Matroska file with colour and depth.

    Raises:
        RecordingError: it is damaged, lacks colour or depth, or the package av is not there.
    """
    with _opened(path) as container:
        tracks = tracks_of(container)
        tags = {key: value for key, value in container.metadata.items() if key.startswith("K4A_")}
    colour, depth = colour_and_depth(path, tracks, options)
    try:
        outlined = outline(path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read ({error.strerror})") from error
    return MatroskaRecording(path, (colour, depth), tags, outlined, options)


class MatroskaRecording(Recording):
    """A Matroska file with colour and depth."""

    def __init__(
        self, path: Path, tracks: tuple[Track, Track], tags: dict[str, str], outlined: Outline, options: ReadOptions
    ) -> None:
        """Begin.

        Args:
            path: of the file.
            tracks: colour and depth.
            tags: of the file, those of Azure Kinect.
            outlined: what libavformat does not tell.
            options: how it is read.
        """
        self.path = path
        self._colour, self._depth = tracks
        kinect = bool(tags) or any(key.startswith("K4A_") for track in tracks for key in track.tags)
        self.format = FORMAT if kinect else "Matroska"
        self.rate = self._depth.rate or self._colour.rate
        self.registered = False if kinect else None
        self._units = options.units_per_metre or UNITS_PER_METRE
        self._offset, self._delay = (_nanoseconds(tags, f"K4A_{name}_NS") for name in ("START_OFFSET", "DEPTH_DELAY"))
        self._missing = outlined.missing
        self._gap = round(options.longest_gap_s * _NS)
        self._pairing: Pairing[_Image] = Pairing(self._gap)
        self.camera, calibration = _camera(self._colour, self._depth, outlined)
        self.facts = (*_facts(tracks, kinect, options, self._units), calibration)

    @property
    def unmatched(self) -> int:
        """How many images have had no partner so far."""
        return self._pairing.unmatched

    def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
        """Yield the pairs from one on, in the order of time."""
        self._pairing = Pairing(self._gap)
        first, index = 0, -1
        for index, (colour, depth) in enumerate(self._pairing.pairs(self._images())):
            first = colour.payload.stamp_ns if index == 0 else first
            if index >= start:
                stamps = colour.payload.stamp_ns, depth.payload.stamp_ns
                images = partial(self._read, colour.payload, depth.payload)
                yield read_frame(index, 1e-9 * (stamps[0] - first), stamps, images)
        if self._missing:
            where = f"after {index + 1} pairs"
            raise RecordingError(f"{self.path} ends {where}, {self._missing} bytes are missing; copy it again")

    def _read(self, colour: _Image, depth: _Image) -> Images:
        """Return the images of a pair.

        Raises:
            RecordingError: one of them is damaged.
        """
        pixels = colour.data if isinstance(colour.data, bytes) else colour.data.to_ndarray(format="rgb24")
        return pixels, to_metres(self._stored(depth.data), self._units)

    def _stored(self, data: Any) -> npt.NDArray[np.uint16]:
        """Return depth in its unit, [H, W]."""
        track = self._depth
        if not isinstance(data, bytes):
            return np.asarray(data.to_ndarray(), np.uint16)
        if len(data) != 2 * track.width * track.height:
            raise RecordingError(f"{self.path}: an image of track {track} has {len(data)} bytes; copy it again")
        order = ">u2" if track.depth_order == "big" else "<u2"
        return np.frombuffer(data, order).reshape(track.height, track.width)

    def _images(self) -> Iterator[Stamped[_Image]]:
        """Yield the images of both tracks as they lie in the file."""
        error_type = importlib.import_module("av").error.FFmpegError
        with _opened(self.path) as container:
            streams = [container.streams[track.number] for track in (self._colour, self._depth)]
            try:
                for packet in container.demux(streams):
                    yield from self._stamped(packet)
            except error_type as error:
                raise RecordingError(f"{self.path} is damaged here ({error.strerror}); copy it again") from error

    def _stamped(self, packet: Any) -> Iterator[Stamped[_Image]]:
        """Yield the images of one packet; those that are passed on or that numpy reads are not decoded."""
        depth = packet.stream.index == self._depth.number
        track = self._depth if depth else self._colour
        if track.code == "mjpeg" or (depth and track.depth_order):
            images = [(packet.pts, bytes(packet))] if packet.pts is not None and packet.size else []
        else:
            decoded = packet.decode()
            images = [(frame.pts, frame) for frame in decoded]
            if depth and not all(frame.format.name.startswith("gray") for frame in decoded):
                raise RecordingError(f"{self.path}: track {track} holds no depth; name another with --depth-topic")
        for pts, data in images:
            stamp = int(pts * packet.stream.time_base * _NS)
            image = _Image(stamp + self._offset, data)
            yield Stamped("depth", stamp - self._delay, image) if depth else Stamped("colour", stamp, image)


def _opened(path: Path) -> Any:
    """Open a container.

    Raises:
        RecordingError: it is damaged, or the package av is not there.
    """
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise RecordingError(
            f"{path} is Matroska, which needs the package av; pip install 'crosswire[video]'"
        ) from error
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read as Matroska ({error}); copy or record it again") from error


def _nanoseconds(tags: dict[str, str], name: str) -> int:
    """Return what a tag says; 0 where it is not there or no number."""
    try:
        return int(tags.get(name, "0"))
    except ValueError:
        return 0


def _camera(colour: Track, depth: Track, outlined: Outline) -> tuple[RgbdCamera | None, Fact]:
    """Return the camera, and what is known of it."""
    text = outlined.attachments.get(_CALIBRATION)
    if text is None:
        return None, Fact("camera", "not known", "no calibration is attached to the file")
    mode = _mode(depth)
    try:
        return read_calibration(text, mode, colour.size), Fact("camera", "known", f"the attached {_CALIBRATION} says")
    except CameraError as error:
        return None, Fact("camera", "not known", f"the attached {_CALIBRATION} cannot be used: {error}")


def _mode(depth: Track) -> str:
    """Return the mode of the depth camera: that of the tag, or that of its size."""
    named = depth.tags.get("K4A_DEPTH_MODE", "").upper()  # early devices write "2x2" in small letters
    return named or next((mode for mode, size in DEPTH_SIZES.items() if size == depth.size), "of this size")


def _facts(tracks: tuple[Track, Track], kinect: bool, options: ReadOptions, units: float) -> tuple[Fact, ...]:
    """Return what is known of the images."""
    colour, depth = tracks
    chosen = (options.colour, options.depth)
    origins = ["you chose" if one is not None else "the track's name and type say" for one in chosen]
    unit = f"{units:g} units per metre"
    if options.units_per_metre is not None:
        unit_fact = Fact("depth unit", unit, "you gave it")
    elif kinect:
        unit_fact = Fact("depth unit", unit, "Azure Kinect writes millimetres")
    else:
        unit_fact = Fact("depth unit", unit, "16-bit depth mostly counts millimetres", guessed=True)
    apart = "none, depth lies in a camera of its own" if kinect else "not known"
    why = "Azure Kinect records its two cameras" if kinect else "the file does not say"
    return (
        Fact("colour", str(colour), origins[0]),
        Fact("depth", str(depth), origins[1]),
        unit_fact,
        Fact(
            "no reading", "0", "Azure Kinect writes it" if kinect else "16-bit depth mostly has it", guessed=not kinect
        ),
        Fact("registration", apart, why),
    )
