"""An RGB-D camera as its calibration describes it: two lenses, and how they stand to each other.

Coordinates are those of computer vision: x to the right, y down, z forward, metres. A pixel's centre has whole
coordinates, so that the top left corner of an image is (-0.5, -0.5).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from crosswire.contract.errors import CrosswireError

_LONGEST_SIDE = 1 << 20
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class CameraError(CrosswireError, ValueError):
    """A calibration cannot be used."""


class Distortion(str, Enum):
    """How a lens bends what a pinhole would see; r² = x² + y² of the point at z = 1.

    Attributes:
        NONE: not at all.
        BROWN_CONRADY: k1, k2, p1, p2 and k3, the model of OpenCV and of ROS' `plumb_bob`.
        INVERSE_BROWN_CONRADY: the same terms, but the tangential ones are of the point that the radial ones have moved.
            It is what librealsense computes under this name, and as `modified_brown_conrady`, from the undistorted to
            the distorted point, whatever the name says (2.59.1, `rs2_project_point_to_pixel`).
        RATIONAL: k1, k2, p1, p2, k3, k4, k5, k6, a quotient of polynomials (OpenCV, ROS' `rational_polynomial`, Azure
            Kinect).
        KANNALA_BRANDT: k1 to k4, a polynomial of the angle to the axis, for fish-eye lenses (OpenCV `fisheye`, ROS'
            `equidistant`).
    """

    NONE = "none"
    BROWN_CONRADY = "brown_conrady"
    INVERSE_BROWN_CONRADY = "inverse_brown_conrady"
    RATIONAL = "rational"
    KANNALA_BRANDT = "kannala_brandt"

    @property
    def terms(self) -> int:
        """How many coefficients it has."""
        return {"none": 0, "rational": 8, "kannala_brandt": 4}.get(self.value, 5)


@dataclass(frozen=True)
class Lens:
    """What one of the cameras sees.

    Attributes:
        width: pixels per row.
        height: rows.
        fx: focal length along rows, pixels.
        fy: focal length along columns, pixels.
        cx: column of the optical axis, pixels.
        cy: row of the optical axis, pixels.
        distortion: how the lens bends.
        coefficients: of the distortion, as many as it has; trailing zeros may be left out.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Distortion = Distortion.NONE
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers; fill the coefficients up.

        Raises:
            CameraError: one of them makes no sense.
        """
        try:
            model = Distortion(self.distortion)
        except ValueError as error:
            known = ", ".join(one.value for one in Distortion)
            raise CameraError(f"got distortion {self.distortion!r}, expected one of {known}") from error
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in numbers):
            raise CameraError(f"got {numbers}, expected finite numbers fx, fy, cx, cy and coefficients")
        sides = (self.width, self.height)
        if not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one <= _LONGEST_SIDE for one in sides):
            raise CameraError(
                f"got a size of {self.width} x {self.height}, expected whole numbers above 0 and below {_LONGEST_SIDE}"
            )
        if min(self.fx, self.fy) <= 0:
            raise CameraError(f"got focal lengths {self.fx:g} and {self.fy:g}, expected pixels above 0")
        if len(self.coefficients) > model.terms and any(self.coefficients[model.terms :]):
            raise CameraError(
                f"got {len(self.coefficients)} coefficients, expected at most {model.terms} for {model.value}"
            )
        for name in ("fx", "fy", "cx", "cy"):  # whole numbers of any size are no numbers to numpy
            object.__setattr__(self, name, float(getattr(self, name)))
        given = tuple(float(one) for one in self.coefficients[: model.terms])
        object.__setattr__(self, "distortion", model)
        object.__setattr__(self, "coefficients", given + (0.0,) * (model.terms - len(given)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height

    def scaled(self, width: int, height: int) -> Lens:
        """Return the lens of the same view at another size: pixels' edges stay where they are."""
        across, down = width / self.width, height / self.height
        axis = (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        return Lens(width, height, self.fx * across, self.fy * down, *axis, self.distortion, self.coefficients)


@dataclass(frozen=True)
class RgbdCamera:
    """Colour and depth camera of one device.

    Attributes:
        colour: the lens of the colour camera.
        depth: the lens of the depth camera.
        rotation: turns a point of the depth camera into the colour camera, 3 x 3, row after row.
        translation: is added then, metres.
    """

    colour: Lens
    depth: Lens
    rotation: tuple[float, ...] = _IDENTITY
    translation: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            CameraError: the rotation is none, or a number is missing or not finite.
        """
        for name, count in (("rotation", 9), ("translation", 3)):
            values = tuple(getattr(self, name))
            if len(values) != count or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
                raise CameraError(f"got a {name} of {values}, expected {count} finite numbers")
            object.__setattr__(self, name, tuple(float(value) for value in values))
        rows = [self.rotation[start : start + 3] for start in (0, 3, 6)]
        products = [sum(a * b for a, b in zip(one, other, strict=True)) for one in rows for other in rows]
        if max(abs(got - wanted) for got, wanted in zip(products, _IDENTITY, strict=True)) > 1e-3:
            raise CameraError(f"got a rotation of {self.rotation}, expected rows of length 1 at right angles")

    @property
    def registered(self) -> bool:
        """Whether depth already lies in the colour camera: nothing is to be moved."""
        return self.depth == self.colour and self.rotation == _IDENTITY and not any(self.translation)

    def to_json(self) -> str:
        """Return the camera as the text that `--camera FILE` and the input `camera` of a pipeline take."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> RgbdCamera:
        """Read what `to_json` writes.

        Raises:
            CameraError: it is something else.
        """
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CameraError(f"got a camera that is no JSON ({error}); try the text of crosswire recording") from error
        if not isinstance(plain, dict) or not {"colour", "depth"} <= set(plain):
            raise CameraError('got a camera without "colour" and "depth", expected {"colour": {...}, "depth": {...}}')
        _known(plain, ("colour", "depth", "rotation", "translation"), "a camera")
        try:
            more = {name: _numbers(plain[name], name) for name in ("rotation", "translation") if name in plain}
            return cls(_lens(plain["colour"], "colour"), _lens(plain["depth"], "depth"), **more)
        except OverflowError as error:
            raise CameraError("got a camera with a number beyond 1e308, expected finite numbers") from error


def _lens(plain: Any, name: str) -> Lens:
    """Read one lens."""
    needed = ("width", "height", "fx", "fy", "cx", "cy")
    if not isinstance(plain, dict) or not set(needed) <= set(plain):
        raise CameraError(f"got a {name} camera without some of {', '.join(needed)}; all are needed")
    _known(plain, (*needed, "distortion", "coefficients"), f"the {name} camera")
    values = {key: plain[key] for key in needed}
    coefficients = _numbers(plain.get("coefficients", ()), f"coefficients of the {name} camera")
    return Lens(**values, distortion=plain.get("distortion", Distortion.NONE), coefficients=coefficients)


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    """Return a list of numbers as a tuple."""
    good = isinstance(value, (list, tuple)) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in value
    )
    if not good:
        raise CameraError(f"got {name} {value!r}, expected a list of numbers")
    return tuple(float(one) for one in value)


def _known(plain: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    """Raise `CameraError` where a key is unknown: a misspelt one would be ignored."""
    if unknown := sorted(set(plain) - set(keys)):
        raise CameraError(f"got {', '.join(unknown)} in {what}, expected {', '.join(keys)}")
