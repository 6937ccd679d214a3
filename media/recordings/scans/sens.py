"""ScanNet's `.sens`, version 4: a header with the calibration, then a pose, two stamps, colour and depth of each frame.

The layout is that of ScanNet's SensReader (https://github.com/ScanNet/ScanNet/tree/master/SensReader). Colour is a JPEG
or PNG, passed on as it is stored, or pixels; depth is 16 bits, packed by zlib or not, in units of the header's shift;
stamps are microseconds. Depth that the Structure sensor's library has packed is read by nothing else.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.indexed import About, IndexedRecording, even_stamps, lens_of, no_stamps
from crosswire.media.recordings.recording import Fact, Images, ReadOptions, Recording, RecordingError

FORMAT = "ScanNet .sens"
VERSION = 4
_COLOURS = {0: "pixels", 1: "PNG", 2: "JPEG"}
_DEPTHS = {0: "as it is", 1: "packed by zlib", 2: "packed by the Structure sensor's library"}
_FRAME = struct.Struct("<64xQQQQ")  # pose, stamps of colour and depth, bytes of colour and depth
_SIZES = struct.Struct("<iiIIIIfQ")
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        sensor: name of the device.
        matrices: intrinsic and extrinsic of colour, then of depth, [4, 4, 4].
        colour_code: how colour is stored.
        depth_code: how depth is stored.
        colour_size: width and height, pixels.
        depth_size: the same of depth.
        units_per_metre: what a metre counts in depth.
        count: frames.
    """

    sensor: str
    matrices: npt.NDArray[np.float32]
    colour_code: int
    depth_code: int
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    units_per_metre: float
    count: int


@dataclass(frozen=True)
class _Place:
    """Where a frame lies: where its colour begins, bytes of colour and depth, its stamps in nanoseconds."""

    start: int
    colour_bytes: int
    depth_bytes: int
    stamps: tuple[int, int]


def is_sens(path: Path, head: bytes) -> bool:
    """Say whether a file is one, of any version."""
    return path.suffix.lower() == ".sens" and len(head) >= 12 and int.from_bytes(head[:4], "little") < 256


def open_sens(path: Path, options: ReadOptions) -> Recording:
    """Open a file.

    Raises:
        RecordingError: it is damaged, of another version, holds no frame, or depth that cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _header(path, file)
        places, damage = _table(path, file, header, size)
    if not places:
        raise RecordingError(f"{path} {damage or 'holds no frame'}; copy it again")
    camera, calibration = _camera(header)
    units = options.units_per_metre or header.units_per_metre
    origin = "you gave it" if options.units_per_metre else "the file's header says"
    colour, depth = (f"{width} x {height}" for width, height in (header.colour_size, header.depth_size))
    facts = [
        Fact("sensor", header.sensor, "the file's header says"),
        Fact("colour", f"{colour}, {_COLOURS[header.colour_code]}", "the file's header says"),
        Fact("depth", f"{depth}, {_DEPTHS[header.depth_code]}", "the file's header says"),
        Fact("depth unit", f"{units:g} units per metre", origin),
        Fact("no reading", "0", "ScanNet's tools take it"),
        Fact("registration", "depth lies in the colour camera", "ScanNet's authors say of their files"),
        calibration,
    ]
    stamps = [place.stamps for place in places]
    if len(places) > 1 and len(set(stamps)) == 1:
        stamps = even_stamps(len(places))
        facts.append(no_stamps("all stamps in the file are the same"))

    def load(index: int) -> Images:
        return _images(path, header, places[index], index, units)

    if damage:
        damage = f"{path} {damage}; copy it again"
    return IndexedRecording(path, About(FORMAT, tuple(facts), camera, True, 0, damage), stamps, load)


def _header(path: Path, file: BinaryIO) -> Header:
    """Read the header."""
    version, length = struct.unpack("<IQ", _read(path, file, 12))
    if version != VERSION:
        raise RecordingError(
            f"{path} is a .sens file of version {version}, expected {VERSION}; export it with SensReader"
        )
    if length > _LONGEST_NAME:
        raise RecordingError(f"{path} names its sensor with {length} letters, it is damaged; copy it again")
    sensor = _read(path, file, length).decode("utf-8", "replace")
    matrices = np.frombuffer(_read(path, file, 4 * 64), "<f4").reshape(4, 4, 4)
    colour, depth, *sizes, shift, count = _SIZES.unpack(_read(path, file, _SIZES.size))
    if colour not in _COLOURS or depth not in _DEPTHS:
        raise RecordingError(f"{path} stores colour in code {colour} and depth in code {depth}, it is damaged or new")
    if depth == 2:
        raise RecordingError(
            f"{path} holds depth {_DEPTHS[2]} (occi_ushort), expected zlib_ushort or raw_ushort; convert it with "
            "ScanNet's SensReader"
        )
    if min(sizes) < 1 or max(sizes) > 1 << 15 or not 0 < shift < 1e9:
        raise RecordingError(f"{path} has images of {sizes} pixels and {shift:g} units, it is damaged; copy it again")
    return Header(sensor, matrices, colour, depth, (sizes[0], sizes[1]), (sizes[2], sizes[3]), shift, count)


def _read(path: Path, file: BinaryIO, count: int) -> bytes:
    """Read bytes of the header."""
    data = file.read(count)
    if len(data) < count:
        raise RecordingError(f"{path} ends in its header; copy it again")
    return data


def _table(path: Path, file: BinaryIO, header: Header, size: int) -> tuple[list[_Place], str]:
    """Return where the frames lie, and what is wrong with the first that is not whole."""
    places: list[_Place] = []
    while len(places) < header.count:
        record = file.read(_FRAME.size)
        if len(record) < _FRAME.size:
            return places, f"ends after {len(places)} of {header.count} frames"
        colour_us, depth_us, colour, depth = _FRAME.unpack(record)
        start = file.tell()
        if start + colour + depth > size:
            return places, f"ends within frame {len(places) + 1} of {header.count}"
        places.append(_Place(start, colour, depth, (1000 * colour_us, 1000 * depth_us)))
        file.seek(start + colour + depth)
    return places, ""


def _camera(header: Header) -> tuple[RgbdCamera | None, Fact]:
    """Return the camera, and what is known of it."""
    inner, outer = header.matrices[::2], header.matrices[1::2]
    if not all(np.allclose(one, np.eye(4), atol=1e-5) for one in outer):
        return None, Fact("camera", "not known", "the header has extrinsic matrices of unsaid meaning")
    try:
        colour, depth = (lens_of(*one) for one in zip(inner, (header.colour_size, header.depth_size), strict=True))
    except CameraError as error:
        return None, Fact("camera", "not known", f"the header's matrices cannot be used: {error}")
    return RgbdCamera(colour, depth), Fact("camera", "known", "the file's header says")


def _images(path: Path, header: Header, place: _Place, index: int, units: float) -> Images:
    """Read one frame."""
    with path.open("rb") as file:
        file.seek(place.start)
        colour, depth = file.read(place.colour_bytes), file.read(place.depth_bytes)
    width, height = header.depth_size
    if header.depth_code == 1:
        try:
            depth = zlib.decompressobj().decompress(depth, 2 * width * height + 1)  # one more shows what is too long
        except zlib.error as error:
            raise RecordingError(f"{path}: depth of frame {index} is damaged ({error}); copy it again") from error
    if len(depth) != 2 * width * height:
        raise RecordingError(f"{path}: depth of frame {index} has not {width} x {height} pixels; copy it again")
    metres = to_metres(np.frombuffer(depth, "<u2").reshape(height, width), units)
    return (_pixels(path, colour, header, index) if header.colour_code == 0 else colour), metres


def _pixels(path: Path, data: bytes, header: Header, index: int) -> npt.NDArray[np.uint8]:
    """Return colour that is stored as pixels."""
    width, height = header.colour_size
    if len(data) != 3 * width * height:
        raise RecordingError(f"{path}: colour of frame {index} has not {width} x {height} pixels; copy it again")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
