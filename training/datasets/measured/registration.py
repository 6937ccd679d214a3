"""Whether colour and depth of frames lie on each other: where the edges of both agree best.

Edges of brightness and jumps of depth are correlated at every offset, and the correlations of many frames are added:
one frame shows little, thirty show a sharp peak. Registered frames have it at no offset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.training.datasets.files.problems import Problem

Plane = NDArray[np.float64]

#: Pairs are reduced to about so many columns.
_COLUMNS = 320
_REACH = 0.08  # of the width: the largest offset that is looked for
_FEWEST_FRAMES, _LEAST_OFFSET = 8, 0.01  # of the width
_SHARPEST, _CLEARLY = 6.0, 0.65
_AROUND = 6  # pixels of the reduced pair: what is a little brighter than its surroundings is no edge


@dataclass(frozen=True)
class Agreement:
    """Where the edges of colour and depth agree best.

    Attributes:
        right: columns that depth has to move to the right.
        down: rows that depth has to move down.
        sharpness: standard deviations of all offsets' agreement by which the best stands out.
        here: agreement without an offset, as a share of the best.
        frames: that were looked at.
        width: of a frame, columns.
    """

    right: int
    down: int
    sharpness: float
    here: float
    frames: int
    width: int

    def problem(self, place: str) -> Problem | None:
        """Return what is wrong with depth that clearly lies beside the colour; None where that cannot be said."""
        pixels = max(abs(self.right), abs(self.down))
        clear = self.sharpness >= _SHARPEST and self.here <= _CLEARLY and self.frames >= _FEWEST_FRAMES
        if not clear or pixels < max(3, _LEAST_OFFSET * self.width):
            return None
        sides = ((self.right, "right", "left"), (self.down, "down", "up"))
        moves = " and ".join(f"{abs(by)} {one if by > 0 else other}" for by, one, other in sides if by)
        return Problem(
            place,
            f"lies beside colour: over {self.frames} frames the edges of both agree best with depth {moves}, in pixels",
            "register depth to the colour camera with the calibration of both",
        )


def agreement(pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> Agreement | None:
    """Find the offset at which colour and depth of frames agree best.

    Args:
        pairs: colour [H, W, 3] and depth [H, W], 0 where there is no reading. Frames of another size than the first are
            passed over.

    Returns:
        None where no frame has edges in both.
    """
    total, frames, first, factor = np.zeros((0, 0)), 0, (0, 0), 1
    for colour, depth in pairs:
        if frames and depth.shape != first:
            continue
        factor = max(1, round(depth.shape[1] / _COLUMNS))
        found = _correlation(_brightness_edges(colour, factor), _depth_edges(depth, factor))
        if found is None:
            continue
        total, frames, first = (found if not frames else total + found), frames + 1, (depth.shape[0], depth.shape[1])
    if not frames:
        return None
    reach = total.shape[0] // 2
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    best, spread = float(total.max()), float(total.std())
    here = float(total[reach - 1 : reach + 2, reach - 1 : reach + 2].max())
    right, down = (int(place - reach) * factor for place in (column, row))
    sharpness = (best - float(np.median(total))) / spread if spread else 0.0
    return Agreement(right, down, sharpness, here / best if best else 1.0, frames, first[1])


def _brightness_edges(colour: NDArray[np.uint8], factor: int) -> Plane:
    """Return how much stronger the edges of a picture are than those around them, reduced by a factor."""
    height, width = (side // factor for side in colour.shape[:2])
    grey = Image.fromarray(colour[: height * factor, : width * factor]).convert("L")
    edges = np.sqrt(_steps(np.asarray(grey.resize((width, height), Image.Resampling.BOX), np.float64)))
    return edges - _mean_around(edges)


def _depth_edges(depth: NDArray[np.float32], factor: int) -> Plane:
    """Return the same of jumps in depth, whatever its unit; 0 where there is no reading near."""
    height, width = (side // factor for side in depth.shape)
    small = depth[: height * factor, : width * factor][factor // 2 :: factor, factor // 2 :: factor].astype(np.float64)
    readings = small > 0
    steps = _steps(np.log(np.where(readings, small, 1)))
    inside = _eroded(_eroded(readings))
    if not inside.any():
        return np.zeros_like(steps)
    usual, strong = np.percentile(steps[inside], (50, 99))
    jumps = np.clip((steps - 4 * usual) / (strong - 4 * usual), 0, 1) if strong > 4 * usual else steps
    jumps = np.where(inside, jumps, 0)
    around = _mean_around(jumps) / np.maximum(_mean_around(inside.astype(np.float64)), 1e-6)
    return np.where(inside, jumps - around, 0)


def _correlation(colour: Plane, depth: Plane) -> Plane | None:
    """Return the agreement at every offset of depth within reach, [2 R + 1, 2 R + 1]; None without any edge."""
    norm = float(np.linalg.norm(colour) * np.linalg.norm(depth))
    if not norm:
        return None
    size = (2 * colour.shape[0], 2 * colour.shape[1])
    spectrum = np.fft.rfft2(colour, size) * np.conj(np.fft.rfft2(depth, size))
    everywhere = np.fft.fftshift(np.fft.irfft2(spectrum, size)) / norm
    reach = min(max(4, round(_REACH * colour.shape[1])), min(colour.shape) - 1)
    rows, columns = colour.shape
    return np.asarray(everywhere[rows - reach : rows + reach + 1, columns - reach : columns + reach + 1])


def _steps(plane: Plane) -> Plane:
    """Return how steep a plane is, 0 at its border."""
    down, right = np.zeros_like(plane), np.zeros_like(plane)
    down[1:-1] = plane[2:] - plane[:-2]
    right[:, 1:-1] = plane[:, 2:] - plane[:, :-2]
    steep = np.hypot(down, right)
    steep[[0, -1]] = 0
    steep[:, [0, -1]] = 0
    return np.asarray(steep)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a mask holds for a pixel and its four neighbours; nowhere at the border."""
    inside = np.zeros_like(mask)
    middle = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    inside[1:-1, 1:-1] = middle
    return inside


def _mean_around(plane: Plane) -> Plane:
    """Return the mean of the square around every pixel, zeros beyond the border."""
    side = 2 * _AROUND + 1
    sums = np.pad(plane, ((_AROUND + 1, _AROUND),) * 2).cumsum(0).cumsum(1)
    return np.asarray((sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2)
