"""Record3D's archives and ScanNet's .sens files made here, as their documentation describes them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lzfse
import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: fx, fy, cx and cy of colour, pixels.
LENS = (700.0, 705.0, 360.5, 480.25)


def jpeg(red: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG of one colour."""
    file = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), (red, 60, 90), np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def metres(index: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the depth of a frame: a ramp with readings that are none."""
    image = np.linspace(0.3, 4 + index, size[0] * size[1], dtype=np.float32).reshape(size[1], size[0])
    image[0, :3] = np.nan, np.inf, 0
    return image


def write_r3d(
    path: Path,
    count: int = 3,
    *,
    sizes: tuple[tuple[int, int], tuple[int, int]] = ((720, 960), (192, 256)),
    metadata: Mapping[str, Any] | None = None,
    drop: Sequence[str] = (),
    pack: Callable[[bytes], bytes] = lzfse.compress,
) -> Path:
    """Write an archive.

    Args:
        path: where.
        count: frames.
        sizes: width and height of colour and of depth.
        metadata: replaces what is usual; None as a value leaves a key out.
        drop: names that are left out.
        pack: of the bytes of depth.
    """
    fx, fy, cx, cy = LENS
    usual = {
        "w": sizes[0][0],
        "h": sizes[0][1],
        "dw": sizes[1][0],
        "dh": sizes[1][1],
        "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1],
        "fps": 60,
        "frameTimestamps": [100 + index / 60 for index in range(count)],
        "perFrameIntrinsicCoeffs": [[fx, fy, cx, cy]] * count,
        "poses": [[0, 0, 0, 1, 0, 0, 0]] * count,
    }
    said = {key: value for key, value in {**usual, **(metadata or {})}.items() if value is not None}
    files: dict[str, bytes] = {"metadata": json.dumps(said).encode()}
    for index in range(count):
        files[f"rgbd/{index}.jpg"] = jpeg(20 * index, sizes[0])
        files[f"rgbd/{index}.depth"] = pack(metres(index, sizes[1]).tobytes())
        files[f"rgbd/{index}.conf"] = lzfse.compress(np.full(sizes[1], 2, np.uint8).tobytes())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            if name not in drop:
                archive.writestr(name, data)
    return path


def sens_depth(index: int, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the stored depth of a frame."""
    image = (np.arange(size[0] * size[1]) % 4000 + 10 * index).astype("<u2").reshape(size[1], size[0])
    image[0, 0] = 0
    return image


def write_sens(
    path: Path,
    count: int = 3,
    *,
    version: int = 4,
    codes: tuple[int, int] = (2, 1),
    sizes: tuple[tuple[int, int], tuple[int, int]] = ((65, 48), (32, 24)),
    shift: float = 1000.0,
    extrinsic: NDArray[Any] | None = None,
    stamps_us: Sequence[tuple[int, int]] | None = None,
) -> Path:
    """Write a file.

    Args:
        path: where.
        count: frames.
        version: of the format.
        codes: how colour (0 pixels, 1 PNG, 2 JPEG) and depth (0 as it is, 1 zlib, 2 Structure's) are stored.
        sizes: width and height of colour and of depth.
        shift: units per metre.
        extrinsic: of depth; None for the identity.
        stamps_us: of colour and depth of each frame; 33 ms apart if not given.
    """
    name = b"StructureSensor"
    parts = [struct.pack("<IQ", version, len(name)), name]
    for (width, height), outer in zip(sizes, (np.eye(4), np.eye(4) if extrinsic is None else extrinsic), strict=True):
        inner = np.eye(4)
        inner[0, 0], inner[1, 1], inner[0, 2], inner[1, 2] = 0.9 * width, 0.91 * width, width / 2, height / 2
        parts += [inner.astype("<f4").tobytes(), outer.astype("<f4").tobytes()]
    parts.append(struct.pack("<iiIIIIfQ", *codes, *sizes[0], *sizes[1], shift, count))
    for index in range(count):
        colour = {0: sens_pixels, 1: _png, 2: lambda one, size: jpeg(20 * one, size)}[codes[0]](index, sizes[0])
        depth = sens_depth(index, sizes[1]).tobytes()
        data = (
            colour if isinstance(colour, bytes) else colour.tobytes(),
            zlib.compress(depth) if codes[1] == 1 else depth,
        )
        stamps = stamps_us[index] if stamps_us else (33_000 * index, 33_000 * index + 500)
        parts += [np.eye(4, dtype="<f4").tobytes(), struct.pack("<QQQQ", *stamps, *map(len, data)), *data]
    parts.append(struct.pack("<Q", 0))  # no measurements of motion
    path.write_bytes(b"".join(parts))
    return path


def sens_pixels(index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the colour of a frame."""
    return np.full((size[1], size[0], 3), (20 * index, 60, 90), np.uint8)


def _png(index: int, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(sens_pixels(index, size)).save(file, "PNG")
    return file.getvalue()
