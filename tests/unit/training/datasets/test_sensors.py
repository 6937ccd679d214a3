"""The depth cameras: noise, steps, shadows and holes as their sources give them."""

from __future__ import annotations

import numpy as np
import pytest

from crosswire.contract.errors import UsageError
from crosswire.training.config import ConfigError
from crosswire.training.datasets.rooms import render
from crosswire.training.datasets.sensors import SENSORS, DepthView, kinect_v1, realsense
from crosswire.training.tasks.segmentation.config import DEPTH_SENSORS, DataConfig

SHAPE = (240, 320)
FOCAL = 262.5
REAL = ("kinect-v1", "kinect-v2", "realsense")


def view(
    z: float | np.ndarray, *, cosine: float = 0.9, reflectance: float = 0.6, shine: float = 0.0, texture: float = 0.6
) -> DepthView:
    """A view of one material at a depth."""
    fields = [
        np.broadcast_to(np.asarray(v, np.float32), SHAPE).copy() for v in (z, cosine, reflectance, shine, texture)
    ]
    return DepthView(*fields, focal=FOCAL)


def read(name: str, seen: DepthView, seed: int = 0) -> np.ndarray:
    return SENSORS[name](seen, np.random.default_rng(seed))


def inner(depth: np.ndarray) -> np.ndarray:
    """Without the borders, which some cameras lose."""
    return depth[20:-20, 30:-20]


def step_at(column: int, near: float, far: float) -> np.ndarray:
    """A near surface to the right of a column, before a far one."""
    z = np.full(SHAPE, far, np.float32)
    z[:, column:] = near
    return z


def test_none_reads_the_truth_everywhere() -> None:
    seen = view(np.random.default_rng(1).uniform(0.1, 20, SHAPE))
    np.testing.assert_array_equal(read("none", seen), seen.range)


@pytest.mark.parametrize("name", REAL)
def test_the_same_noise_gives_the_same_readings_and_another_others(name: str) -> None:
    seen = view(1.0)
    np.testing.assert_array_equal(read(name, seen), read(name, seen))
    assert not np.array_equal(read(name, seen), read(name, seen, seed=1))


@pytest.mark.parametrize("name", REAL)
def test_readings_are_right_but_for_noise_and_holes_are_zero(name: str) -> None:
    depth = read(name, view(1.0))
    assert depth.dtype == np.float32 and depth.shape == SHAPE
    assert np.mean(inner(depth) == 0) < 0.02
    assert abs(np.median(inner(depth)) - 1) < 0.005 and np.abs(depth[depth > 0] - 1).max() < 0.03


@pytest.mark.parametrize("name", REAL)
def test_mirrors_are_not_read_and_neither_is_what_is_out_of_range(name: str) -> None:
    assert 0.3 < np.mean(inner(read(name, view(1.0, shine=0.6))) == 0) < 0.9
    assert (read(name, view(0.1)) == 0).all() and (read(name, view(15.0)) == 0).all()


@pytest.mark.parametrize("z", [1.0, 2.0, 3.5])
def test_noise_of_the_first_kinect_is_that_of_nguyen_and_its_levels_those_of_khoshelham(z: float) -> None:
    depth = np.concatenate([inner(read("kinect-v1", view(z), seed)) for seed in range(8)])
    depth = depth[depth > 0].astype(np.float64)
    deviation = np.hypot(0.0012 + 0.0019 * (z - 0.4) ** 2, 2.85e-3 * z * z / np.sqrt(12))
    assert 0.65 * deviation < depth.std() < 1.35 * deviation
    levels = kinect_v1.LEVELS / depth
    assert np.abs(levels - np.rint(levels)).max() < 0.01


def test_noise_of_the_first_kinect_grows_beyond_sixty_degrees() -> None:
    z = np.ones(2, np.float32)
    facing, steep = kinect_v1.axial_deviation(z, np.asarray([0.9, 0.2], np.float32))
    angle = np.arccos(0.2)
    assert steep - facing == pytest.approx(0.0001 * angle**2 / (np.pi / 2 - angle) ** 2, rel=1e-3)


def test_dark_and_grazing_surfaces_give_the_first_kinect_too_little_light() -> None:
    assert (read("kinect-v1", view(1.5, reflectance=0.01)) == 0).mean() > 0.9
    assert (read("kinect-v1", view(1.5, cosine=0.03)) == 0).mean() > 0.9
    assert (inner(read("kinect-v1", view(1.5, reflectance=0.3))) == 0).mean() < 0.02


@pytest.mark.parametrize(("name", "baseline"), [("kinect-v1", 0.075), ("kinect-v2", 0.052), ("realsense", 0.05)])
def test_a_near_surface_throws_a_shadow_as_wide_as_the_baseline_makes_it(name: str, baseline: float) -> None:
    depth = read(name, view(step_at(200, 0.7, 1.4)))
    wide = baseline * FOCAL * (1 / 0.7 - 1 / 1.4)
    lost = (depth[40:-40, 100:199] == 0).mean(axis=0)
    assert abs(lost.sum() - wide) < 2.5 and lost[:-20].mean() < 0.05 and lost[-round(wide) + 2 :].mean() > 0.8


def test_noise_of_the_second_kinect_is_inverse_to_the_light_that_comes_back() -> None:
    def noise(**material: float) -> float:
        depth = inner(read("kinect-v2", view(1.0, **material)))
        return float(np.diff(depth, axis=1)[(depth > 0)[:, 1:] & (depth > 0)[:, :-1]].std() / np.sqrt(2))

    bright, dark, slanted = noise(reflectance=0.8), noise(reflectance=0.1), noise(reflectance=0.8, cosine=0.2)
    assert 0.001 < bright < 0.003 and dark > 2.5 * bright and slanted > 1.5 * bright


def test_pixels_of_the_second_kinect_fly_between_two_surfaces() -> None:
    depth = read("kinect-v2", view(step_at(200, 0.7, 1.4)))
    flying = (depth > 0.75) & (depth < 1.35)
    assert 0.1 < flying[30:-30, 199:201].mean() < 0.6
    assert not flying[30:-30, 40:190].any() and not flying[30:-30, 210:300].any()
    smooth = read("kinect-v2", view(1.0))
    assert not ((smooth > 0) & (np.abs(smooth - 1) > 0.03)).any()


@pytest.mark.parametrize("z", [0.6, 1.2])
def test_stereo_has_no_match_for_the_leftmost_columns(z: float) -> None:
    depth = read("realsense", view(z))
    band = int(realsense.BASELINE_M * FOCAL / z)
    assert (depth[:, :band] == 0).all() and (depth[:, band + 2 : band + 20] > 0).mean() > 0.95


def test_noise_of_stereo_grows_with_the_square_of_the_depth() -> None:
    focal = FOCAL * realsense.WIDTH / SHAPE[1]
    for z in (1.0, 2.0, 4.0):
        depth = inner(read("realsense", view(z)))
        expected = z * z * realsense.SUBPIXEL / (focal * realsense.BASELINE_M)
        assert 0.7 < depth[depth > 0].std() / expected < 1.3


def test_stereo_needs_texture_or_the_light_of_its_pattern() -> None:
    dark = {"reflectance": 0.02, "cosine": 0.8}
    assert (inner(read("realsense", view(2.0, texture=0.03, **dark))) == 0).mean() > 0.7
    assert (inner(read("realsense", view(2.0, texture=0.6, **dark))) == 0).mean() < 0.05


def test_stereo_smears_near_surfaces_over_their_edges() -> None:
    depth = read("realsense", view(step_at(200, 0.7, 1.4)[:, ::-1].copy()))[30:-30]
    assert (np.abs(depth[:, 120] - 0.7) < 0.05).mean() > 0.4
    assert (np.abs(depth[:, 122] - 1.4) < 0.1).mean() > 0.95


@pytest.mark.parametrize("name", REAL)
def test_a_room_seen_by_another_camera_is_the_same_room(name: str) -> None:
    own, other = render(3, 5), render(3, 5, sensor=name)
    for field in ("rgb", "labels", "range"):
        np.testing.assert_array_equal(getattr(own, field), getattr(other, field))
    assert not np.array_equal(own.depth, other.depth)
    both = (own.depth > 0) & (other.depth > 0)
    assert both.mean() > 0.2 and np.median(np.abs(other.depth - own.depth)[both]) < 0.05


def test_a_room_seen_without_a_sensor_is_read_as_it_is() -> None:
    room = render(3, 5, sensor="none")
    np.testing.assert_array_equal(room.depth, room.range)


def test_the_setting_allows_the_cameras_that_there_are() -> None:
    assert ("own", *SENSORS) == DEPTH_SENSORS
    with pytest.raises(ConfigError, match=r"data\.depth_sensor"):
        DataConfig(depth_sensor="kinect")
    with pytest.raises(UsageError, match="depth sensor 'kinect' is unknown; allowed are none, kinect-v1"):
        render(0, 0, 16, 16, sensor="kinect")
