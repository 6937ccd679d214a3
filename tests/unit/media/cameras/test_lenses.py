"""Lenses bend as OpenCV's and librealsense's do, and the way back leads to the pixel that it came from."""

from __future__ import annotations

import numpy as np
import pytest

from crosswire.media.cameras.camera import Distortion, Lens
from crosswire.media.cameras.lenses import distort, project, rays, reach, unproject

POINTS = np.array([[0.3, 0.2, 1.0], [-0.8, 0.5, 2.0], [0.1, -1.2, 1.5]])
BROWN = (0.1, -0.2, 0.001, -0.002, 0.05)
RATIONAL = (0.5, -0.02, 0.001, -0.0005, -0.003, 0.9, 0.09, -0.01)
FISH_EYE = (0.02, -0.01, 0.005, -0.001)
#: What `cv2.projectPoints` and `cv2.fisheye.projectPoints` of OpenCV 5.0.0 give for POINTS, and librealsense 2.59.1's
#: `rs2_project_point_to_pixel`, which works in float32.
SEEN = {
    (Distortion.BROWN_CONRADY, BROWN): [[471.209478, 342.977145], [116.777599, 369.525912], [352.452163, -164.773806]],
    (Distortion.RATIONAL, RATIONAL): [[462.761624, 337.166304], [135.432471, 357.739814], [346.890784, -90.786532]],
    (Distortion.KANNALA_BRANDT, FISH_EYE): [
        [464.289578, 338.116913],
        [132.45956, 359.557031],
        [348.297655, -106.363293],
    ],
    (Distortion.INVERSE_BROWN_CONRADY, BROWN): [[471.2071, 342.9755], [116.7667, 369.5329], [352.4528, -164.7817]],
}
MODELS = [*SEEN, (Distortion.NONE, ())]


def lens(model: Distortion, coefficients: tuple[float, ...], width: int = 640, height: int = 480) -> Lens:
    """Return a lens of one model."""
    return Lens(width, height, 500.0, 510.0, 320.0, 240.0, model, coefficients)


@pytest.mark.parametrize(("model", "coefficients"), SEEN)
def test_points_are_seen_where_opencv_and_librealsense_see_them(
    model: Distortion, coefficients: tuple[float, ...]
) -> None:
    exact = 1e-4 if model is Distortion.INVERSE_BROWN_CONRADY else 1e-6
    assert np.allclose(project(lens(model, coefficients), POINTS), SEEN[model, coefficients], rtol=0, atol=exact)


@pytest.mark.parametrize(("model", "coefficients"), MODELS)
def test_the_ray_of_every_pixel_is_seen_at_that_pixel(model: Distortion, coefficients: tuple[float, ...]) -> None:
    one = lens(model, coefficients)
    looks = rays(one)
    assert looks.shape == (480, 640, 2) and np.isfinite(looks).all()
    back = project(one, np.concatenate((looks, np.ones((480, 640, 1))), axis=-1))
    rows, columns = np.mgrid[:480, :640]
    assert np.abs(back - np.stack((columns, rows), axis=-1)).max() < 1e-6


@pytest.mark.parametrize(("model", "coefficients"), MODELS)
def test_single_precision_bends_the_same_way(model: Distortion, coefficients: tuple[float, ...]) -> None:
    x = np.linspace(-0.7, 0.7, 50)
    single = distort(lens(model, coefficients), x.astype(np.float32), np.zeros(50, np.float32))
    double = distort(lens(model, coefficients), x, np.zeros(50))
    for one, other in zip(single, double, strict=True):
        assert one.dtype == np.float32 and np.allclose(one, other, rtol=0, atol=1e-6)


def test_a_fish_eye_without_coefficients_is_no_pinhole() -> None:
    at = project(lens(Distortion.KANNALA_BRANDT, ()), [1.0, 0.0, 1.0])
    assert np.allclose(at, (320 + 500 * np.pi / 4, 240))


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    assert np.isnan(project(lens(Distortion.NONE, ()), [[0.1, 0.1, -1.0], [0.1, 0.1, 0.0]])).all()


def test_what_lies_beyond_the_turning_point_of_the_polynomial_is_not_seen_somewhere_else() -> None:
    barrel = lens(Distortion.BROWN_CONRADY, (-0.3,))
    turning = (1 / 0.9) ** 0.5  # of r (1 - 0.3 r²)
    assert reach(barrel) == pytest.approx(turning, abs=1e-3)
    assert np.isfinite(project(barrel, [turning - 0.01, 0, 1])).all()
    assert np.isnan(project(barrel, [turning + 0.01, 0, 1])).all()
    # 1.7 metres aside at 1 metre would come back to x = 0.23, into the middle of the image
    assert np.isnan(project(barrel, [1.7, 0.0, 1.0])).all()


def test_a_pixel_that_nothing_is_seen_at_has_no_ray() -> None:
    barrel = lens(Distortion.BROWN_CONRADY, (-0.3,))
    furthest = 320 + 500 * (1 / 0.9) ** 0.5 * (2 / 3)
    looks = unproject(barrel, [[furthest - 1, 240], [furthest + 1, 240]])
    assert np.isfinite(looks[0]).all() and np.isnan(looks[1]).all()


def test_a_strong_fish_eye_that_turns_back_has_an_edge_too() -> None:
    strong = lens(Distortion.KANNALA_BRANDT, (-0.3,))
    edge = np.tan((1 / 0.9) ** 0.5)
    assert reach(strong) == pytest.approx(edge, rel=1e-3)
    assert np.isnan(project(strong, [edge * 1.01, 0, 1])).all()
    beyond = 320 + 500 * (1 / 0.9) ** 0.5 * (2 / 3) + 1
    assert np.isnan(unproject(strong, [beyond, 240])).all()
