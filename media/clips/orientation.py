"""Which way up the frames of a clip are shown, from the display matrix that they carry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips.shape import ClipShape

_EXIF = 31  # AV_FRAME_DATA_EXIF, which PyAV 18 does not know
_NEAR = 1e-2


@dataclass(frozen=True)
class Orientation:
    """A quarter turn, a mirror image or both: what takes a stored frame to the one that is shown.

    A pixel at (x, y), x to the right and y down, is shown at (a x + c y, b x + d y).

    Attributes:
        a: 1, 0 or -1, like the others.
        b: from x to y.
        c: from y to x.
        d: from y to y.
        left_out: degrees by which a player would turn further, clockwise.
    """

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1
    left_out: float = 0.0

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.a == 0

    @property
    def mirrored(self) -> bool:
        """Whether left and right change places, before the turn."""
        return self.a * self.d - self.b * self.c < 0

    @property
    def degrees(self) -> int:
        """How far it turns clockwise: 0, 90, 180 or 270."""
        sign = -1 if self.mirrored else 1
        return round(math.degrees(math.atan2(sign * self.b, sign * self.a))) % 360

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an image, uint8 [H, W, 3], as it is shown: [W, H, 3] where it swaps sides."""
        if self.swaps_sides:
            image = image.transpose(1, 0, 2)
        rows = -1 if self.b + self.d < 0 else 1
        columns = -1 if self.a + self.c < 0 else 1
        return np.ascontiguousarray(image[::rows, ::columns])


UPRIGHT = Orientation()


def orientation_of(frame: Any) -> Orientation:
    """Return which way up a frame, an `av.VideoFrame`, is shown.

    The matrix itself is read: the angle that PyAV tells of it is the same for mirrored and for upside down.
    """
    matrix = _display_matrix(frame)
    return UPRIGHT if matrix is None else from_matrix(*(float(matrix[place]) for place in (0, 1, 3, 4)))


def from_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """Return the quarter turn or mirror image that is nearest to what a matrix does; scaling does not count."""
    along, across = math.hypot(a, b), math.hypot(c, d)
    if not along or not across:
        return UPRIGHT
    a, b, c, d = a / along, b / along, c / across, d / across
    sign = 1 if a * d - b * c > 0 else -1
    angle = math.atan2(b - sign * c, a + sign * d)  # of the turn that follows the mirror image, if there is one
    quarters = round(angle / (math.pi / 2))
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters % 4]
    rest = angle - quarters * (math.pi / 2)
    left_out = round(math.degrees(rest), 1) if abs(rest) > _NEAR else 0.0
    return Orientation(cosine, sine, -sign * sine, sign * cosine, left_out)


def upright_pixels(frame: Any, shape: ClipShape, orientation: Orientation) -> NDArray[np.uint8]:
    """Return a frame as it is shown, uint8 [H, W, 3], stretched by averaging."""
    width, height = (shape.height, shape.width) if orientation.swaps_sides else (shape.width, shape.height)
    small = frame.reformat(width, height, format="rgb24", interpolation="AREA", threads=1)
    pixels: NDArray[np.uint8] = small.to_ndarray()
    return pixels if orientation == UPRIGHT else orientation.apply(pixels)


def _display_matrix(frame: Any) -> NDArray[np.int32] | None:
    """Return the nine numbers of a frame's display matrix, row by row, or None where it has none."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # of a kind of data that PyAV does not know
        data = _without_exif(frame).side_data.get("DISPLAYMATRIX")
    return None if data is None or data.buffer_size < 36 else np.frombuffer(data, np.int32, 9).copy()


def _without_exif(frame: Any) -> Any:
    """Return a frame without its EXIF data, whose orientation is in the display matrix, too."""
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add("sidedata", f"mode=delete:type={_EXIF}"), graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull()
