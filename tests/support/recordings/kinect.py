"""Azure Kinect recordings made here, by libavformat's Matroska writer: tracks, tags and the attached calibration."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

TICKS = 1000  # Matroska's usual clock: milliseconds
DEPTH_SIZE, COLOUR_SIZE = (640, 576), (1280, 720)
#: Numbers of no real device; lenses that bend little, the cameras 32 mm apart and one turned by 6 degrees.
DEPTH_NUMBERS = (0.5, 0.51, 0.49, 0.495, 0.5, -0.02, -0.003, 0.85, 0.08, -0.01, 0, 0, -7e-5, 2e-5)
COLOUR_NUMBERS = (0.501, 0.507, 0.478, 0.6375, 0.33, -2.49, 1.45, 0.21, -2.3, 1.37, 0, 0, -1.3e-4, -1.6e-4)
_LETTERS = {"gray16be": "b16g", "yuyv422": "YUY2", "nv12": "NV12", "bgra": "BGRA"}
TURN = np.deg2rad(6.0)
ROTATION = (1, 0, 0, 0, float(np.cos(TURN)), float(np.sin(TURN)), 0, float(-np.sin(TURN)), float(np.cos(TURN)))
TRANSLATION = (-0.032, -0.002, 0.004)


def calibration(**changes: Any) -> dict[str, Any]:
    """Return a calibration as a device stores it; `changes` are of its colour camera."""
    colour = {
        "Intrinsics": {
            "ModelParameterCount": 14,
            "ModelParameters": list(COLOUR_NUMBERS),
            "ModelType": "CALIBRATION_LensDistortionModelBrownConrady",
        },
        "Location": "CALIBRATION_CameraLocationPV0",
        "MetricRadius": 0,
        "Rt": {"Rotation": list(ROTATION), "Translation": list(TRANSLATION)},
        "SensorWidth": 4096,
        "SensorHeight": 3072,
    }
    depth = {
        **colour,
        "Intrinsics": {**colour["Intrinsics"], "ModelParameters": list(DEPTH_NUMBERS)},  # type: ignore[dict-item]
        "Location": "CALIBRATION_CameraLocationD0",
        "MetricRadius": 1.74,
        "Rt": {"Rotation": np.eye(3).ravel().tolist(), "Translation": [0, 0, 0]},
        "SensorWidth": 1024,
        "SensorHeight": 1024,
    }
    return {"CalibrationInformation": {"Cameras": [depth, {**colour, **changes}]}}


def colour_image(index: int, size: tuple[int, int] = COLOUR_SIZE) -> NDArray[np.uint8]:
    """Return the colour of a frame: one grey that gets lighter by 20 a frame, up to 250."""
    return np.full((size[1], size[0], 3), min(20 + 20 * index, 250), np.uint8)


def depth_image(index: int, size: tuple[int, int] = DEPTH_SIZE) -> NDArray[np.uint16]:
    """Return the depth of a frame, millimetres: a ramp with a corner of no reading."""
    ramp = np.arange(size[0], dtype=np.uint16)[None, :] + np.uint16(1000 + index)
    image = np.repeat(ramp, size[1], axis=0)
    image[:40, :40] = 0
    return image


def write_mkv(
    path: Path,
    count: int = 3,
    *,
    colour: str = "mjpeg",
    depth: str = "gray16be",
    names: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    attached: Any = None,
    mode: str = "NFOV_UNBINNED",
    sizes: tuple[tuple[int, int], tuple[int, int]] = (COLOUR_SIZE, DEPTH_SIZE),
    stamps_ms: Sequence[tuple[int, int]] | None = None,
) -> Path:
    """Write a recording.

    Args:
        path: where.
        count: pairs.
        colour: "mjpeg", a format of raw pixels, or empty for no track.
        depth: format of raw pixels, "ffv1", or empty for no track.
        names: titles of the tracks `colour` and `depth`.
        tags: of the file.
        attached: the calibration, None for that of `calibration`, False for none.
        mode: of the depth camera, empty for no tag.
        sizes: width and height of colour and depth.
        stamps_ms: of colour and depth of each pair; 33 ms apart if not given.
    """
    titles = {"colour": "COLOR", "depth": "DEPTH", **(names or {})}
    stamps = stamps_ms or [(33 * index, 33 * index) for index in range(count)]
    # As k4arecorder does: raw pixels are named by four letters. Those are written later, so nothing is summed up.
    options = {"allow_raw_vfw": "1", "write_crc32": "0"}
    with av.open(str(path), "w", format="matroska", options=options) as out:
        out.metadata.update(tags if tags is not None else {"K4A_START_OFFSET_NS": "336277000"})
        streams = []
        for kind, code, size in (("colour", colour, sizes[0]), ("depth", depth, sizes[1])):
            if code:
                streams.append((kind, code, size, _stream(out, code, size, titles[kind])))
        for kind, _, _, stream in streams:
            if kind == "depth" and mode:
                stream.metadata["K4A_DEPTH_MODE"] = mode
        if attached is not False:
            text = attached if isinstance(attached, bytes) else json.dumps(attached or calibration()).encode() + b"\0"
            out.add_attachment("calibration.json", "application/octet-stream", text)
        for index, pair in enumerate(stamps):
            for kind, code, size, stream in streams:
                _encode(out, stream, _frame(kind, code, index, size), pair[kind == "depth"])
        for *_, stream in streams:
            out.mux(stream.encode(None))
    for _, code, size, _ in streams:
        if code in _LETTERS:
            _name_pixels(path, size, code)
    return path


def _name_pixels(path: Path, size: tuple[int, int], code: str) -> None:
    """Write the four letters of raw pixels into a bitmap's header, of rows from the top, as k4arecorder does."""
    data = path.read_bytes()
    letters = _LETTERS[code].encode()
    if letters in data:
        return
    bits = 32 if code == "bgra" else 16
    blank = struct.pack("<IiiHHI", 40, size[0], -size[1], 1, bits, 0)
    assert data.count(blank) == 1
    path.write_bytes(data.replace(blank, struct.pack("<IiiHH", 40, *size, 1, bits) + letters))


def _stream(out: Any, code: str, size: tuple[int, int], title: str) -> Any:
    """Add a track."""
    codec = code if code in ("mjpeg", "ffv1") else "rawvideo"
    stream = out.add_stream(codec, rate=30)
    stream.width, stream.height = size
    stream.pix_fmt = {"mjpeg": "yuvj444p", "ffv1": "gray16le"}.get(code, code)
    stream.codec_context.time_base = Fraction(1, TICKS)
    stream.metadata["title"] = title
    if codec == "mjpeg":
        stream.codec_context.options = {"qscale": "2"}
    return stream


def _frame(kind: str, code: str, index: int, size: tuple[int, int]) -> Any:
    """Return the image of a track as libavcodec takes it."""
    if kind == "colour":
        return av.VideoFrame.from_ndarray(colour_image(index, size), format="rgb24")
    values = depth_image(index, size)
    if code == "yuyv422":  # depth of early devices: its bytes in another name
        return av.VideoFrame.from_ndarray(values.view(np.uint8).reshape(size[1], size[0], 2), format="yuyv422")
    if code == "gray16be":
        return av.VideoFrame.from_ndarray(values, format=code)
    return av.VideoFrame.from_ndarray(values, format="gray16le")


def _encode(out: Any, stream: Any, frame: Any, stamp_ms: int) -> None:
    """Encode an image."""
    frame.pts, frame.time_base = stamp_ms, Fraction(1, TICKS)
    out.mux(stream.encode(frame))
