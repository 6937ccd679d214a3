"""A point cloud whose points are the pixels of an image, and what is wrong with one whose points are not."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.contract.errors import CrosswireError
from crosswire.media.recordings.recording import MOST_PIXELS

#: Names of colour's channels, one triple after another.
_CHANNELS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
#: What a damaged file makes of reading it.
_DAMAGE = (ValueError, LookupError, ArithmeticError, struct.error, MemoryError)


class CloudError(CrosswireError, ValueError):
    """A file is no organised cloud with colour; the text follows its name."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """An organised cloud.

    Attributes:
        points: x, y, z of each pixel, float32 [H, W, 3]; not finite where there is no reading.
        colours: uint8 [H, W, 3], RGB.
        position: of the sensor among the points, [3].
        turn: of the sensor, a quaternion w, x, y, z.
    """

    points: npt.NDArray[np.float32]
    colours: npt.NDArray[np.uint8]
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    turn: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)


def damage_told(read: Callable[[bytes], Cloud]) -> Callable[[bytes], Cloud]:
    """Have a reader raise `CloudError` for whatever a damaged file makes of it."""

    @wraps(read)
    def reading(data: bytes) -> Cloud:
        try:
            return read(data)
        except CloudError:
            raise
        except _DAMAGE as error:
            raise CloudError(f"cannot be read ({error}); copy it again") from error

    return reading


def check_size(width: int, height: int, points: int) -> None:
    """Raise `CloudError` unless points make an image of this size."""
    if min(width, height) < 2:
        raise CloudError(
            f"holds {points} points in no order, expected an organised cloud, whose points are the pixels of an image; "
            "export it with width and height"
        )
    if width * height > MOST_PIXELS:
        raise CloudError(f"has {width} x {height} points, it is damaged; copy it again")


def channels_of(fields: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Return colour from fields of its channels, uint8 [N, 3].

    Raises:
        CloudError: there are none.
    """
    for names in _CHANNELS:
        if all(name in fields for name in names):
            stacked = np.stack([fields[name].reshape(-1) for name in names], axis=-1)
            if stacked.dtype.kind == "f":
                whole = stacked if np.nanmax(stacked, initial=0) > 1 else 255 * stacked
                return np.asarray(np.nan_to_num(np.clip(whole, 0, 255)).round(), np.uint8)
            return np.asarray(np.clip(stacked, 0, 255), np.uint8)
    raise CloudError(f"holds {', '.join(fields)} and no colour; export it with rgb")
