"""Pixels of ROS' image messages: colour as RGB, depth as it is stored (REP 118, `sensor_msgs/image_encodings`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.media.recordings.recording import IMAGE_ERRORS, RecordingError
from crosswire.media.recordings.ros.compressed_depth import read_compressed_depth, read_png16

#: Encodings of depth: type of number, and how many make one metre; mono16 names no unit.
DEPTHS: Mapping[str, tuple[str, float]] = {"16UC1": ("u2", 1000.0), "mono16": ("u2", 1000.0), "32FC1": ("f4", 1.0)}
#: Encodings of colour: channels that are stored, and which of them are red, green and blue.
COLOURS: Mapping[str, tuple[int, tuple[int, int, int]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC3": (3, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
#: Encodings of colour with half the columns: places of both brightnesses and of blue and red difference.
HALVED: Mapping[str, tuple[int, int, int, int]] = {
    "yuv422": (1, 3, 0, 2),
    "uyvy": (1, 3, 0, 2),
    "yuv422_yuy2": (0, 2, 1, 3),
    "yuyv": (0, 2, 1, 3),
}
GREY = ("mono8", "8UC1")
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


def encoding_of(message: Any) -> tuple[str, str]:
    """Return the encoding of an image's pixels, and how it is compressed: "", "compressedDepth", "jpeg" or "png".

    `CompressedImage` writes both into its format: "16UC1; compressedDepth rvl", "rgb8; jpeg compressed bgr8", "jpeg".

    Args:
        message: decoded, `Image` or `CompressedImage`.
    """
    if hasattr(message, "encoding"):
        return str(message.encoding), ""
    first, _, rest = str(message.format).partition(";")
    encoding, words = first.strip(), rest.lower()
    if not rest:
        if encoding in DEPTHS:
            return encoding, "compressedDepth"
        encoding, words = "", first.lower()
    if "compresseddepth" in words:
        return encoding or "16UC1", "compressedDepth"
    return encoding, "png" if "png" in words else "jpeg"


def size_of(message: Any) -> tuple[int, int] | None:
    """Return width and height of an image, or None where its bytes do not say.

    Args:
        message: decoded, `Image` or `CompressedImage`.
    """
    if hasattr(message, "encoding"):
        return int(message.width), int(message.height)
    data = bytes(message.data)
    if encoding_of(message)[1] == "compressedDepth":
        if not data[12:].startswith(_PNG):
            return int.from_bytes(data[12:16], "little"), int.from_bytes(data[16:20], "little")
        data = data[12:]
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return image.size
    except IMAGE_ERRORS:
        return None


def read_colour(message: Any) -> npt.NDArray[np.uint8] | bytes:
    """Return colour, uint8 [H, W, 3] RGB, or the bytes of a JPEG or PNG as they are.

    Raises:
        RecordingError: it is damaged or encoded in another way.
    """
    encoding, _ = encoding_of(message)
    if not hasattr(message, "encoding"):
        data = bytes(message.data)
        if data.startswith((_JPEG, _PNG)):
            return data
        raise RecordingError(f"got a compressed image that begins with {data[:4]!r}, expected a JPEG or PNG")
    if encoding in HALVED:
        return _from_halved(_pixels(message, "u1", 2), HALVED[encoding])
    if encoding not in COLOURS:
        known = ", ".join((*COLOURS, *HALVED))
        raise RecordingError(f"got colour encoded as {encoding!r}, expected one of {known}; try image_proc")
    channels, order = COLOURS[encoding]
    pixels = _pixels(message, "u1", channels)
    return np.ascontiguousarray(pixels if order == (0, 1, 2) and channels == 3 else pixels[..., list(order)])


def read_depth(message: Any) -> npt.NDArray[Any]:
    """Return depth as it is stored, [H, W], uint16 or float32.

    Raises:
        RecordingError: it is damaged or encoded in another way.
    """
    encoding, transport = encoding_of(message)
    if encoding not in DEPTHS:
        raise RecordingError(f"got depth encoded as {encoding!r}, expected one of {', '.join(DEPTHS)}")
    if transport == "compressedDepth":
        return read_compressed_depth(bytes(message.data), encoding)
    if transport:
        return read_png16(bytes(message.data))
    return _pixels(message, DEPTHS[encoding][0], 1)[..., 0]


def _pixels(message: Any, number: str, channels: int) -> npt.NDArray[Any]:
    """Return the pixels of an `Image`, [H, W, channels], in the order of bytes of this machine."""
    width, height = int(message.width), int(message.height)
    kind = np.dtype(number).newbyteorder(">" if message.is_bigendian else "<")
    row = width * channels * kind.itemsize
    step = int(message.step) or row
    data = np.asarray(message.data, np.uint8)
    if min(width, height) < 1 or step < row or data.size < step * (height - 1) + row:
        raise RecordingError(
            f"got an image of {data.size} bytes in rows of {step}, expected {width} x {height} pixels in "
            f"{message.encoding}; record or copy it again"
        )
    if step == row:
        stored = data[: row * height].view(kind) if data.flags.c_contiguous else data[: row * height].copy().view(kind)
    else:
        whole = np.zeros(step * height, np.uint8)
        whole[: min(data.size, whole.size)] = data[: whole.size]
        stored = np.ascontiguousarray(whole.reshape(height, step)[:, :row]).view(kind)
    return stored.reshape(height, width, channels).astype(kind.newbyteorder("="), copy=False)


def _from_halved(pairs: npt.NDArray[np.uint8], places: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    """Return RGB from brightness and colour differences of every second column (ITU-R BT.601, 16 to 235)."""
    height, width, _ = pairs.shape
    if width % 2:
        raise RecordingError(f"got {width} columns in yuv422, expected an even number; record it again")
    quads = pairs.reshape(height, width // 2, 4).astype(np.float32)
    first, second, blue, red = (quads[..., place] for place in places)
    bright = 1.164 * (np.stack((first, second), -1).reshape(height, width) - 16)
    u, v = (np.repeat(one - 128, 2, axis=1) for one in (blue, red))
    rgb = np.stack((bright + 1.596 * v, bright - 0.392 * u - 0.813 * v, bright + 2.017 * u), -1)
    return np.asarray(np.clip(rgb + 0.5, 0, 255), np.uint8)
