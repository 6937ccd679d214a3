"""Depth in the colour camera is what that camera would have measured: no grid, nothing invented, the nearest stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from crosswire.contract.wire_names import ASPECT_TOLERANCE
from crosswire.media.cameras.camera import CameraError, Distortion, Lens, RgbdCamera
from crosswire.media.cameras.fit import fitted
from crosswire.media.cameras.register import (
    Registration,
    coverage_warning,
    register_depth,
    registration_of,
)
from crosswire.media.cameras.splat import Patches, ZBuffer
from crosswire.media.registration import View
from tests.support.recordings.brute_registration import agreement, brute_registration

SMALL = Lens(64, 48, 60.0, 60.0, 31.5, 23.5)
ASIDE = (-0.05, 0.0, 0.0)


def plane(lens: Lens, distance: float) -> npt.NDArray[np.float32]:
    """Return a wall at right angles to the axis."""
    return np.full((lens.height, lens.width), distance, np.float32)


def turned(degrees: float, axis: int) -> tuple[float, ...]:
    """Return a rotation around one axis."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[other, other] = cosine
    matrix[one, other], matrix[other, one] = -sine, sine
    return tuple(float(value) for value in matrix.ravel())


def room(lens: Lens) -> npt.NDArray[np.float32]:
    """Return a slanted wall, a box before it, a hole, and noise of a millimetre."""
    rows, columns = np.mgrid[: lens.height, : lens.width]
    depth = 2.0 + 0.8 * columns / lens.width + 0.3 * rows / lens.height
    depth[lens.height // 3 : lens.height // 2, lens.width // 3 : lens.width // 2] = 1.1
    depth[: lens.height // 8, : lens.width // 4] = 0
    return np.asarray(depth + np.random.default_rng(1).normal(0, 5e-4, depth.shape) * (depth > 0), np.float32)


def test_the_same_camera_changes_nothing_but_what_is_no_reading() -> None:
    depth = room(SMALL)
    depth[5, :4] = (np.nan, np.inf, -1, 0)
    expected = np.where(np.isfinite(depth) & (depth > 0), depth, 0)
    assert np.array_equal(register_depth(depth, RgbdCamera(SMALL, SMALL)), expected)


def test_a_wall_moves_by_focal_length_times_baseline_over_distance() -> None:
    shift = 60 * 0.05 / 1.0  # 3 pixels
    seen = register_depth(plane(SMALL, 1.0), RgbdCamera(SMALL, SMALL, translation=ASIDE))
    assert np.all(seen[:, : 64 - int(shift)] == 1)
    assert not seen[:, 64 - int(shift) :].any()  # its own view ends there: nothing is invented


def test_distances_are_those_of_the_colour_camera() -> None:
    ahead = RgbdCamera(SMALL, SMALL, translation=(0.0, 0.0, -0.25))
    assert set(np.unique(register_depth(plane(SMALL, 1.0), ahead))) == {np.float32(0.75)}
    side = RgbdCamera(SMALL, SMALL, rotation=turned(10, 1))
    seen = register_depth(plane(SMALL, 1.0), side)
    rows, columns = np.nonzero(seen)
    # the wall z = 1 of the depth camera, in the colour camera: (R^T p)_z = 1
    back = np.reshape(side.rotation, (3, 3)).T[2]
    expected = 1 / (back @ np.stack(((columns - 31.5) / 60, (rows - 23.5) / 60, np.ones(len(rows)))))
    assert len(rows) > 2000 and np.abs(seen[rows, columns] - expected).max() < 0.01  # of one pixel's slant


def test_the_nearest_of_two_walls_stays_and_hides_what_is_behind() -> None:
    depth = plane(SMALL, 3.0)
    depth[:, 30:40] = 1.0  # moves 3 pixels to the left, the wall behind 1 pixel
    seen = register_depth(depth, RgbdCamera(SMALL, SMALL, translation=ASIDE))[24]
    assert np.all(seen[27:37] == 1)
    assert np.all(seen[:27] == 3) and np.all(seen[39:63] == 3)
    assert not seen[37:39].any()  # a shadow: neither wall was seen there


def test_holes_stay_holes() -> None:
    depth = plane(SMALL, 1.0)
    depth[10:20, 30:40] = 0
    seen = register_depth(depth, RgbdCamera(SMALL, SMALL, translation=ASIDE))
    assert not seen[10:20, 27:37].any()
    assert np.count_nonzero(seen) == 48 * 61 - 100


@pytest.mark.parametrize("factor", [1.2, 1.7, 2.5, 4.0])
def test_more_colour_pixels_leave_no_grid(factor: float) -> None:
    size = round(64 * factor), round(48 * factor)
    colour = replace(SMALL.scaled(*size), width=size[0], height=size[1])
    camera = RgbdCamera(colour, SMALL, rotation=turned(1, 1), translation=(0.001, 0.001, 0.0))
    rows, columns = np.mgrid[:48, :64]
    slanted = (2 + 0.03 * columns + 0.02 * rows).astype(np.float32)  # 50 degrees at this focal length
    edge = int(4 * factor)
    assert (register_depth(slanted, camera)[edge:-edge, edge:-edge] > 0).all()


def test_a_patch_is_no_larger_than_its_pixel_and_a_quarter_of_a_colour_pixel() -> None:
    depth = np.zeros((48, 64), np.float32)
    depth[20, 30] = 1
    colour = SMALL.scaled(256, 192)
    seen = register_depth(depth, RgbdCamera(colour, SMALL))
    rows, columns = np.nonzero(seen)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (80, 83, 120, 123)


def test_fewer_colour_pixels_keep_the_nearest() -> None:
    depth = plane(SMALL, 2.0)
    depth[9, 13] = 1.0
    seen = register_depth(depth, RgbdCamera(SMALL.scaled(16, 12), SMALL))
    assert seen.shape == (12, 16) and (seen > 0).all()
    assert seen[2, 3] == 1 and np.count_nonzero(seen == 1) == 1


def test_a_camera_on_its_side_sees_the_picture_turned() -> None:
    depth = room(SMALL)
    upright = Lens(48, 64, 60.0, 60.0, 23.5, 31.5)
    seen = register_depth(depth, RgbdCamera(upright, SMALL, rotation=turned(90, 2)))
    assert np.allclose(seen, np.rot90(depth, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("colour", "depth", "turn", "shift"),
    [
        ((Distortion.NONE, ()), (Distortion.NONE, ()), turned(5, 0), (-0.03, 0.01, 0.004)),
        ((Distortion.RATIONAL, (0.3, 0.05, 1e-3, -1e-3, 0.01, 0.2)), (Distortion.RATIONAL, (0.4, 0, 0, 0, 0, 0.6)),
         turned(-6, 0), (-0.032, -0.002, 0.004)),
        ((Distortion.BROWN_CONRADY, (-0.1, 0.02, 1e-3, 1e-3)), (Distortion.KANNALA_BRANDT, (0.02, -0.01)),
         turned(3, 2), (0.06, 0.0, 0.0)),
        ((Distortion.INVERSE_BROWN_CONRADY, (0.1, -0.05, 1e-3, 1e-3)), (Distortion.NONE, ()),
         turned(20, 1), (-0.6, 0.0, 0.3)),
    ],
)  # fmt: skip
def test_it_agrees_with_registration_written_a_second_time(
    colour: tuple[Distortion, tuple[float, ...]],
    depth: tuple[Distortion, tuple[float, ...]],
    turn: tuple[float, ...],
    shift: tuple[float, float, float],
) -> None:
    lens = Lens(80, 60, 70.0, 71.0, 40.2, 29.1, *depth)
    camera = RgbdCamera(Lens(160, 90, 95.0, 94.0, 80.3, 44.2, *colour), lens, turn, shift)
    metres = room(lens)
    seen = register_depth(metres, camera)
    exact = brute_registration(metres, camera, 0.25)
    assert min(agreement(seen, exact), agreement(exact, seen)) > 0.995
    assert ((seen > 0) == (exact > 0)).mean() > 0.995
    assert np.mean(np.abs(seen - exact) < 1e-5) > 0.98


def test_whole_units_stay_whole_units() -> None:
    camera = RgbdCamera(SMALL, SMALL, translation=(-0.05, 0.0, -0.25))
    metres = room(SMALL)
    stored = np.rint(metres * 5000).astype(np.uint16)
    stored[0, 40] = 65535  # no reading
    seen = register_depth(stored, camera, units_per_metre=5000)
    expected = register_depth(np.where(stored == 65535, 0, stored).astype(np.float32) / 5000, camera)
    assert seen.dtype == np.uint16 and np.array_equal(seen, np.rint(expected * 5000))
    with pytest.raises(CameraError, match="units_per_metre None, expected units of a metre"):
        register_depth(stored, camera)


def test_what_whole_units_cannot_hold_is_no_reading() -> None:
    back = RgbdCamera(SMALL, SMALL, translation=(0.0, 0.0, 10.0))
    assert not register_depth(np.full((48, 64), 60000, np.uint16), back, units_per_metre=1000).any()


def test_depth_without_readings_stays_empty() -> None:
    camera = RgbdCamera(SMALL.scaled(128, 96), SMALL, translation=ASIDE)
    for nothing in (0, np.nan, np.inf, -1):
        seen = register_depth(plane(SMALL, nothing), camera)
        assert seen.shape == (96, 128) and not seen.any()


def test_what_comes_to_lie_behind_the_colour_camera_is_dropped() -> None:
    assert not register_depth(plane(SMALL, 1.0), RgbdCamera(SMALL, SMALL, translation=(0.0, 0.0, -2.0))).any()
    assert not register_depth(plane(SMALL, 1.0), RgbdCamera(SMALL, SMALL, rotation=turned(180, 1))).any()


def test_a_lens_is_scaled_to_images_of_its_aspect_ratio() -> None:
    camera = RgbdCamera(SMALL.scaled(128, 96), SMALL.scaled(320, 240), translation=ASIDE)
    seen = register_depth(plane(SMALL, 1.0), camera, size=(64, 48))
    assert np.array_equal(seen, register_depth(plane(SMALL, 1.0), RgbdCamera(SMALL, SMALL, translation=ASIDE)))


def test_an_image_that_a_server_takes_for_its_lens_is_taken_here_too() -> None:
    """Rounding to whole pixels changes an aspect ratio a little: one rule says how much that may be."""
    camera, size = RgbdCamera(SMALL, SMALL, translation=ASIDE), (200, 151)
    sent = fitted(camera, View("colour", size), View("depth", SMALL.size), ASPECT_TOLERANCE)
    assert np.array_equal(
        register_depth(plane(SMALL, 1.0), camera, size=size), register_depth(plane(SMALL, 1.0), sent, size=size)
    )


def test_images_of_another_aspect_ratio_are_refused() -> None:
    camera = RgbdCamera(SMALL, SMALL)
    with pytest.raises(CameraError, match="depth is 64 x 40, but the depth lens is 64 x 48: another aspect ratio"):
        register_depth(np.zeros((40, 64), np.float32), camera)
    with pytest.raises(CameraError, match="colour is 10 x 10"):
        register_depth(plane(SMALL, 1.0), camera, size=(10, 10))
    with pytest.raises(CameraError, match=r"expected float32 \[48, 64\] as the depth camera has"):
        Registration(camera).apply(np.zeros((24, 32), np.float32))
    with pytest.raises(CameraError, match="float64"):
        register_depth(np.zeros((48, 64)), camera)


def test_an_image_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(CameraError, match="at most"):
        registration_of(RgbdCamera(Lens(10**6, 10**6, 60.0, 60.0, 0.0, 0.0), SMALL))


def test_calibrations_without_sense_do_no_harm() -> None:
    for shift, focal in (((1e30, 0.0, 0.0), 60.0), ((0.0, 0.0, -1.0), 1e12), ((0.0, 0.0, 0.0), 1e-12)):
        colour = replace(SMALL, fx=focal, fy=focal, distortion=Distortion.BROWN_CONRADY, coefficients=(1e9,))
        assert register_depth(room(SMALL), RgbdCamera(colour, SMALL, translation=shift)).shape == (48, 64)


def test_coverage_is_the_share_of_readings_that_the_colour_camera_has_in_view() -> None:
    left_half = replace(SMALL, width=32)
    depth = plane(SMALL, 1.0)
    assert Registration(RgbdCamera(left_half, SMALL)).coverage(depth) == 0.5
    depth[:, 32:] = 0
    assert Registration(RgbdCamera(left_half, SMALL)).coverage(depth) == 1
    away = Registration(RgbdCamera(SMALL, SMALL, translation=(-32.0, -2.0, 4.0))).coverage(plane(SMALL, 1.0))
    assert away == 0 and "0% of the depth readings" in str(coverage_warning(away))  # millimetres taken for metres
    assert coverage_warning(0.5) is None


def test_a_registration_is_made_once_per_camera() -> None:
    camera = RgbdCamera(SMALL, SMALL, translation=ASIDE)
    assert registration_of(camera) is registration_of(replace(camera))


def test_large_images_have_every_patch_in_its_place() -> None:
    """Places beyond 2^24 do not fit float32; numpy 1 keeps float32 where an array meets a number of float64."""
    buffer = ZBuffer(4096, 3072, 32.0)
    rows, columns = np.arange(1000, 3000, 7), np.arange(500, 4000, 12)[:286]
    rows = rows[: len(columns)]
    ones = np.ones(len(rows), np.float32)
    patches = Patches(2 * ones, ones > 0, columns.astype(np.float32), rows.astype(np.float32), 0.5 * ones, ones)
    buffer.enter(patches)
    seen = np.argwhere(buffer.image() > 0)
    expected = {(row + down, column) for row, column in zip(rows, columns, strict=True) for down in (-1, 0, 1)}
    assert {(int(row), int(column)) for row, column in seen} == expected
