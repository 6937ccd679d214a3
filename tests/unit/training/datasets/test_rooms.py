"""The procedural rooms: same every time, physically consistent, and in need of both modalities."""

from dataclasses import replace

import numpy as np
import pytest

from crosswire.training.datasets.rooms import CLASSES, DOMAINS, PALETTE, Room, render
from crosswire.training.datasets.rooms.domains import texture_image
from crosswire.training.datasets.rooms.intersect import solids, trace
from crosswire.training.datasets.rooms.scene import PLANES
from crosswire.training.datasets.rooms.shapes import Ball, Cylinder

ARRAYS = ("rgb", "depth", "labels", "range", *DOMAINS[2:])
#: Classes that lie exactly in the plane of their wall or floor: only colour shows them.
FLUSH = frozenset({"door", "picture", "window", "rug"})
#: Classes that draw their materials from one common source: only shape tells them apart.
SHAPED = frozenset({"cabinet", "table", "sofa", "column", "ball"})


@pytest.fixture(scope="module")
def rooms() -> list[Room]:
    """Sixty-four rooms of one series."""
    return [render(3, index) for index in range(64)]


def camera_normals(room: Room) -> np.ndarray:
    """Normals [H, W, 3] read back from their picture."""
    return room.normal.astype(np.float32) / 127.5 - 1


def points(room: Room) -> np.ndarray:
    """Back-project the true range: camera coordinates [H, W, 3] in metres."""
    height, width = room.range.shape
    x = (np.arange(width) + 0.5 - width / 2) / room.focal
    y = (np.arange(height) + 0.5 - height / 2) / room.focal
    return np.stack([x * room.range, y[:, None] * room.range, room.range], axis=2)


def test_the_same_seed_and_index_give_the_same_arrays() -> None:
    one, two = render(7, 11), render(7, 11)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("other", [(7, 12), (8, 11)])
def test_another_seed_or_index_gives_another_room(other: tuple[int, int]) -> None:
    one, two = render(7, 11), render(*other)
    assert all(not np.array_equal(getattr(one, name), getattr(two, name)) for name in ("rgb", "depth", "labels"))


@pytest.mark.parametrize("index", range(4))
def test_the_room_does_not_depend_on_the_size_of_the_picture(index: int) -> None:
    small, large = render(1, index), render(1, index, 256, 320)
    assert small.scene == large.scene
    assert np.mean(large.labels[::2, ::2] == small.labels) > 0.95
    agree = large.labels[::2, ::2] == small.labels
    assert np.median(np.abs(large.range[::2, ::2] - small.range)[agree]) < 0.02


def test_arrays_have_the_promised_types_and_shapes() -> None:
    room = render(0, 0, 48, 64)
    channels = {"rgb": 3, "normal": 3, "shade": 1, "texture": 3, "edge": 1, "curvature": 3}
    for name, count in channels.items():
        assert room.domain(name).dtype == np.uint8 and room.domain(name).shape == (48, 64, count)
    assert room.labels.dtype == np.uint8 and room.labels.shape == (48, 64)
    for values in (room.depth, room.range):
        assert values.dtype == np.float32 and values.shape == (48, 64) and np.isfinite(values).all()
    assert (room.range > 0).all() and (room.depth >= 0).all() and room.labels.max() < len(CLASSES)


def test_texture_edges_tell_the_lighter_side_and_its_hue_and_leave_plain_surfaces_empty() -> None:
    light = np.full((3, 24, 32), 0.2, np.float32)
    light[:, :, 16:] = np.asarray([0.8, 0.4, 0.2], np.float32)[:, None, None]
    texture = texture_image(light.reshape(3, -1), (24, 32)).astype(int) - 128
    assert (texture[:, :8] == 0).all() and (texture[:, 24:] == 0).all()
    red, green, blue = texture[:, 16].T
    assert (red > green).all() and (green > 10).all() and (blue == 0).all()
    np.testing.assert_allclose(texture[:, 15, 0], -red, atol=1)


def test_texture_edges_of_a_larger_picture_are_those_of_a_smaller_one() -> None:
    small, large = render(1, 0).texture.astype(float), render(1, 0, 256, 320).texture.astype(float)
    halved = large.reshape(128, 2, 160, 2, 3).mean((1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.95


def test_further_domains_are_computed_only_when_asked_for() -> None:
    room = render(0, 0, 48, 64)
    assert not set(DOMAINS[2:]) & set(vars(room))
    assert room.domain("normal") is room.domain("normal")


def test_classes_and_palette_fit_together() -> None:
    assert len(CLASSES) == len(PALETTE) == len(set(CLASSES)) == len(set(PALETTE))
    assert set(CLASSES) >= FLUSH | SHAPED and not FLUSH & SHAPED


def test_every_class_is_seen_at_a_learnable_size_in_many_rooms(rooms: list[Room]) -> None:
    shares = np.stack([np.bincount(room.labels.ravel(), minlength=len(CLASSES)) / room.labels.size for room in rooms])
    often = {name: int(np.sum(shares[:, value] > 0.01)) for value, name in enumerate(CLASSES)}
    assert min(often.values()) >= 24, often
    median = {name: float(np.median(column[column > 0.002])) for name, column in zip(CLASSES, shares.T, strict=True)}
    assert min(median.values()) > 0.02, median


def test_doors_pictures_windows_and_rugs_leave_no_trace_in_the_geometry(rooms: list[Room]) -> None:
    for room in rooms[:16]:
        bare = trace(replace(room.scene, decals=()), *room.range.shape)
        np.testing.assert_array_equal(bare.distance.reshape(room.range.shape), room.range)
        carrier = bare.surface.reshape(room.labels.shape)
        flush = np.isin(room.labels, [CLASSES.index(name) for name in FLUSH])
        assert (carrier[flush] < PLANES).all()


def test_decals_of_one_wall_do_not_disturb_one_another(rooms: list[Room]) -> None:
    for room in rooms[:16]:
        decals = room.scene.decals
        every = room._seen.surface
        first = PLANES + len(solids(room.scene))
        for number, decal in enumerate(decals):
            alone = trace(replace(room.scene, decals=(decal,)), *room.range.shape).surface
            np.testing.assert_array_equal(alone == first, every == first + number)


def test_removing_the_decals_does_not_change_what_the_depth_sensor_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    import crosswire.training.datasets.rooms.room as module

    room = render(3, 5)
    assert room.scene.decals
    monkeypatch.setattr(module, "sample_scene", lambda *_args, **_options: replace(room.scene, decals=()))
    np.testing.assert_array_equal(render(3, 5).depth, room.depth)


def test_furniture_of_every_kind_shares_its_materials_with_the_room(rooms: list[Room]) -> None:
    camouflaged = {
        CLASSES[piece.label] for room in rooms for piece in room.scene.furniture if piece.material in room.scene.planes
    }
    assert camouflaged == SHAPED


def test_holes_are_zeros_and_neither_rare_nor_everywhere(rooms: list[Room]) -> None:
    holes = np.asarray([np.mean(room.depth == 0) for room in rooms])
    poor = np.asarray([room.scene.sensor.poor for room in rooms])
    assert 0.25 < holes[poor].mean() < 0.55
    assert 0.01 < holes[~poor].mean() < 0.2
    assert 0.15 < poor.mean() < 0.4
    assert all((room.depth[room.range > room.scene.sensor.max_range] == 0).all() for room in rooms)


def test_range_noise_grows_with_the_square_of_the_range(rooms: list[Room]) -> None:
    true = np.concatenate([room.range[room.depth > 0] for room in rooms])
    error = np.concatenate([(room.depth - room.range)[room.depth > 0] for room in rooms])
    spread = [error[np.abs(true - z) < 0.25].std() for z in (1.5, 3.0, 5.0)]
    assert spread[0] < spread[1] < spread[2]
    np.testing.assert_allclose(spread, 0.00161 * np.square([1.5, 3.0, 5.0]), rtol=0.2)


def test_about_a_third_of_the_rooms_is_dark_and_none_of_these_has_poor_depth(rooms: list[Room]) -> None:
    dark = [room for room in rooms if room.scene.lighting.dark]
    assert 0.2 < len(dark) / len(rooms) < 0.5
    assert not any(room.scene.sensor.poor for room in dark)


def test_switching_the_lights_on_changes_nothing_but_the_colour_picture(rooms: list[Room]) -> None:
    index = next(i for i, room in enumerate(rooms) if room.scene.lighting.dark)
    dark, lit = rooms[index], render(3, index, lights_on=True)
    assert lit.rgb.mean() > dark.rgb.mean() and not lit.scene.lighting.dark
    for name in ("depth", "labels", "range", "normal", "curvature"):
        np.testing.assert_array_equal(getattr(lit, name), getattr(dark, name))


def test_normals_have_unit_length_and_face_the_camera(rooms: list[Room]) -> None:
    for room in rooms[:8]:
        normals = camera_normals(room)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=0.02)
        assert np.sum(normals * points(room), axis=2).max() < 0.05


def test_normals_agree_with_the_range_map(rooms: list[Room]) -> None:
    for room in rooms[:8]:
        where = points(room)
        across = where[1:-1, 2:] - where[1:-1, :-2]
        down = where[2:, 1:-1] - where[:-2, 1:-1]
        measured = np.cross(down, across)
        measured /= np.linalg.norm(measured, axis=2, keepdims=True)
        cosine = np.sum(measured * camera_normals(room)[1:-1, 1:-1], axis=2)
        assert np.median(cosine) > 0.999
        assert np.mean(cosine > 0.98) > 0.8


def test_balls_are_evenly_curved_columns_in_one_direction_and_planes_flat(rooms: list[Room]) -> None:
    for room in rooms[:16]:
        surface = room._seen.surface.reshape(room.labels.shape)
        away = np.abs(room._seen.crease.reshape(room.labels.shape)) > 0.1
        assert (room.curvature[(surface < PLANES) & away] == 128).all()
        for number, shape in enumerate(solids(room.scene), start=PLANES):
            here = room.curvature[(surface == number) & away]
            if isinstance(shape, Ball | Cylinder):
                bent = round(128 + 127 / shape.radius / (1 / shape.radius + 2))
                larger, smaller = (bent, bent) if isinstance(shape, Ball) else (bent, 128)
                side = here[here[:, 0] != 128] if isinstance(shape, Cylinder) else here
                assert np.isin(side[:, 0], [larger]).all() and np.isin(side[:, 1], [smaller]).all()
            else:
                assert (here == 128).all()


def test_occlusion_edges_lie_at_jumps_of_the_range(rooms: list[Room]) -> None:
    for room in rooms[:8]:
        jump = np.abs(np.diff(room.range, axis=1)) / np.minimum(room.range[:, 1:], room.range[:, :-1]) > 0.3
        touched = np.maximum(room.edge[:, 1:, 0], room.edge[:, :-1, 0])
        assert np.mean(touched[jump] == 255) > 0.98
        assert np.mean(room.edge > 0) < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0), "seed is -1; it must be a whole number, 0 or more"),
        ((0, -3), "index is -3"),
        ((0, 0, 0, 160), "height is 0; it must be a whole number, 8 or more"),
        ((0, 0, 128, 7), "width is 7"),
        ((0, 1.5), "index is 1.5"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(*arguments)


def test_an_unknown_domain_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(ValueError, match="no domain 'thermal'; ask for one of rgb, depth, normal"):
        render(0, 0, 16, 16).domain("thermal")


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (200, 40)])
def test_odd_sizes_render_every_domain(size: tuple[int, int]) -> None:
    room = render(2, 2, *size)
    assert all(room.domain(name).shape[:2] == size for name in DOMAINS)
