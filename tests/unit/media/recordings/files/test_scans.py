"""Record3D's archives and ScanNet's .sens: frames, sizes, stamps, cameras, and files that are cut or damaged."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.cameras.camera import Lens
from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings.scans import LENS, metres, sens_depth, sens_pixels, write_r3d, write_sens

LIDAR, FACE = ((720, 960), (192, 256)), ((480, 640), (480, 640))
TINY = ((36, 48), (24, 32))


def told(recording: Recording) -> dict[str, str]:
    return {fact.what: str(fact) for fact in recording.facts}


def read(index: int, size: tuple[int, int]) -> np.ndarray:
    values = metres(index, size)
    values[0, :3] = 0
    return values


def test_an_archive_of_a_lidar_is_read_as_it_was_written(tmp_path: Path) -> None:
    with open_recording(write_r3d(tmp_path / "a.r3d", sizes=LIDAR)) as recording:
        frames = list(recording)
        assert (recording.format, recording.count, recording.rate) == ("Record3D .r3d", 3, 60.0)
        assert recording.registered is True
        assert not any(fact.guessed for fact in recording.facts)
        assert recording.camera is not None
        assert recording.camera.colour == Lens(720, 960, *LENS)
        assert recording.camera.depth == Lens(720, 960, *LENS).scaled(192, 256)
    assert [frame.stamp_ns for frame in frames] == [100_000_000_000 + round(1e9 * index / 60) for index in range(3)]
    for index, frame in enumerate(frames):
        assert isinstance(frame.colour, bytes)
        assert frame.rgb.shape == (960, 720, 3)
        assert abs(int(frame.rgb[5, 5, 0]) - 20 * index) <= 3
        np.testing.assert_array_equal(frame.depth, read(index, LIDAR[1]))


def test_of_the_face_s_camera_mirroring_is_a_guess(tmp_path: Path) -> None:
    recording = open_recording(write_r3d(tmp_path / "a.r3d", 1, sizes=FACE))
    assert [fact.what for fact in recording.facts if fact.guessed] == ["mirroring"]
    np.testing.assert_array_equal(next(iter(recording)).depth, read(0, FACE[1]))


def test_sizes_that_the_metadata_lacks_follow_from_colour(tmp_path: Path) -> None:
    lacks = dict.fromkeys(("w", "h", "dw", "dh"))
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=LIDAR, metadata=lacks))
    assert next(iter(recording)).depth.shape == (256, 192)
    assert recording.camera is not None
    assert recording.camera.colour.size == (720, 960)


def test_depth_that_fits_no_size_is_one_line(tmp_path: Path) -> None:
    path = write_r3d(tmp_path / "a.r3d", sizes=((36, 48), (7, 11)), metadata={"dw": None})
    with pytest.raises(RecordingError, match=r"depth has 77 pixels, and colour 36 x 48, which do not go together"):
        open_recording(path)


@pytest.mark.parametrize(
    ("metadata", "stamps", "said"),
    [
        ({"frameTimestamps": None}, [0, 16_666_667, 33_333_333], "time: 60 frames per second, as the metadata says"),
        ({"frameTimestamps": [0, 1]}, [0, 16_666_667, 33_333_333], "time: 60 frames per second, as the metadata says"),
        ({"frameTimestamps": None, "fps": "fast"}, [0, 33_333_333, 66_666_667], "time: 30 frames per second, a guess"),
    ],
)
def test_without_a_stamp_per_frame_the_rate_counts(
    metadata: dict[str, Any], stamps: list[int], said: str, tmp_path: Path
) -> None:
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, metadata=metadata))
    assert [frame.stamp_ns for frame in recording] == stamps
    assert told(recording)["time"].startswith(said)


def test_a_focal_length_that_changes_is_told(tmp_path: Path) -> None:
    lenses = [[700, 700, 360, 480], [707, 707, 360, 480], [700, 700, 360, 480]]
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, metadata={"perFrameIntrinsicCoeffs": lenses}))
    assert told(recording)["camera"] == (
        "camera: known, for all frames; the focal length changes by 1.0 %, as the metadata's K says"
    )


@pytest.mark.parametrize("matrix", [None, [1, 2, 3], "K", [0] * 9])
def test_without_a_matrix_there_is_no_camera(matrix: object, tmp_path: Path) -> None:
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, metadata={"K": matrix}))
    assert recording.camera is None
    assert len(list(recording)) == 3


def test_depth_that_is_not_packed_is_read_too(tmp_path: Path) -> None:
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, pack=bytes))
    np.testing.assert_array_equal(next(iter(recording)).depth, read(0, TINY[1]))


def test_a_frame_without_depth_is_counted(tmp_path: Path) -> None:
    recording = open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, drop=["rgbd/1.depth"]))
    assert ([frame.stamp_ns for frame in recording], recording.unmatched) == ([100_000_000_000, 100_033_333_333], 1)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ([f"rgbd/{index}.depth" for index in range(3)], r"holds 3 colour and 0 depth images and no pair"),
        (["metadata"], r"holds no metadata; export it from Record3D as \.r3d"),
    ],
)
def test_an_archive_that_lacks_something_says_so(drop: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=message):
        open_recording(write_r3d(tmp_path / "a.r3d", sizes=TINY, drop=drop))


def test_damage_in_one_frame_comes_after_those_before(tmp_path: Path) -> None:
    path = write_r3d(tmp_path / "a.r3d", sizes=TINY)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("rgbd/2.depth").header_offset + 60
    data = bytearray(path.read_bytes())
    data[place] ^= 255
    path.write_bytes(data)
    seen = []
    with pytest.raises(RecordingError, match=r"rgbd/2\.depth cannot be read .*; copy it again"):
        for frame in open_recording(path):
            seen.append(frame.index)
    assert seen == [0, 1]


def test_packed_depth_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    path = write_r3d(
        tmp_path / "a.r3d", sizes=TINY, pack=lambda data: b"bvx2" + (100).to_bytes(4, "little") + data[:100]
    )
    with pytest.raises(RecordingError, match=r"rgbd/0\.depth cannot be read \(LZFSE is damaged\)"):
        list(open_recording(path))


def test_a_cut_archive_is_one_line(tmp_path: Path) -> None:
    path = write_r3d(tmp_path / "a.r3d", sizes=TINY)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordingError, match=r"cannot be read .*; the table of an archive is at its end"):
        open_recording(path)


def test_without_a_package_for_lzfse_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_r3d(tmp_path / "a.r3d", sizes=TINY)
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if "lzfse" in name:
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(RecordingError, match="needs the package lzfse; pip install lzfse"):
        open_recording(path)


@pytest.mark.parametrize("codes", [(2, 1), (1, 0), (0, 1)])
def test_sens_is_read_as_it_was_written(codes: tuple[int, int], tmp_path: Path) -> None:
    recording = open_recording(write_sens(tmp_path / "a.sens", codes=codes))
    frames = list(recording)
    assert (recording.format, recording.count, recording.registered) == ("ScanNet .sens", 3, True)
    assert recording.camera is not None
    assert recording.camera.colour.size == (65, 48)
    assert (recording.camera.depth.fx, recording.camera.depth.cy) == pytest.approx((0.9 * 32, 12))
    assert not any(fact.guessed for fact in recording.facts)
    assert [(frame.stamp_ns, frame.depth_stamp_ns) for frame in frames] == [
        (33_000_000 * index, 33_000_000 * index + 500_000) for index in range(3)
    ]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth, sens_depth(index, (32, 24)) / np.float32(1000))
        assert np.abs(frame.rgb.astype(int) - sens_pixels(index, (65, 48))).max() <= 3
        assert isinstance(frame.colour, np.ndarray) == (codes[0] == 0)


def test_the_unit_of_sens_is_the_header_s(tmp_path: Path) -> None:
    path = write_sens(tmp_path / "a.sens", shift=4000)
    assert told(open_recording(path))["depth unit"] == "depth unit: 4000 units per metre, as the file's header says"
    assert next(iter(open_recording(path))).depth.max() == pytest.approx(767 / 4000)
    given = open_recording(path, ReadOptions(units_per_metre=500))
    assert next(iter(given)).depth.max() == pytest.approx(767 / 500)


def test_stamps_that_are_all_the_same_are_none(tmp_path: Path) -> None:
    recording = open_recording(write_sens(tmp_path / "a.sens", stamps_us=[(0, 0)] * 3))
    assert [frame.stamp_ns for frame in recording] == [0, 33_333_333, 66_666_667]
    assert [fact.what for fact in recording.facts if fact.guessed] == ["time"]


def test_extrinsic_matrices_of_unsaid_meaning_make_no_camera(tmp_path: Path) -> None:
    recording = open_recording(write_sens(tmp_path / "a.sens", extrinsic=np.diag([1.0, -1.0, -1.0, 1.0])))
    assert recording.camera is None


@pytest.mark.parametrize("missing", [9, 200, 1500])
def test_a_cut_sens_yields_what_came_before(missing: int, tmp_path: Path) -> None:
    path = write_sens(tmp_path / "a.sens", codes=(1, 0))
    path.write_bytes(path.read_bytes()[:-missing])
    seen = []
    with pytest.raises(RecordingError, match=r"ends (within frame 3|after 2) of 3( frames)?; copy it again"):
        for frame in open_recording(path):
            seen.append(frame.index)
    assert seen == [0, 1]


def test_sens_that_is_cut_or_damaged_in_its_header_is_one_line(tmp_path: Path) -> None:
    path = write_sens(tmp_path / "a.sens")
    data = path.read_bytes()
    for size, message in ((40, "ends in its header"), (12 + 15 + 256 + 36 + 20, "ends after 0 of 3 frames")):
        path.write_bytes(data[:size])
        with pytest.raises(RecordingError, match=message):
            open_recording(path)
    path.write_bytes(data[:4] + b"\xff" * 8 + data[12:])
    with pytest.raises(RecordingError, match="it is damaged; copy it again"):
        open_recording(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "of version 3, expected 4"),
        ({"codes": (2, 2)}, "occi_ushort"),
        ({"codes": (2, 7)}, "depth in code 7"),
        ({"shift": 0.0}, "0 units, it is damaged"),
        ({"count": 0}, "holds no frame"),
    ],
)
def test_sens_that_cannot_be_read_says_why(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=message):
        open_recording(write_sens(tmp_path / "a.sens", **changes))


def test_damaged_depth_in_sens_is_one_line(tmp_path: Path) -> None:
    path = write_sens(tmp_path / "a.sens", 1)
    data = bytearray(path.read_bytes())
    data[-40:-20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"depth of frame 0 (is damaged|has not 32 x 24 pixels)"):
        list(open_recording(path))
