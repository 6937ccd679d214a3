"""Organised point clouds made here: a room seen by a pinhole camera, written as PCD and PLY."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 24, 18
FX, FY, CX, CY = 30.0, 31.0, 11.5, 8.75


def room(index: int = 0) -> NDArray[np.float32]:
    """Return the depth of a frame, metres: a slope with a corner of no reading, NaN."""
    depth = np.add.outer(np.linspace(1, 2, HEIGHT), np.linspace(0, 0.5, WIDTH)).astype(np.float32) + np.float32(index)
    depth[:3, :4] = np.nan
    return depth


def colours(index: int = 0) -> NDArray[np.uint8]:
    """Return the colour of a frame."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10 + index, np.arange(WIDTH)[None, :], np.arange(HEIGHT)[:, None]
    return image


def points(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the camera sees, x right, y down, z forward, [H, W, 3]."""
    column, row = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return np.stack([(column - CX) / FX * depth, (row - CY) / FY * depth, depth], axis=-1).astype(np.float32)


def packed(colour: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return colour as PCL packs it into a float."""
    whole = colour.astype(np.uint32)
    return (whole[..., 0] << 16 | whole[..., 1] << 8 | whole[..., 2]).view(np.float32)


def lzf(data: bytes) -> bytes:
    """Compress as LZF does, with the longest copies from a little way back."""
    out, place, plain = bytearray(), 0, bytearray()

    def flush() -> None:
        for start in range(0, len(plain), 32):
            piece = plain[start : start + 32]
            out.append(len(piece) - 1)
            out.extend(piece)
        plain.clear()

    while place < len(data):
        best, back = 0, 0
        for distance in (1, 2, 4, 8, 16, 1000, 8000):
            length = 0
            while length < 264 and place + length < len(data) and place >= distance:
                if data[place + length] != data[place + length - distance]:
                    break
                length += 1
            best, back = (length, distance) if length > best else (best, back)
        if best < 3:
            plain.append(data[place])
            place += 1
            continue
        flush()
        high, low = divmod(back - 1, 256)
        out += bytes([(best - 2) << 5 | high, low] if best - 2 < 7 else [7 << 5 | high, best - 9, low])
        place += best
    flush()
    return bytes(out)


def write_pcd(
    path: Path,
    xyz: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    *,
    data: str = "binary",
    separate: bool = False,
    header: Mapping[str, str] | None = None,
) -> Path:
    """Write a PCD.

    Args:
        path: where.
        xyz: points, [H, W, 3].
        rgb: colour, [H, W, 3].
        data: "ascii", "binary" or "binary_compressed".
        separate: three fields for colour, and a field of three numbers that nobody asked for.
        header: replaces lines.
    """
    height, width = xyz.shape[:2]
    fields = [("x", "<f4", 1), ("y", "<f4", 1), ("z", "<f4", 1)]
    fields += (
        [("normal", "<f4", 3), ("r", "u1", 1), ("g", "u1", 1), ("b", "u1", 1)] if separate else [("rgb", "<f4", 1)]
    )
    table = np.zeros(height * width, [(name, kind, (count,)) for name, kind, count in fields])
    for axis, name in enumerate("xyz"):
        table[name][:, 0] = xyz[..., axis].ravel()
    if separate:
        for channel, name in enumerate("rgb"):
            table[name][:, 0] = rgb[..., channel].ravel()
    else:
        table["rgb"][:, 0] = packed(rgb).ravel()
    lines = {
        "VERSION": ".7",
        "FIELDS": " ".join(name for name, _, _ in fields),
        "SIZE": " ".join(str(np.dtype(kind).itemsize) for _, kind, _ in fields),
        "TYPE": " ".join(np.dtype(kind).kind.upper() for _, kind, _ in fields),
        "COUNT": " ".join(str(count) for _, _, count in fields),
        "WIDTH": str(width),
        "HEIGHT": str(height),
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(width * height),
        **(header or {}),
        "DATA": data,
    }
    head = "# .PCD v.7 - Point Cloud Data file format\n" + "".join(f"{key} {value}\n" for key, value in lines.items())
    path.write_bytes(head.encode() + _body(table, data))
    return path


def _body(table: NDArray[Any], data: str) -> bytes:
    names = table.dtype.names or ()
    if data == "ascii":
        rows = (" ".join(_word(value) for name in names for value in row[name]) for row in table)
        return ("\n".join(rows) + "\n").encode()
    if data == "binary":
        return table.tobytes()
    plain = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in names)
    small = lzf(plain)
    return struct.pack("<II", len(small), len(plain)) + small


def _word(value: Any) -> str:
    return str(value) if value.dtype.kind == "u" else f"{value:.9g}"


def write_ply(
    path: Path,
    xyz: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    *,
    order: str = "binary_little_endian",
    size: str = "obj_info num_cols {width}\nobj_info num_rows {height}",
    grid: bool = False,
    colour: bool = True,
) -> Path:
    """Write a PLY.

    Args:
        path: where.
        xyz: points, [H, W, 3].
        rgb: colour, [H, W, 3].
        order: "ascii", "binary_little_endian" or "binary_big_endian".
        size: lines that say width and height.
        grid: points without a reading are left out, and an element `range_grid` says where the others are.
        colour: whether points have one.
    """
    height, width = xyz.shape[:2]
    mark = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(order, "=")
    kept = np.isfinite(xyz).all(axis=2).ravel() if grid else np.ones(width * height, bool)
    kinds = [(name, f"{mark}f4") for name in "xyz"]
    kinds += [(name, "u1") for name in ("red", "green", "blue")] if colour else []
    table = np.zeros(int(kept.sum()), kinds)
    for axis, name in enumerate("xyz"):
        table[name] = xyz[..., axis].ravel()[kept]
    for channel, name in enumerate(("red", "green", "blue") if colour else ()):
        table[name] = rgb[..., channel].ravel()[kept]
    lines = ["ply", f"format {order} 1.0", size.format(width=width, height=height), f"element vertex {len(table)}"]
    lines += [f"property {'float' if name in 'xyz' else 'uchar'} {name}" for name, _ in kinds]
    if grid:
        lines += [f"element range_grid {width * height}", "property list uchar int vertex_indices"]
    places = np.where(kept, np.cumsum(kept) - 1, -1)
    if order == "ascii":
        rows = [" ".join(_word(value) for value in row) for row in table]
        rows += [f"1 {place}" if place >= 0 else "0" for place in places] if grid else []
        body = ("\n".join(rows) + "\n").encode()
    else:
        lists = (struct.pack(f"{mark}Bi", 1, place) if place >= 0 else b"\0" for place in places)
        body = table.tobytes() + (b"".join(lists) if grid else b"")
    path.write_bytes("\n".join([*[line for line in lines if line], "end_header\n"]).encode() + body)
    return path
