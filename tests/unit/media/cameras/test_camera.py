"""A calibration is read as it was written, and what makes no sense is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crosswire.media.cameras.camera import CameraError, Distortion, Lens, RgbdCamera

COLOUR = Lens(1280, 720, 608.1, 607.9, 640.2, 361.0, Distortion.RATIONAL, (0.5, -2.7, 0.001, -0.0002, 1.5))
DEPTH = Lens(640, 576, 504.2, 504.3, 320.5, 331.1)
CAMERA = RgbdCamera(COLOUR, DEPTH, (0, -1, 0, 1, 0, 0, 0, 0, 1), (-0.032, -0.002, 0.004))


def test_a_camera_is_read_as_it_was_written() -> None:
    assert RgbdCamera.from_json(CAMERA.to_json()) == CAMERA
    assert CAMERA.colour.coefficients == (0.5, -2.7, 0.001, -0.0002, 1.5, 0, 0, 0)


def test_depth_of_the_colour_camera_is_registered() -> None:
    assert RgbdCamera(DEPTH, DEPTH).registered and not CAMERA.registered


def test_another_size_keeps_the_edges_of_the_view() -> None:
    half = DEPTH.scaled(320, 288)
    for width, lens in ((640, DEPTH), (320, half)):
        left, right = ((edge - lens.cx) / lens.fx for edge in (-0.5, width - 0.5))
        assert (left, right) == pytest.approx(((-0.5 - DEPTH.cx) / DEPTH.fx, (639.5 - DEPTH.cx) / DEPTH.fx))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 3}, "colour camera without"),
        ({"colour": {"width": 1}}, "colour camera without some of width, height"),
        ({"fcal": 1}, "got fcal in a camera, expected colour, depth"),
        ({"rotation": [1, 0, 0]}, "expected 9 finite numbers"),
        ({"rotation": [2, 0, 0, 0, 1, 0, 0, 0, 1]}, "right angles"),
        ({"rotation": "none"}, "expected a list of numbers"),
        ({"translation": [0, 0, float("nan")]}, "expected 3 finite numbers"),
        ({"fx": 0}, "focal lengths"),
        ({"fx": "504"}, "finite numbers"),
        ({"width": 0}, "whole numbers above 0"),
        ({"distortion": "fisheye"}, "expected one of none, brown_conrady"),
        ({"distortion": "kannala_brandt", "coefficients": [1, 2, 3, 4, 5]}, "at most 4"),
        ({"coefficents": []}, "got coefficents in the depth camera"),
    ],
)
def test_a_camera_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    plain = json.loads(CAMERA.to_json())
    (plain if set(change) & {"colour", "fcal", "rotation", "translation"} else plain["depth"]).update(change)
    with pytest.raises(CameraError, match=message):
        RgbdCamera.from_json(json.dumps(plain))
    with pytest.raises(CameraError, match="no JSON"):
        RgbdCamera.from_json("fx=504")


def test_numbers_are_floating_point_however_they_were_written() -> None:
    plain = json.loads(CAMERA.to_json())
    plain["depth"]["fx"] = 10**30
    assert isinstance(RgbdCamera.from_json(json.dumps(plain)).depth.fx, float)
