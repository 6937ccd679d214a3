"""Record3D's archives, `.r3d`: a ZIP of a JPEG and of depth in metres per frame, and what the app knows of them.

`metadata` is JSON with sizes (`w`, `h`, `dw`, `dh`), the intrinsic matrix `K` of colour, column after column, `fps` and
`frameTimestamps` in seconds; `rgbd/0.jpg`, `rgbd/0.depth` and `rgbd/0.conf` are the frames. Depth is packed by LZFSE
and lies on colour, smaller where a LiDAR took it (https://github.com/marek-simonik/record3d, issues 7, 93 and 108).
Confidence is not used: depth is passed on as it is stored.
"""

from __future__ import annotations

import importlib
import json
import lzma
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.indexed import (
    About,
    IndexedRecording,
    even_stamps,
    lens_of,
    no_stamps,
    unit_words,
)
from crosswire.media.recordings.recording import (
    IMAGE_ERRORS,
    MOST_PIXELS,
    Fact,
    Images,
    ReadOptions,
    Recording,
    RecordingError,
)

FORMAT = "Record3D .r3d"
_FRAME = re.compile(r"(?:.*/)?rgbd/(\d+)\.(jpg|jpeg|png|depth)", re.IGNORECASE)
_METADATA = re.compile(r"(?:.*/)?metadata(?:\.json)?")
_LARGEST, _LARGEST_METADATA = 1 << 28, 1 << 24  # bytes; more is a bomb
_RAW_SIZE = slice(4, 8)  # of the first block of LZFSE
#: What a damaged or encrypted archive makes of reading it.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError)
#: Depth of a LiDAR is at most so wide; a face's camera has more.
_LIDAR_WIDTH = 256


@dataclass(frozen=True)
class _Archive:
    """An open archive.

    Attributes:
        path: of its file.
        file: the archive.
        metadata: what the app knows.
        colours: names of colour by frame.
        depths: names of depth by frame.
    """

    path: Path
    file: zipfile.ZipFile
    metadata: Mapping[str, Any]
    colours: Mapping[int, str]
    depths: Mapping[int, str]

    def read(self, name: str, largest: int = _LARGEST) -> bytes:
        """Return a file of the archive.

        Raises:
            RecordingError: it is damaged or far too large.
        """
        try:
            if self.file.getinfo(name).file_size > largest:
                raise RecordingError(f"{self.path}: {name} has more than {largest} bytes; export it again")
            return self.file.read(name)
        except RecordingError:
            raise
        except _ZIP_ERRORS as error:
            raise RecordingError(f"{self.path}: {name} cannot be read ({error}); copy it again") from error


def is_record3d(path: Path, head: bytes) -> bool:
    """Say whether a file is one: a ZIP that is called so, or holds its folder."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    if path.suffix.lower() == ".r3d":
        return True
    try:
        with zipfile.ZipFile(path) as file:
            return any(_FRAME.fullmatch(name) and name.endswith(".depth") for name in file.namelist())
    except _ZIP_ERRORS:
        return False


def open_record3d(path: Path, options: ReadOptions) -> Recording:
    """Open an archive.

    Raises:
        RecordingError: it is damaged, holds no pair, or the package lzfse is not there.
    """
    unpack = _unpacker(path)
    archive = _opened(path)
    try:
        return _recording(path, archive, unpack, options)
    except BaseException:
        archive.file.close()
        raise


def _recording(
    path: Path, archive: _Archive, unpack: Callable[[bytes], bytes], options: ReadOptions
) -> IndexedRecording:
    """Return the pairs of an archive.

    Raises:
        RecordingError: it holds none, or is damaged.
    """
    frames = sorted(set(archive.colours) & set(archive.depths))
    if not frames:
        raise RecordingError(
            f"{path} holds {len(archive.colours)} colour and {len(archive.depths)} depth images and no pair; expected "
            "rgbd/0.jpg and rgbd/0.depth"
        )
    colour_size = _size(archive, archive.colours[frames[0]])
    depth_size = _depth_size(archive, _depth(archive, frames[0], unpack).size, colour_size)
    camera, calibration = _camera(archive, colour_size, depth_size)
    units = options.units_per_metre or 1.0
    try:
        stamps, time = _stamps(archive, frames)
    except OverflowError:
        stamps, time = even_stamps(len(frames)), (no_stamps("the metadata's times are damaged"),)
    facts = (
        Fact("colour", f"{colour_size[0]} x {colour_size[1]}", "the images say"),
        Fact("depth", f"{depth_size[0]} x {depth_size[1]}", "the metadata and the images say"),
        Fact("depth unit", unit_words(units), "you gave it" if options.units_per_metre else "Record3D writes"),
        Fact("no reading", "what is not finite, and 0", "ARKit has it"),
        Fact("registration", "depth lies in the colour camera", "Record3D's author says"),
        *_mirroring(depth_size),
        calibration,
        *time,
    )

    def load(index: int) -> Images:
        number = frames[index]
        values = _depth(archive, number, unpack)
        if values.size != depth_size[0] * depth_size[1]:
            raise RecordingError(f"{path}: depth of frame {number} has {values.size} pixels; copy it again")
        return archive.read(archive.colours[number]), to_metres(values.reshape(depth_size[::-1]), units)

    unmatched = len(archive.colours) + len(archive.depths) - 2 * len(frames)
    about = About(FORMAT, facts, camera, True, unmatched)
    return IndexedRecording(path, about, stamps, load, close=archive.file.close)


def _unpacker(path: Path) -> Callable[[bytes], bytes]:
    """Return what unpacks LZFSE; bytes that are not packed come back as they are.

    Raises:
        RecordingError: no package for it is there.
    """
    for name in ("lzfse", "liblzfse"):
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue

        def unpack(data: bytes, library: Any = library) -> bytes:
            if not data.startswith(b"bvx"):
                return data
            if int.from_bytes(data[_RAW_SIZE], "little") > 4 * MOST_PIXELS:
                raise ValueError("LZFSE claims more pixels than an image has")
            try:
                unpacked: bytes = library.decompress(data)
            except library.error as error:
                raise ValueError("LZFSE is damaged") from error
            return unpacked

        return unpack
    raise RecordingError(f"{path} is Record3D's, whose depth needs the package lzfse; pip install lzfse")


def _opened(path: Path) -> _Archive:
    """Open an archive and read its metadata."""
    try:
        file = zipfile.ZipFile(path)
    except _ZIP_ERRORS as error:
        raise RecordingError(
            f"{path} cannot be read ({error}); the table of an archive is at its end, one that is cut holds nothing: "
            "copy it again"
        ) from error
    colours: dict[int, str] = {}
    depths: dict[int, str] = {}
    for name in file.namelist():
        if match := _FRAME.fullmatch(name):
            (depths if match[2].lower() == "depth" else colours)[int(match[1])] = name
    named = next((name for name in file.namelist() if _METADATA.fullmatch(name)), None)
    archive = _Archive(path, file, {}, colours, depths)
    if named is None:
        raise RecordingError(f"{path} holds no metadata; export it from Record3D as .r3d")
    text = archive.read(named, _LARGEST_METADATA)
    try:
        metadata = json.loads(text)
        if not isinstance(metadata, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: {named} is no JSON ({error}); copy it again") from error
    return _Archive(path, file, metadata, colours, depths)


def _size(archive: _Archive, name: str) -> tuple[int, int]:
    """Return width and height of an image in the archive."""
    try:
        with Image.open(BytesIO(archive.read(name)), formats=("JPEG", "PNG")) as image:
            return image.size
    except IMAGE_ERRORS as error:
        raise RecordingError(f"{archive.path}: {name} cannot be read ({error}); copy it again") from error


def _depth_size(archive: _Archive, count: int, colour: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of so many pixels of depth: those of the metadata, else in proportion to colour."""
    width, height = colour
    said = archive.metadata.get("dw"), archive.metadata.get("dh")
    if isinstance(said[0], int) and isinstance(said[1], int) and said[0] * said[1] == count:
        return said[0], said[1]
    across = round(math.sqrt(count * width / height))
    if across and count and count % across == 0 and abs(across * height - count // across * width) <= width:
        return across, count // across
    raise RecordingError(
        f"{archive.path}: depth has {count} pixels, and colour {width} x {height}, which do not go together; expected "
        "sizes dw and dh in the metadata"
    )


def _depth(archive: _Archive, number: int, unpack: Callable[[bytes], bytes]) -> npt.NDArray[np.float32]:
    """Return the numbers of a frame's depth, one row."""
    name = archive.depths[number]
    data = archive.read(name)
    try:
        return np.frombuffer(unpack(data), "<f4")
    except ValueError as error:
        raise RecordingError(f"{archive.path}: {name} cannot be read ({error}); copy it again") from error


def _camera(archive: _Archive, colour: tuple[int, int], depth: tuple[int, int]) -> tuple[RgbdCamera | None, Fact]:
    """Return the camera, and what is known of it."""
    metadata = archive.metadata
    try:
        matrix = np.array(metadata["K"], np.float64).reshape(3, 3).T
        size = metadata.get("w", colour[0]), metadata.get("h", colour[1])
        lens = lens_of(matrix, size).scaled(*colour)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return None, Fact("camera", "not known", f"the metadata's K cannot be used: {error!r}")
    known = "known"
    frames = metadata.get("perFrameIntrinsicCoeffs")
    focal = [float(one[0]) for one in frames if _is_lens(one)] if isinstance(frames, list) else []
    if focal and (spread := (max(focal) - min(focal)) / matrix[0, 0]) > 1e-3:
        known = f"known, for all frames; the focal length changes by {100 * spread:.1f} %"
    return RgbdCamera(lens, lens.scaled(*depth)), Fact("camera", known, "the metadata's K says")


def _is_lens(value: Any) -> bool:
    """Say whether something is fx, fy, cx and cy."""
    return isinstance(value, list) and len(value) >= 4 and all(isinstance(one, (int, float)) for one in value)


def _stamps(archive: _Archive, frames: list[int]) -> tuple[list[tuple[int, int]], tuple[Fact, ...]]:
    """Return the stamps of frames, and what is known of them where they are not written for each."""
    written = archive.metadata.get("frameTimestamps")
    if (
        isinstance(written, list)
        and len(written) > frames[-1]
        and all(isinstance(one, (int, float)) for one in written)
    ):
        seconds = [written[number] for number in frames]
        if all(map(math.isfinite, seconds)) and seconds == sorted(seconds):
            return [(stamp, stamp) for stamp in (round(1e9 * one) for one in seconds)], ()
    rate = archive.metadata.get("fps")
    if isinstance(rate, (int, float)) and rate > 0 and math.isfinite(rate):
        stamps = [round(1e9 * number / rate) for number in frames]
        return [(stamp, stamp) for stamp in stamps], (Fact("time", f"{rate:g} frames per second", "the metadata says"),)
    return even_stamps(len(frames)), (no_stamps("the metadata says nothing of time"),)


def _mirroring(depth: tuple[int, int]) -> tuple[Fact, ...]:
    """Return what is known of mirroring: a face's camera is live a mirror, and no archive says what it holds."""
    if min(depth) <= _LIDAR_WIDTH:
        return ()
    return (Fact("mirroring", "none", "the face's camera took it, whose live stream is a mirror", guessed=True),)
