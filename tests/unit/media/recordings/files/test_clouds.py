"""Organised point clouds: every way to store them, whichever way their axes point, and clouds that are no image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.clouds.lzf import decompress
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings import clouds as made
from tests.support.recordings.clouds import colours, points, room, write_pcd, write_ply


def told(recording: Recording) -> dict[str, str]:
    return {fact.what: str(fact) for fact in recording.facts}


def assert_read(path: Path, scale: float = 1.0, tolerance: float = 1e-5) -> Recording:
    recording = open_recording(path)
    (frame,) = recording
    np.testing.assert_allclose(frame.depth, np.nan_to_num(room()) * scale, atol=tolerance)
    seen = np.isfinite(room())
    np.testing.assert_array_equal(frame.rgb[seen], colours()[seen])
    assert recording.registered is True
    assert recording.camera is not None
    lens = recording.camera.colour
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == pytest.approx((made.FX, made.FY, made.CX, made.CY), abs=0.02)
    assert recording.camera.registered
    return recording


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("separate", [False, True])
def test_pcd_is_read_whichever_way_it_is_stored(data: str, separate: bool, tmp_path: Path) -> None:
    path = write_pcd(tmp_path / "a.pcd", points(room()), colours(), data=data, separate=separate)
    recording = assert_read(path)
    assert (recording.format, recording.count) == ("organised PCD", 1)
    assert [fact.what for fact in recording.facts if fact.guessed] == ["depth unit"]


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("grid", [False, True])
def test_ply_is_read_whichever_way_it_is_stored(order: str, grid: bool, tmp_path: Path) -> None:
    recording = assert_read(write_ply(tmp_path / "a.ply", points(room()), colours(), order=order, grid=grid))
    assert recording.format == "organised PLY"


def test_a_comment_may_say_the_size(tmp_path: Path) -> None:
    size = "comment width {width}\ncomment height: {height}"
    assert_read(write_ply(tmp_path / "a.ply", points(room()), colours(), size=size))


def turned(axes: str) -> np.ndarray:
    x, y, z = np.moveaxis(points(room()), -1, 0)
    return np.stack({"x forward, z up": (z, -x, -y), "z backward, y up": (x, -y, -z)}[axes], axis=-1)


@pytest.mark.parametrize("axes", ["x forward, z up", "z backward, y up"])
def test_depth_is_found_whichever_way_the_axes_point(axes: str, tmp_path: Path) -> None:
    recording = assert_read(write_pcd(tmp_path / "a.pcd", turned(axes), colours()))
    assert told(recording)["axes"].startswith(f"axes: {axes}, as a camera sees half of the points")


def test_points_in_the_world_are_turned_back_by_the_viewpoint(tmp_path: Path) -> None:
    angle, position = 0.7, np.array([1.0, -2.0, 0.5])
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    world = (points(room()) @ turn.T + position).astype(np.float32)
    view = f"1 -2 0.5 {np.cos(angle / 2)} 0 {np.sin(angle / 2)} 0"
    recording = assert_read(write_pcd(tmp_path / "a.pcd", world, colours(), header={"VIEWPOINT": view}), tolerance=1e-4)
    assert "z forward, seen from the viewpoint in the header" in told(recording)["axes"]
    assert_read(write_pcd(tmp_path / "b.pcd", points(room()), colours(), header={"VIEWPOINT": view}))


def test_millimetres_are_told_by_their_size_as_a_guess(tmp_path: Path) -> None:
    recording = assert_read(write_ply(tmp_path / "a.ply", 1000 * points(room()), colours()), tolerance=1e-4)
    assert told(recording)["depth unit"].startswith("depth unit: 1000 units per metre, a guess: the middle reading is")
    given = open_recording(tmp_path / "a.ply", ReadOptions(units_per_metre=500))
    np.testing.assert_allclose(next(iter(given)).depth, 2 * np.nan_to_num(room()), atol=1e-3)


def test_an_image_that_is_a_mirror_is_told_and_makes_no_camera(tmp_path: Path) -> None:
    recording = open_recording(write_pcd(tmp_path / "a.pcd", points(room()) * np.float32([-1, 1, 1]), colours()))
    assert recording.camera is None
    assert told(recording)["mirroring"] == "mirroring: the image is a mirror of the scene, as the points say"
    np.testing.assert_allclose(next(iter(recording)).depth, np.nan_to_num(room()), atol=1e-5)


def test_a_folder_of_clouds_is_a_recording(tmp_path: Path) -> None:
    for index in (0, 1, 2, 10):
        write_pcd(tmp_path / f"cloud_{index}.pcd", points(room(index)), colours(index))
    recording = open_recording(tmp_path)
    assert [int(frame.rgb[9, 9, 0]) for frame in recording] == [10, 11, 12, 20]
    assert [round(float(frame.depth.max()), 3) for frame in recording] == [2.5, 3.5, 4.5, 12.5]
    assert (recording.count, recording.rate) == (4, 30.0)
    assert {fact.what for fact in recording.facts if fact.guessed} == {"depth unit", "time"}


def test_names_that_are_stamps_are_the_time(tmp_path: Path) -> None:
    for index in range(3):
        write_pcd(tmp_path / f"1305031102.{175 + 33 * index}.pcd", points(room()), colours())
    recording = open_recording(tmp_path)
    assert [frame.time_s for frame in recording] == pytest.approx([0, 0.033, 0.066], abs=1e-6)
    assert "time" not in told(recording)


def test_a_cut_cloud_ends_a_folder_after_those_before(tmp_path: Path) -> None:
    for index in range(3):
        write_pcd(tmp_path / f"{index}.pcd", points(room()), colours())
    data = (tmp_path / "2.pcd").read_bytes()
    (tmp_path / "2.pcd").write_bytes(data[:-200])
    seen = []
    with pytest.raises(RecordingError, match=r"2\.pcd cannot be read \(it holds 419 of 432 points\); copy it again"):
        for frame in open_recording(tmp_path):
            seen.append(frame.index)
    assert seen == [0, 1]


@pytest.mark.parametrize("ending", ["pcd", "ply"])
def test_points_in_no_order_are_refused_in_words(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "pcd":
        write_pcd(path, points(room()).reshape(1, -1, 3), colours().reshape(1, -1, 3))
    else:
        write_ply(path, points(room()), colours(), size="")
    with pytest.raises(RecordingError, match=r"holds 432 points in no order, expected an organised cloud"):
        open_recording(path)


def test_rings_of_a_lidar_are_refused_in_words(tmp_path: Path) -> None:
    around = np.linspace(0, 2 * np.pi, made.WIDTH, endpoint=False)[None, :]
    up = np.linspace(-0.3, 0.3, made.HEIGHT)[:, None]
    rings = np.stack(np.broadcast_arrays(np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)), axis=-1)
    with pytest.raises(RecordingError, match="holds points that no camera sees in this order"):
        open_recording(write_pcd(tmp_path / "a.pcd", 5 * rings.astype(np.float32), colours()))


def test_clouds_without_colour_or_readings_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"holds x, y, z and no colour; export it with rgb"):
        open_recording(write_ply(tmp_path / "a.ply", points(room()), colours(), colour=False))
    with pytest.raises(RecordingError, match=r"holds 0 readings, expected 50 or more"):
        open_recording(write_pcd(tmp_path / "a.pcd", points(room()) * np.float32(np.nan), colours()))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"WIDTH": "many"}, "has a damaged PCD header"),
        ({"TYPE": "F F F Q"}, "has a damaged PCD header"),
        ({"FIELDS": "a b c rgb"}, "holds a, b, c, rgb, expected x, y and z"),
        ({"WIDTH": "99999", "HEIGHT": "99999"}, "99999 x 99999 points, it is damaged"),
        ({"VIEWPOINT": "0 0"}, "expected x, y and z"),
    ],
)
def test_damaged_headers_of_pcd_are_one_line(header: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=message):
        open_recording(write_pcd(tmp_path / "a.pcd", points(room()), colours(), header=header))


@pytest.mark.parametrize(
    "text", [b"ply\nformat ascii 1.0\n", b"ply\nformat odd 1.0\nend_header\n", b"ply\nend_header\n"]
)
def test_damaged_headers_of_ply_are_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(text)
    with pytest.raises(RecordingError, match="has a damaged PLY header"):
        open_recording(tmp_path / "a.ply")


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("order", ["ascii", "binary_little_endian"])
def test_a_cut_ply_is_one_line(order: str, grid: bool, tmp_path: Path) -> None:
    path = write_ply(tmp_path / "a.ply", points(room()), colours(), order=order, grid=grid)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(RecordingError, match=r"cannot be read .*; copy it again"):
        open_recording(path)


def test_lzf_gives_back_what_was_compressed_and_says_what_is_damaged() -> None:
    generator = np.random.default_rng(1)
    kinds: list[Any] = [b"", b"a", b"abc" * 500, bytes(9000), generator.bytes(3000), generator.bytes(900) * 12]
    for data in kinds:
        assert decompress(made.lzf(data), len(data)) == data
    assert decompress(bytes([2, 65, 66, 67, 0x20, 2]), 6) == b"ABCABC"
    for damaged, size in ((b"\x05ab", 6), (b"\x20\x00", 3), (b"\x00a\xe0", 9), (b"\x00a", 2)):
        with pytest.raises(ValueError, match="its compressed points"):
            decompress(damaged, size)
