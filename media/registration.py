"""Whether two images of one view can lie on each other, by their sizes alone: asked by clients and by the server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crosswire.media.orientation import TAG_NAME, UPRIGHT


@dataclass(frozen=True)
class View:
    """One of the images.

    Attributes:
        name: how messages call it.
        size: width and height as it is meant to be seen.
        orientation: EXIF orientation that it was turned by, `UPRIGHT` if it was not.
    """

    name: str
    size: tuple[int, int]
    orientation: int = UPRIGHT

    @property
    def turned(self) -> str:
        """Words that say whether it was turned."""
        if self.orientation == UPRIGHT:
            return f"{self.name} has no {TAG_NAME}"
        return f"{self.name} was turned as its {TAG_NAME} {self.orientation} says"


def registration_problem(first: View, second: View, tolerance: float) -> str | None:
    """Return why an image cannot lie on another one, or None: the aspect ratios differ too much.

    Args:
        first: the image that the other one must fit.
        second: the other one.
        tolerance: how far the ratios may differ, relative; rounding to whole pixels may explain more.
    """
    if same_shape(first, second, tolerance):
        return None
    turned = f" {first.turned}, {second.turned}." if {first.orientation, second.orientation} != {UPRIGHT} else ""
    return (
        f"{second.name} is {_written(second)} but {first.name} is {_written(first)}: another aspect ratio.{turned} "
        f"{second.name} must be registered to {first.name}: same view, same aspect ratio (within {tolerance:.0%}), any "
        "scale"
    )


def same_shape(first: View, second: View, tolerance: float) -> bool:
    """Say whether two aspect ratios are the same within a tolerance, relative, or within whole pixels."""
    return _difference(first, second) <= max(tolerance, _rounding(first, second))


def registration_warnings(first: View, second: View) -> list[str]:
    """Name what is odd about two images that can lie on each other; each text begins with a name and a colon."""
    warnings = []
    if _difference(first, second) > _rounding(first, second):
        warnings.append(
            f"aspect_ratio_differs: {second.name} is {_written(second)}, {first.name} is {_written(first)}: close, but "
            "not the same shape; crop both to one view"
        )
    if first.orientation != second.orientation:
        warnings.append(
            f"exif_orientation: {first.turned}, {second.turned}: check that both show the same view upright"
        )
    return warnings


def _difference(first: View, second: View) -> float:
    """Return how far two aspect ratios differ, relative."""
    (width, height), (other_width, other_height) = first.size, second.size
    return abs(math.log((width * other_height) / (height * other_width)))


def _rounding(first: View, second: View) -> float:
    """Return what rounding to whole pixels may explain of a difference."""
    return 0.0 if first.size == second.size else 0.5 / min(second.size) + 0.5 / min(first.size)


def _written(view: View) -> str:
    """Return the size as people write it."""
    return f"{view.size[0]} x {view.size[1]}"
