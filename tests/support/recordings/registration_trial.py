"""Registration against librealsense, Open3D and OpenCV, and lenses against theirs, as far as they are installed.

Run by `tests/soak/sensors/registration.py` in an environment that has them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.cameras.aligners import ALIGNERS, in_colour, matrix, realsense_lens
from benchmarks.cameras.registration import PINHOLE, scene
from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera
from crosswire.media.cameras.lenses import project, rays
from crosswire.media.cameras.register import register_depth
from tests.support.recordings.brute_registration import agreement

AHEAD = dataclasses.replace(PINHOLE, rotation=(1, 0, 0, 0, 1, 0, 0, 0, 1), translation=(-0.015, 0.0, 0.0))
WIDE = dataclasses.replace(PINHOLE, translation=(0.12, 0.01, 0.0))
SMALLER = dataclasses.replace(PINHOLE, colour=PINHOLE.colour.scaled(640, 360))
LARGER = dataclasses.replace(PINHOLE, colour=PINHOLE.colour.scaled(2560, 1440))
COEFFICIENTS = {
    Distortion.BROWN_CONRADY: (0.1, -0.2, 0.001, -0.002, 0.05),
    Distortion.INVERSE_BROWN_CONRADY: (-0.05, 0.06, -0.0005, 0.0007, -0.02),
    Distortion.RATIONAL: (0.55, -0.02, -7e-5, 2e-5, -0.003, 0.89, 0.086, -0.014),
    Distortion.KANNALA_BRANDT: (0.02, -0.01, 0.005, -0.001),
}


def bent(model: Distortion) -> Lens:
    """Return the depth camera with one kind of distortion."""
    return dataclasses.replace(PINHOLE.depth, distortion=model, coefficients=COEFFICIENTS[model])


@pytest.mark.parametrize("name", ALIGNERS)
@pytest.mark.parametrize(
    "camera", [AHEAD, PINHOLE, WIDE, SMALLER, LARGER], ids=["ahead", "kinect", "wide", "small", "large"]
)
def test_all_agree_on_99_5_percent_to_a_millimetre_or_one_pixel_of_splat(name: str, camera: RgbdCamera) -> None:
    depth = np.rint(scene(camera.depth) * 1000).astype(np.float32) / 1000
    if name == "opencv" and camera is SMALLER:
        pytest.skip("OpenCV 5.0.0 writes outside its memory where colour has fewer rows than depth")
    if name == "open3d" and camera in (LARGER, WIDE):
        pytest.skip("Open3D draws points: what is behind shines through")
    try:
        theirs = ALIGNERS[name][1](camera)(depth)()
    except ImportError as error:
        pytest.skip(str(error))
    if name == "librealsense":
        theirs = in_colour(theirs, camera)
    ours = register_depth(depth, camera)
    assert agreement(theirs, ours, between=camera is SMALLER) > 0.995
    if name != "open3d":  # which leaves a grid
        assert agreement(ours, theirs, between=camera is SMALLER) > 0.995


@pytest.mark.parametrize("model", [Distortion.BROWN_CONRADY, Distortion.RATIONAL])
def test_a_bent_colour_camera_agrees_with_opencv(model: Distortion) -> None:
    camera = dataclasses.replace(
        PINHOLE, colour=dataclasses.replace(PINHOLE.colour, distortion=model, coefficients=COEFFICIENTS[model])
    )
    depth = scene(camera.depth)
    try:
        theirs = ALIGNERS["opencv"][1](camera)(depth)()
    except ImportError as error:
        pytest.skip(str(error))
    ours = register_depth(depth, camera)
    assert min(agreement(theirs, ours, between=True), agreement(ours, theirs, between=True)) > 0.995


def test_librealsense_bends_what_it_calls_inverse_the_same_way() -> None:
    colour = dataclasses.replace(
        PINHOLE.colour, distortion=Distortion.INVERSE_BROWN_CONRADY, coefficients=(0.1, -0.2, 0.001, -0.002, 0.05)
    )
    camera = dataclasses.replace(PINHOLE, colour=colour)
    depth = np.rint(scene(camera.depth) * 1000).astype(np.float32) / 1000
    try:
        theirs = in_colour(ALIGNERS["librealsense"][1](camera)(depth)(), camera)
    except ImportError as error:
        pytest.skip(str(error))
    ours = register_depth(depth, camera)
    assert min(agreement(theirs, ours), agreement(ours, theirs)) > 0.995


@pytest.mark.parametrize("model", COEFFICIENTS)
def test_pixels_and_rays_are_opencv_s(model: Distortion) -> None:
    library = pytest.importorskip("cv2", exc_type=ImportError)
    if model is Distortion.INVERSE_BROWN_CONRADY:
        pytest.skip("OpenCV has no such model")
    lens, coefficients = bent(model), np.array(COEFFICIENTS[model])
    looks = rays(lens)[::7, ::7].reshape(-1, 2)
    points = np.column_stack((looks, np.ones(len(looks))))
    nowhere = np.zeros(3)
    if model is Distortion.KANNALA_BRANDT:
        pixels = library.fisheye.projectPoints(points[None], nowhere, nowhere, matrix(lens), coefficients)[0]
    else:
        pixels = library.projectPoints(points, nowhere, nowhere, matrix(lens), coefficients)[0]
        back = library.undistortPoints(pixels, matrix(lens), coefficients, None, None, None, (3, 200, 1e-14))
        assert np.abs(back.reshape(-1, 2) - looks).max() < 1e-9
    assert np.abs(pixels.reshape(-1, 2) - project(lens, points)).max() < 1e-9
    rows, columns = np.mgrid[: lens.height : 7, : lens.width : 7]
    assert np.abs(pixels.reshape(-1, 2) - np.stack((columns, rows), axis=-1).reshape(-1, 2)).max() < 1e-6


@pytest.mark.parametrize("model", COEFFICIENTS)
def test_pixels_and_rays_are_librealsense_s(model: Distortion) -> None:
    library = pytest.importorskip("pyrealsense2", exc_type=ImportError)
    if model is Distortion.RATIONAL:
        pytest.skip("librealsense has no such model")
    lens = bent(model)
    theirs = realsense_lens(library, lens)
    looks = rays(lens)
    for row in range(0, lens.height, 41):
        for column in range(0, lens.width, 43):
            back = library.rs2_deproject_pixel_to_point(theirs, [column, row], 1.0)
            assert np.abs(np.array(back[:2]) - looks[row, column]).max() < 1e-5  # float32, ten steps
            point = [*looks[row, column], 1.0]
            pixel = library.rs2_project_point_to_pixel(theirs, point)
            assert np.abs(np.array(pixel) - (column, row)).max() < 1e-3
