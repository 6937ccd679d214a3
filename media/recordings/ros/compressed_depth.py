"""Depth as the transport `compressedDepth` of ROS writes it: 12 bytes of header, then a PNG or RVL.

The header is a whole number (the format) and two floats, which belong to depth in metres: it is stored as its inverse
in 16 bits, depth = A / (stored - B), 0 no reading
(https://github.com/ros-perception/image_transport_plugins, compressed_depth_image_transport). RVL are runs of zeros and
of differences, both as numbers of 3 bits a nibble (A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017).
"""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.media.recordings.recording import RecordingError

_HEADER = struct.Struct("<iff")
_PNG = b"\x89PNG\r\n\x1a\n"
_CURE = "record or copy it again"


def read_compressed_depth(data: bytes, encoding: str) -> npt.NDArray[np.uint16] | npt.NDArray[np.float32]:
    """Return the depth of a message of the transport.

    Args:
        data: of the message.
        encoding: of the image before it was compressed: "16UC1" or "32FC1".

    Returns:
        [H, W]: whole numbers as they are stored, or metres, NaN where there is no reading.

    Raises:
        RecordingError: it is damaged.
    """
    if len(data) <= _HEADER.size:
        raise RecordingError(f"got compressedDepth of {len(data)} bytes, expected a header and an image; {_CURE}")
    _, a, b = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    stored = read_png16(body) if body.startswith(_PNG) else read_rvl_image(body)
    if encoding != "32FC1":
        return stored
    with np.errstate(divide="ignore"):
        metres = np.float32(a) / (stored.astype(np.float32) - np.float32(b))
    return np.asarray(np.where(stored == 0, np.float32(np.nan), metres), np.float32)


def read_png16(data: bytes) -> npt.NDArray[np.uint16]:
    """Return the pixels of a PNG of 16 bits, [H, W].

    Raises:
        RecordingError: it is damaged or has other pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode not in ("I;16", "I;16B", "I"):
                raise RecordingError(f"got depth as a PNG of mode {image.mode}, expected 16 bits of grey")
            return np.asarray(image).astype(np.uint16)
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"got depth as a damaged PNG ({error}); {_CURE}") from error


def read_rvl_image(data: bytes) -> npt.NDArray[np.uint16]:
    """Return depth from width, height and RVL, [H, W].

    Raises:
        RecordingError: it is damaged.
    """
    width, height = struct.unpack_from("<ii", data) if len(data) >= 8 else (0, 0)
    if not (0 < width <= 1 << 15 and 0 < height <= 1 << 15):
        raise RecordingError(f"got compressedDepth of {width} x {height} pixels that is no PNG, expected RVL; {_CURE}")
    return read_rvl(data[8:], width * height).reshape(height, width)


def read_rvl(data: bytes, count: int) -> npt.NDArray[np.uint16]:
    """Return pixels from RVL.

    Args:
        data: whole numbers of 32 bits, the lowest byte first, each 8 nibbles from the highest on.
        count: number of pixels.

    Raises:
        RecordingError: there are not that many.
    """
    values = _numbers(np.frombuffer(data, "<u4", len(data) // 4))
    pixels = np.zeros(count, np.uint16)
    listed: list[int] = values.tolist()
    filled = np.zeros(count, bool)
    deltas = np.zeros(len(listed), bool)
    place = at = 0
    while place < count:
        run = listed[at : at + 2]
        if len(run) < 2 or place + sum(run) > count or at + 2 + run[1] > len(listed) or not sum(run):
            raise RecordingError(f"got RVL that ends after {place} of {count} pixels; {_CURE}")
        start = place + run[0]
        place, at = start + run[1], at + 2
        filled[start:place] = True
        deltas[at : at + run[1]] = True
        at += run[1]
    steps = values[deltas]
    pixels[filled] = np.cumsum((steps >> 1) ^ -(steps & 1)).astype(np.uint16)
    return pixels


def _numbers(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Return the numbers of a stream of nibbles: the upper bit says that more follows, the lowest three come first."""
    shifts = np.arange(28, -1, -4, dtype=np.uint32)
    nibbles = ((words[:, None] >> shifts) & np.uint32(15)).astype(np.int64).ravel()
    last = np.flatnonzero(nibbles < 8)
    if not last.size:
        return np.zeros(0, np.int64)
    nibbles = nibbles[: last[-1] + 1]
    starts = np.concatenate(([0], last[:-1] + 1))
    place = np.arange(nibbles.size) - np.repeat(starts, np.diff(np.append(starts, nibbles.size)))
    return np.asarray(np.add.reduceat((nibbles & 7) << (3 * np.minimum(place, 20)), starts), np.int64)
