"""Recordings that are folders of images: what pairs, units, cameras, and what is said of folders that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.media.cameras.camera import Lens
from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions

MILLIMETRES = np.array([[0, 1000, 65535], [2500, 40000, 1]], np.uint16)
METRES = np.array([[0, 1, 0], [2.5, 40, 0.001]], np.float32)


def told(recording: Recording) -> dict[str, str]:
    return {fact.what: str(fact) for fact in recording.facts}


def guesses(recording: Recording) -> set[str]:
    return {fact.what for fact in recording.facts if fact.guessed}


def write_colour(path: Path, red: int, size: tuple[int, int] = (3, 2)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), (red, 20, 30), np.uint8)).save(path)


def write_depth(path: Path, values: np.ndarray = MILLIMETRES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pgm":
        header = f"P5 {values.shape[1]} {values.shape[0]} 65535\n".encode()
        path.write_bytes(header + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)


def reds(recording: Recording) -> list[int]:
    return [int(frame.rgb[0, 0, 0]) for frame in recording]


def seven_scenes(folder: Path, count: int = 3, ending: str = "png") -> Path:
    for index in range(count):
        write_colour(folder / f"frame-{index:06d}.color.{ending}", 10 * index)
        write_depth(folder / f"frame-{index:06d}.depth.png")
        (folder / f"frame-{index:06d}.pose.txt").write_text("1 0 0 0\n")
    return folder


def test_seven_scenes_are_read_with_its_page_s_unit_and_no_registration(tmp_path: Path) -> None:
    recording = open_recording(seven_scenes(tmp_path))
    assert (recording.format, recording.count, recording.registered) == ("7-Scenes", 3, False)
    assert recording.camera is not None
    assert (recording.camera.depth.fx, recording.camera.colour.fx) == (585, 525)
    assert guesses(recording) == {"camera", "time"}
    assert told(recording)["depth unit"] == "depth unit: 1000 units per metre, as 7-Scenes' page says"
    assert reds(recording) == [0, 10, 20]
    for frame in recording:
        assert isinstance(frame.colour, bytes)
        np.testing.assert_array_equal(frame.depth, METRES)
    assert [frame.time_s for frame in recording] == pytest.approx([0, 1 / 30, 2 / 30])
    assert recording.rate == 30


INFO = """m_versionNumber = 4
m_sensorName = StructureSensor
m_colorWidth = 3
m_colorHeight = 2
m_depthWidth = 3
m_depthHeight = 2
m_depthShift = 500
m_calibrationColorIntrinsic = 570 0 1.5 0 0 571 1 0 0 0 1 0 0 0 0 1
m_calibrationColorExtrinsic = {turn} 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1
m_calibrationDepthIntrinsic = 560 0 1.5 0 0 561 1 0 0 0 1 0 0 0 0 1
m_calibrationDepthExtrinsic = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1
"""


@pytest.mark.parametrize("name", ["info.txt", "_info.txt"])
def test_a_folder_with_info_is_read_as_that_says(name: str, tmp_path: Path) -> None:
    seven_scenes(tmp_path, ending="jpg")
    (tmp_path / name).write_text(INFO.format(turn=1))
    recording = open_recording(tmp_path)
    assert recording.camera is not None
    assert recording.camera.colour == Lens(3, 2, 570, 571, 1.5, 1)
    assert recording.camera.depth == Lens(3, 2, 560, 561, 1.5, 1)
    assert recording.registered is False
    assert guesses(recording) == {"time"}
    np.testing.assert_array_equal(next(iter(recording)).depth, 2 * METRES)


def test_extrinsic_matrices_of_unsaid_meaning_make_no_camera(tmp_path: Path) -> None:
    (seven_scenes(tmp_path) / "info.txt").write_text(INFO.format(turn=-1))
    recording = open_recording(tmp_path)
    assert (recording.camera, recording.registered) == (None, None)
    assert told(recording)["camera"] == "camera: not known, as info.txt has extrinsic matrices of unsaid meaning"


@pytest.mark.parametrize("text", ["m_depthShift = many", "m_colorWidth = 3"])
def test_a_damaged_info_is_one_line(text: str, tmp_path: Path) -> None:
    (seven_scenes(tmp_path) / "info.txt").write_text(text)
    with pytest.raises(RecordingError, match=r"info\.txt cannot be read .*; remove it, or copy it again"):
        open_recording(tmp_path)


def test_a_track_that_is_named_where_there_are_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"\(7-Scenes\) holds one colour and one depth; leave --colour-topic"):
        open_recording(seven_scenes(tmp_path), ReadOptions(depth="/depth"))


def test_frames_without_a_partner_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    (seven_scenes(tmp_path) / "frame-000001.depth.png").unlink()
    recording = open_recording(tmp_path)
    assert (reds(recording), recording.unmatched) == ([0, 20], 1)


def test_colour_alone_says_what_the_folder_holds(tmp_path: Path) -> None:
    for path in seven_scenes(tmp_path).glob("*.depth.png"):
        path.unlink()
    with pytest.raises(RecordingError, match=r"holds 3 colour and 0 depth images and no pair"):
        open_recording(tmp_path)


def test_a_damaged_image_ends_it_after_those_before(tmp_path: Path) -> None:
    path = seven_scenes(tmp_path) / "frame-000002.depth.png"
    path.write_bytes(path.read_bytes()[:45])
    seen = []
    with pytest.raises(RecordingError, match=r"frame-000002\.depth\.png cannot be read"):
        for frame in open_recording(tmp_path):
            seen.append(frame.index)
    assert seen == [0, 1]


def test_distances_along_rays_become_depth(tmp_path: Path) -> None:
    """A wall at 2 m, seen by ICL-NUIM's camera, is 2 m deep everywhere."""
    column, row = np.meshgrid(np.arange(640), np.arange(480))
    rays = np.stack([(column - 319.5) / 481.2, (row - 239.5) / 480.0, np.ones((480, 640))])
    distances = 2 * np.linalg.norm(rays, axis=0)
    for index in range(2):
        write_colour(tmp_path / f"scene_00_{index:04d}.png", 10 * index, (640, 480))
        (tmp_path / f"scene_00_{index:04d}.depth").write_text(" ".join(f"{one:.6g}" for one in distances.ravel()))
    recording = open_recording(tmp_path)
    assert (recording.format, recording.registered, reds(recording)) == ("ICL-NUIM", True, [0, 10])
    assert recording.camera is not None
    assert recording.camera.registered
    np.testing.assert_allclose(next(iter(recording)).depth, 2, atol=1e-4)
    (tmp_path / "scene_00_0001.depth").write_text("1 2 3")
    with pytest.raises(RecordingError, match=r"holds 3 distances, expected 640 x 480"):
        list(open_recording(tmp_path))


@pytest.mark.parametrize("colour", ["rgb", "image"])
def test_redwood_pairs_by_the_microseconds_in_the_names(colour: str, tmp_path: Path) -> None:
    for number, stamp in enumerate((33369, 66738, 100107), 1):
        write_colour(tmp_path / colour / f"{number:06d}-{stamp:012d}.jpg", 10 * number, (30, 20))
    for number, stamp in enumerate((0, 30000, 69000, 300000), 1):
        write_depth(tmp_path / "depth" / f"{number:06d}-{stamp:012d}.png")
    recording = open_recording(tmp_path)
    assert (recording.format, recording.count, recording.unmatched) == ("Redwood", 2, 3)
    assert [(frame.stamp_ns, frame.depth_stamp_ns) for frame in recording] == [
        (33_369_000, 30_000_000),
        (66_738_000, 69_000_000),
    ]
    assert reds(recording) == pytest.approx([10, 20], abs=3)
    assert "time" not in told(recording)
    assert open_recording(tmp_path, ReadOptions(longest_gap_s=0.003)).count == 1


def test_numbers_pair_in_their_own_order(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        write_colour(tmp_path / "color" / f"{number}.png", number)
        write_depth(tmp_path / "depth" / f"{number}.png")
    recording = open_recording(tmp_path)
    assert reds(recording) == [1, 2, 10]
    assert guesses(recording) == {"depth unit", "no reading", "time"}
    given = open_recording(tmp_path, ReadOptions(units_per_metre=2000))
    np.testing.assert_array_equal(next(iter(given)).depth, METRES / 2)


def test_the_matrices_that_scannet_s_tools_write_are_the_camera(tmp_path: Path) -> None:
    write_colour(tmp_path / "color" / "0.jpg", 9, (6, 4))
    write_depth(tmp_path / "depth" / "0.png")
    place = tmp_path / "intrinsic"
    place.mkdir()
    for kind, focal in (("color", 1170), ("depth", 577)):
        np.savetxt(place / f"intrinsic_{kind}.txt", np.diag([focal, focal + 1, 1, 1]), fmt="%f")
        np.savetxt(place / f"extrinsic_{kind}.txt", np.eye(4), fmt="%f")
    camera = open_recording(tmp_path).camera
    assert camera is not None
    assert (camera.colour, camera.depth) == (Lens(6, 4, 1170, 1171, 0, 0), Lens(3, 2, 577, 578, 0, 0))
    np.savetxt(place / "extrinsic_depth.txt", np.diag([1, -1, -1, 1]), fmt="%f")
    assert open_recording(tmp_path).camera is None
    np.savetxt(place / "extrinsic_depth.txt", np.eye(4), fmt="%f")
    (place / "intrinsic_depth.txt").write_text("1 2 3")
    with pytest.raises(RecordingError, match="intrinsic cannot be read"):
        open_recording(tmp_path)


def test_pgm_beside_png_is_a_pair(tmp_path: Path) -> None:
    for number in (1, 2):
        write_colour(tmp_path / f"{number}.png", number)
        write_depth(tmp_path / f"{number}.pgm")
    recording = open_recording(tmp_path)
    assert (recording.format, reds(recording)) == ("pairs of PGM and PNG", [1, 2])
    np.testing.assert_array_equal(next(iter(recording)).depth, METRES)


def test_a_folder_of_anything_else_is_none(tmp_path: Path) -> None:
    write_colour(tmp_path / "holiday.png", 1)
    with pytest.raises(RecordingError, match="is no recording that can be read, expected one of: "):
        open_recording(tmp_path)
    with pytest.raises(RecordingError, match=r"cannot be read \(No such file or directory\)"):
        open_recording(tmp_path / "nowhere")
