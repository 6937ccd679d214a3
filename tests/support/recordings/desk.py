"""A small recording of a desk, as a robot with two cameras leaves it: JPEG colour, depth of another size and place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from tests.support.recordings.ros import START, STEP, Ros
from tests.support.servers.real import jpeg

COLOUR, DEPTH = "/camera/color/image_raw/compressed", "/camera/depth/image_rect_raw"
SIZE, FAR = (64, 48), (40, 36)
SHIFT_M = 0.03


def desk_jpeg(index: int) -> bytes:
    """Return the colour image of a frame, as it is stored."""
    return jpeg(*SIZE) + bytes([index % 256])  # a byte after the end, which decoders pass over


def desk_depth(index: int) -> np.ndarray:
    """Return the depth of a frame, millimetres, uint16: a wall, with no reading in the rows above."""
    depth = np.full(FAR[::-1], 1500 + index, np.uint16)
    depth[:5] = 0
    return depth


def write_desk(
    path: Path,
    frames: int = 12,
    lonely: int = 0,
    *,
    calibrated: bool = True,
    broken: Collection[int] = (),
    first: int = 0,
    **options: object,
) -> Path:
    """Write a recording.

    Args:
        path: .mcap, or a folder.
        frames: how many pairs.
        lonely: how many colour images follow without depth.
        calibrated: whether the cameras are described.
        broken: frames whose colour image is damaged.
        first: number of the first frame's content.
        options: of the writer.
    """
    ros = Ros(2)
    if calibrated:
        for place, frame, (width, height) in (("color", "color", SIZE), ("depth", "depth", FAR)):
            focal, x, y = float(width), width / 2 - 0.5, height / 2 - 0.5
            ros.info(
                f"/camera/{place}/camera_info",
                frame,
                width=width,
                height=height,
                k=[focal, 0, x, 0, focal, y, 0, 0, 1],
                p=[focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1, 0],
            )
        ros.transform("color", "depth", (SHIFT_M, 0, 0), (0, 0, 0, 1))
    for index in range(frames + lonely):
        stamp = START + index * STEP
        data = b"\xff\xd8 damaged" if index in broken else desk_jpeg(first + index)
        ros.compressed(COLOUR, stamp, data, "rgb8; jpeg compressed bgr8", "color")
        if index < frames:
            ros.image(DEPTH, stamp + 2_000_000, desk_depth(first + index), "16UC1", "depth")
    return ros.write(path, **options)
