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

from crosswire.media.recordings.recording import IMAGE_ERRORS, MOST_PIXELS, RecordingError

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
    except IMAGE_ERRORS as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"got depth as a damaged PNG ({error}); {_CURE}") from error


def read_rvl_image(data: bytes) -> npt.NDArray[np.uint16]:
    """Return depth from width, height and RVL, [H, W].

    Raises:
        RecordingError: it is damaged.
    """
    width, height = struct.unpack_from("<ii", data) if len(data) >= 8 else (0, 0)
    if not (0 < width <= 1 << 15 and 0 < height <= 1 << 15 and width * height <= MOST_PIXELS):
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
    listed = values.data
    runs: list[int] = []
    heads: list[int] = []
    place = at = 0
    while place < count:
        zeros, others = listed[at : at + 2].tolist() if at + 2 <= len(listed) else (0, 0)
        place += zeros + others
        if min(zeros, others) < 0 or not zeros + others or place > count or at + 2 + others > len(listed):
            raise RecordingError(f"got RVL that ends within {count} pixels; {_CURE}")
        runs += zeros, others
        heads.append(at)
        at += 2 + others
    deltas = np.ones(at, bool)
    deltas[heads] = False
    deltas[np.array(heads) + 1] = False
    steps = values[:at][deltas]
    pixels = np.zeros(count, np.uint16)
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    pixels[filled] = np.cumsum((steps >> 1) ^ -(steps & 1)).astype(np.uint16)
    return pixels


def _numbers(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Return the numbers of a stream of nibbles: the upper bit says that more follows, the lowest three come first."""
    pairs = words.astype(">u4").view(np.uint8)
    nibbles = np.empty(2 * pairs.size, np.uint8)
    nibbles[0::2], nibbles[1::2] = pairs >> 4, pairs & 15
    more = nibbles >= 8
    level = np.zeros(nibbles.size, bool)
    level[1:] = more[:-1]
    follows, place = level.copy(), level.astype(np.uint8)
    for _ in range(8):  # 9 nibbles are 27 bits, more than any number has
        level[1:] = level[:-1] & follows[1:]
        level[:1] = False
        if not level.any():
            break
        place += level
    parts = (nibbles & 7).astype(np.int32) << (3 * place)
    return np.diff(np.cumsum(parts, dtype=np.int64)[~more], prepend=0).astype(np.int32)
