"""The procedural tabletops: same every time, physically consistent, and labelled where depth is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crosswire.training.datasets.rooms.shapes import Box, Cylinder
from crosswire.training.datasets.tabletops import CLASSES, PALETTE, Tabletop, render
from crosswire.training.datasets.tabletops.classes import BACKGROUND, OBJECT, TABLE
from crosswire.training.datasets.tabletops.placing import height_at, in_frame
from crosswire.training.datasets.tabletops.shapes import Lathe, Posed

ARRAYS = ("rgb", "depth", "labels", "range")
SIZE = (90, 120)


@pytest.fixture(scope="module")
def tables() -> list[Tabletop]:
    """Sixty-four tables of one series."""
    return [render(3, index, *SIZE) for index in range(64)]


def points(table: Tabletop) -> np.ndarray:
    """World coordinates [H, W, 3] of the true range, metres."""
    height, width = table.range.shape
    across = (np.arange(width) + 0.5 - width / 2) / table.focal
    down = ((np.arange(height) + 0.5 - height / 2) / table.focal)[:, None]
    own = np.stack(np.broadcast_arrays(across, down, 1.0), axis=2) * table.range[..., None]
    return own @ np.asarray(table.scene.camera.axes) + np.asarray(table.scene.camera.position)


def test_the_same_seed_and_index_give_the_same_arrays() -> None:
    one, two = render(7, 11), render(7, 11)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("other", [(7, 12), (8, 11)])
def test_another_seed_or_index_gives_another_table(other: tuple[int, int]) -> None:
    one, two = render(7, 11, *SIZE), render(*other, *SIZE)
    assert all(not np.array_equal(getattr(one, name), getattr(two, name)) for name in ARRAYS)


@pytest.mark.parametrize("index", range(4))
def test_the_scene_does_not_depend_on_the_size_of_the_picture(index: int) -> None:
    small, large = render(1, index, 120, 160), render(1, index, 240, 320)
    assert small.scene == large.scene
    agree = large.labels[::2, ::2] == small.labels
    assert agree.mean() > 0.95
    assert np.median(np.abs(large.range[::2, ::2] - small.range)[agree]) < 0.005


def test_arrays_have_the_promised_types_and_shapes(tables: list[Tabletop]) -> None:
    for table in tables[:8]:
        assert table.rgb.dtype == np.uint8 and table.rgb.shape == (*SIZE, 3)
        assert table.labels.dtype == np.uint8 and table.labels.shape == SIZE and table.labels.max() < len(CLASSES)
        for values in (table.depth, table.range):
            assert values.dtype == np.float32 and values.shape == SIZE and np.isfinite(values).all()
        assert (table.range > 0).all() and (table.depth >= 0).all()


def test_classes_and_palette_fit_together() -> None:
    assert CLASSES == ("background", "table", "object") and len(set(PALETTE)) == 3
    assert (CLASSES[BACKGROUND], CLASSES[TABLE], CLASSES[OBJECT]) == CLASSES


def test_objects_are_seen_at_a_learnable_size_and_do_not_fill_the_view(tables: list[Tabletop]) -> None:
    objects = np.asarray([(table.labels == OBJECT).mean() for table in tables])
    surface = np.asarray([(table.labels == TABLE).mean() for table in tables])
    assert (objects > 0.005).mean() > 0.8 and 0.03 < np.median(objects) < 0.15
    assert (surface > 0.1).mean() > 0.9 and 0.3 < np.median(surface) < 0.75


def test_missing_readings_occur_on_every_class_and_labels_everywhere(tables: list[Tabletop]) -> None:
    missing = np.asarray([(table.depth == 0).mean() for table in tables])
    assert 0.25 < missing.mean() < 0.6 and (missing < 0.1).mean() > 0.1
    for label in range(len(CLASSES)):
        hidden = np.concatenate([(table.depth == 0)[table.labels == label] for table in tables])
        assert 0.05 < hidden.mean() < 0.95, CLASSES[label]


def test_every_depth_camera_is_drawn_and_another_one_changes_depth_alone(tables: list[Tabletop]) -> None:
    drawn = {table.scene.depth.sensor for table in tables}
    assert drawn == {"none", "kinect-v1", "kinect-v2", "realsense"}
    own, other = render(3, 0, *SIZE, sensor="kinect-v1"), render(3, 0, *SIZE, sensor="realsense")
    assert not np.array_equal(own.depth, other.depth)
    for name in ("rgb", "labels", "range"):
        np.testing.assert_array_equal(getattr(own, name), getattr(other, name))


def test_objects_stand_on_the_table_or_on_one_another(tables: list[Tabletop]) -> None:
    standing = []
    for table in tables:
        top = table.scene.top
        for thing in table.scene.furniture:
            if thing.label != OBJECT:
                continue
            corners = np.asarray([corner for shape in thing.shapes for corner in shape.corners])
            x, y, _ = (corners.min(axis=0) + corners.max(axis=0)) / 2
            above = corners[:, 2].min() - height_at(top, x, y)
            assert above > -1e-6
            standing.append(above < 1e-6)
            a, b = in_frame(top.frame, x, y)
            assert abs(a) < top.half_size[0] and abs(b) < top.half_size[1]
    assert 0.75 < np.mean(standing) < 0.98


def test_the_top_of_the_table_is_where_the_scene_says_uneven_or_not(tables: list[Tabletop]) -> None:
    assert 0.08 < np.mean([bool(table.scene.top.waves) for table in tables]) < 0.4
    for table in tables:
        top, where = table.scene.top, points(table)
        near = (table.labels == TABLE) & (where[..., 2] > top.height - 0.012 - (0.02 if top.waves else 0))
        x, y, z = where[near].T
        waves = sum(w.height * np.sin(w.along[0] * x + w.along[1] * y + w.phase) for w in top.waves)
        away = np.abs(z - top.height - waves)
        assert not near.any() or np.quantile(away, 0.9) < (0.006 if top.waves else 0.001)


def test_a_crop_leaves_nothing_outside_its_prism(tables: list[Tabletop]) -> None:
    cropped = [table for table in tables if table.scene.depth.crop is not None]
    assert 0.25 < len(cropped) / len(tables) < 0.65
    for table in cropped:
        crop, where = table.scene.depth.crop, points(table)[table.depth > 0]
        assert crop is not None
        a, b = in_frame(table.scene.top.frame, where[:, 0], where[:, 1])  # type: ignore[arg-type]
        for own, low, high in zip((a, b), crop.low, crop.high, strict=True):
            assert ((own > low - 0.01) & (own < high + 0.01)).all()
        assert (where[:, 2] > table.scene.top.height - crop.below - 0.03).all()
        assert (table.range[table.depth > 0] <= crop.farthest).all()


def test_dark_frames_have_good_depth(tables: list[Tabletop]) -> None:
    dark = [table for table in tables if table.scene.photo.exposure < 0.1]
    assert 0.02 < len(dark) / len(tables) < 0.3
    assert all(table.scene.depth.holes <= 0.03 and table.scene.depth.noise == 1 for table in dark)


def rays(count: int, origin: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions from a point towards points around the world's origin."""
    aim = np.random.default_rng(0).uniform(-0.15, 0.15, (3, count)) - np.asarray(origin)[:, None]
    x, y, z = aim.astype(np.float32)
    return x, y, z


def test_an_upright_cylinder_is_a_surface_of_revolution() -> None:
    origin = (0.5, 0.4, 0.6)
    direction = rays(4000, origin)
    lathe = Lathe(((0.0, 0.0), (0.08, 0.0), (0.08, 0.1), (0.0, 0.1)))
    cylinder = Cylinder(0.0, 0.0, 0.08, 0.0, 0.1)
    one, two = lathe.hit(origin, direction), cylinder.hit(origin, direction)
    same = np.isfinite(one) == np.isfinite(two)
    assert same.mean() > 0.998 and np.isfinite(one).sum() > 500
    both = np.isfinite(one) & np.isfinite(two)
    np.testing.assert_allclose(one[both], two[both], atol=2e-4)
    point = tuple((o + one[both] * d[both]).astype(np.float32) for o, d in zip(origin, direction, strict=True))
    for mine, theirs in zip(lathe.surface(point).normal, cylinder.surface(point).normal, strict=True):
        assert np.mean(np.abs(mine - theirs) < 1e-3) > 0.98


def test_a_bowl_is_hollow_and_its_inside_faces_the_viewer() -> None:
    bowl = Lathe(((0.0, 0.0), (0.05, 0.0), (0.1, 0.06), (0.096, 0.06), (0.046, 0.004), (0.0, 0.004)))
    x = np.asarray([0.0, 0.03, 0.07, 0.2], np.float32)
    down = (np.zeros(4, np.float32), np.zeros(4, np.float32), np.full(4, -1, np.float32))
    heights = [1 - float(bowl.hit((a, 0.0, 1.0), tuple(d[:1] for d in down))[0]) for a in x.tolist()]  # type: ignore[arg-type]
    wall = 0.004 + (0.07 - 0.046) / 0.05 * 0.056
    assert heights == pytest.approx([0.004, 0.004, wall, -math.inf], abs=1e-4)
    inside = bowl.surface((x[:3], np.zeros(3, np.float32), np.asarray(heights[:3], np.float32)))
    assert (inside.normal[2] > 0.3).all() and inside.normal[0][2] < 0


def test_a_turned_box_is_the_box_with_its_sides_exchanged() -> None:
    origin = (0.4, -0.5, 0.7)
    direction = rays(4000, origin)
    lying = Posed(
        Box((0.0, 0.0, 0.0), (-0.05, -0.02, 0.0), (0.05, 0.02, 0.12)),
        (0.0, 0.0, 0.05),
        ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    )
    box = Box((0.0, 0.0, 0.0), (0.0, -0.02, 0.0), (0.12, 0.02, 0.1))
    one, two = lying.hit(origin, direction), box.hit(origin, direction)
    both = np.isfinite(one) & np.isfinite(two)
    assert (np.isfinite(one) == np.isfinite(two)).mean() > 0.998 and both.sum() > 300
    np.testing.assert_allclose(one[both], two[both], atol=1e-5)
    np.testing.assert_allclose(np.sort(lying.corners, axis=0), np.sort(box.corners, axis=0), atol=1e-9)
    point = tuple((o + two[both] * d[both]).astype(np.float32) for o, d in zip(origin, direction, strict=True))
    for mine, theirs in zip(lying.surface(point).normal, box.surface(point).normal, strict=True):
        assert np.mean(np.abs(mine - theirs) < 1e-3) > 0.98


def test_normals_of_a_stretched_ball_have_unit_length_and_are_square_to_its_surface() -> None:
    ball = Posed(Lathe(((0.0, -0.05), (0.05, 0.0), (0.0, 0.05))), (0.1, 0.0, 0.0), np.eye(3).tolist(), (2.0, 1.0, 1.0))
    point = tuple(np.asarray([value], np.float32) for value in (0.1 + 0.05, 0.0, 0.025))
    normal = [float(part[0]) for part in ball.surface(point).normal]
    assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-5)
    assert normal == pytest.approx([1 / math.sqrt(5), 0, 2 / math.sqrt(5)], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0), "seed is -1; it must be a whole number, 0 or more"),
        ((0, 1.5), "index is 1.5"),
        ((0, 0, 7, 160), "height is 7; it must be a whole number, 8 or more"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(*arguments)


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (100, 40)])
def test_odd_sizes_render(size: tuple[int, int]) -> None:
    for index in range(6):
        assert render(2, index, *size).rgb.shape == (*size, 3)
