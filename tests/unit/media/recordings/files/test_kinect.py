"""Azure Kinect recordings: tracks, stamps, units, the camera of every mode, and files that are cut or foreign."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crosswire.media.cameras.camera import CameraError, Distortion, Lens, RgbdCamera
from crosswire.media.cameras.lenses import project, unproject
from crosswire.media.recordings import RecordedFrame, Recording, RecordingError, open_recording
from crosswire.media.recordings.kinect.calibration import DEPTH_SIZES, read_calibration
from crosswire.media.recordings.kinect.matroska import outline
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings import kinect as written
from tests.support.recordings.kinect import calibration, colour_image, depth_image, write_mkv

SMALL = ((64, 48), (64, 48))


def told(recording: Recording) -> dict[str, str]:
    return {fact.what: str(fact) for fact in recording.facts}


def metres(index: int, size: tuple[int, int] = written.DEPTH_SIZE) -> np.ndarray:
    return depth_image(index, size).astype(np.float32) / np.float32(1000)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    with open_recording(write_mkv(tmp_path / "a.mkv")) as recording:
        frames = list(recording)
        assert (recording.format, recording.registered, recording.rate) == ("Azure Kinect MKV", False, 30.0)
        assert recording.camera is not None
        assert recording.camera.depth.size == (640, 576)
        assert told(recording)["depth unit"] == "depth unit: 1000 units per metre, as Azure Kinect writes millimetres"
        assert not any(fact.guessed for fact in recording.facts)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.stamp_ns for frame in frames] == [336_277_000 + 33_000_000 * index for index in range(3)]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.033, 0.066])
    for index, frame in enumerate(frames):
        assert isinstance(frame.colour, bytes)
        assert frame.rgb.shape == (720, 1280, 3)
        assert np.abs(frame.rgb.astype(int) - colour_image(index)).max() <= 3
        assert frame.depth.dtype == np.float32
        np.testing.assert_array_equal(frame.depth, metres(index))


def test_it_is_read_again_and_from_any_pair_on(tmp_path: Path) -> None:
    recording = open_recording(write_mkv(tmp_path / "a.mkv", sizes=SMALL))
    whole = [frame.stamp_ns for frame in recording]
    later = list(recording.frames(2))
    assert [frame.stamp_ns for frame in recording] == whole
    assert [(frame.index, frame.stamp_ns) for frame in later] == [(2, whole[2])]
    assert later[0].time_s == pytest.approx(0.066)


@pytest.mark.parametrize("colour", ["nv12", "yuyv422", "bgra"])
def test_colour_that_is_not_compressed_becomes_pixels(colour: str, tmp_path: Path) -> None:
    frame = next(iter(open_recording(write_mkv(tmp_path / "a.mkv", colour=colour, sizes=SMALL))))
    assert isinstance(frame.colour, np.ndarray)
    assert np.abs(frame.rgb.astype(int) - colour_image(0, SMALL[0])).max() <= 3


@pytest.mark.parametrize("depth", ["gray16be", "yuyv422", "ffv1"])
def test_depth_is_the_same_whatever_it_is_stored_in(depth: str, tmp_path: Path) -> None:
    """`yuyv422` is what recordings of early devices call 16 bits with the other order of bytes."""
    frames = list(open_recording(write_mkv(tmp_path / "a.mkv", depth=depth, sizes=SMALL)))
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth, metres(index, SMALL[1]))


def test_pairs_are_those_of_the_delay_that_the_device_was_told(tmp_path: Path) -> None:
    """Depth is taken 50 ms after colour: the closest depth in time belongs to another pair."""
    stamps = [(33 * index, 33 * index + 50) for index in range(6)]
    tags = {"K4A_DEPTH_DELAY_NS": "50000000"}
    frames = list(open_recording(write_mkv(tmp_path / "a.mkv", tags=tags, stamps_ms=stamps, sizes=SMALL)))
    assert [frame.depth_stamp_ns - frame.stamp_ns for frame in frames] == [50_000_000] * 6
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth, metres(index, SMALL[1]))


def test_images_without_a_partner_are_counted(tmp_path: Path) -> None:
    stamps = [(0, 0), (33, 33), (66, 160), (99, 193)]
    recording = open_recording(write_mkv(tmp_path / "a.mkv", stamps_ms=stamps, sizes=SMALL))
    assert len(list(recording)) == 2
    assert recording.unmatched == 4


def test_a_foreign_matroska_with_16_bit_grey_is_read_and_its_unit_is_a_guess(tmp_path: Path) -> None:
    names = {"colour": "left", "depth": "range"}
    path = write_mkv(tmp_path / "a.mkv", depth="ffv1", names=names, tags={}, mode="", attached=False, sizes=SMALL)
    recording = open_recording(path)
    assert (recording.format, recording.registered, recording.camera) == ("Matroska", None, None)
    assert {fact.what for fact in recording.facts if fact.guessed} == {"depth unit", "no reading"}
    np.testing.assert_array_equal(next(iter(recording)).depth, metres(0, SMALL[1]))
    given = open_recording(path, ReadOptions(units_per_metre=4000.0))
    assert told(given)["depth unit"] == "depth unit: 4000 units per metre, as you gave it"
    np.testing.assert_allclose(next(iter(given)).depth, metres(0, SMALL[1]) / 4, rtol=1e-6)


def test_tracks_may_be_named(tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "a.mkv", sizes=SMALL)
    for options in (ReadOptions(colour="color", depth="depth"), ReadOptions(colour="0", depth="1")):
        assert len(list(open_recording(path, options))) == 3
    with pytest.raises(RecordingError, match=r"holds no track 'rgb', it holds COLOR \(64 x 48, mjpeg\), DEPTH"):
        open_recording(path, ReadOptions(colour="rgb"))


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ({"depth": ""}, r"holds no depth, it holds COLOR \(64 x 48, mjpeg\); expected tracks named"),
        ({"colour": ""}, r"holds no colour, it holds DEPTH \(64 x 48, gray16be\); expected"),
        ({"names": {"depth": "IR"}}, r"holds no depth, it holds COLOR .*, IR \(64 x 48, gray16be\)"),
    ],
)
def test_a_recording_that_lacks_one_says_what_it_holds(lacks: dict[str, str], message: str, tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "a.mkv", sizes=SMALL, mode="", **lacks)  # type: ignore[arg-type]
    with pytest.raises(RecordingError, match=message):
        open_recording(path)


def test_a_cut_file_yields_what_came_before_and_then_says_so(tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "a.mkv", 5, sizes=SMALL)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    seen: list[RecordedFrame] = []
    with pytest.raises(RecordingError, match=r"ends after \d pairs, \d+ bytes are missing; copy it again"):
        seen.extend(open_recording(path))
    seen = []
    with pytest.raises(RecordingError):
        for frame in open_recording(path):
            seen.append(frame)
    assert 1 <= len(seen) < 5
    for index, frame in enumerate(seen):
        np.testing.assert_array_equal(frame.depth, metres(index, SMALL[1]))


@pytest.mark.parametrize("size", [5, 60, 400])
def test_a_file_that_is_cut_in_its_beginning_is_one_line(size: int, tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "a.mkv", sizes=SMALL)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RecordingError) as caught:
        open_recording(path)
    assert "\n" not in str(caught.value)


def test_a_recording_that_was_not_closed_is_read_to_its_cut(tmp_path: Path) -> None:
    """The size of the segment is not known then: that of the last cluster tells that something is missing."""
    path = write_mkv(tmp_path / "a.mkv", 40, sizes=SMALL)
    data = path.read_bytes()
    place = data.index(b"\x18\x53\x80\x67") + 4
    unknown = data[:place] + b"\x01" + 7 * b"\xff" + data[place + 8 :]
    path.write_bytes(unknown)
    assert len(list(open_recording(path))) == 40
    path.write_bytes(unknown[: len(unknown) * 8 // 10])
    seen = 0
    with pytest.raises(RecordingError, match=r"bytes are missing; copy it again"):
        for _ in open_recording(path):
            seen += 1
    assert 20 < seen < 40


def test_noise_behind_the_first_bytes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + np.random.default_rng(0).bytes(5000))
    with pytest.raises(RecordingError, match=r"cannot be read as Matroska .*; copy or record it again"):
        open_recording(path)


def test_an_attachment_and_the_missing_end_are_found_without_libavformat(tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "a.mkv", sizes=SMALL, attached=b"hello")
    assert outline(path).attachments == {"calibration.json": b"hello"}
    assert outline(path).missing == 0
    path.write_bytes(path.read_bytes()[:-100])
    assert outline(path).missing == 100


@pytest.mark.parametrize(
    ("attached", "reason"),
    [
        (False, "no calibration is attached"),
        (b"{", "damaged"),
        (b'{"CalibrationInformation": {"Cameras": []}}', "damaged"),
        (calibration(SensorWidth=4000), "4:3 or 16:9"),
    ],
)
def test_without_a_calibration_that_can_be_used_there_is_no_camera(
    attached: object, reason: str, tmp_path: Path
) -> None:
    recording = open_recording(write_mkv(tmp_path / "a.mkv", attached=attached, count=1))
    assert recording.camera is None
    assert told(recording)["camera"].startswith("camera: not known")
    assert reason in told(recording)["camera"]
    assert len(list(recording)) == 1


def text(**changes: object) -> bytes:
    return json.dumps(calibration(**changes)).encode()


@pytest.mark.parametrize("mode", DEPTH_SIZES)
def test_depth_modes_are_parts_of_one_sensor(mode: str) -> None:
    """A ray through the middle of a mode's image is the ray through the same place of the whole sensor."""
    lens = read_calibration(text(), mode, (1280, 720)).depth
    whole = Lens(1024, 1024, 0.49 * 1024, 0.495 * 1024, 0.5 * 1024 - 0.5, 0.51 * 1024 - 0.5)
    binned = 2 if "2X2" in mode else 1
    corner = (192, 180) if mode.startswith("NFOV") else (0, 0)
    for column, row in ((0, 0), (lens.width - 1, lens.height // 3)):
        on_sensor = [(place + 0.5) * binned - 0.5 + start for place, start in zip((column, row), corner, strict=True)]
        assert (column - lens.cx) / lens.fx == pytest.approx((on_sensor[0] - whole.cx) / whole.fx)
        assert (row - lens.cy) / lens.fy == pytest.approx((on_sensor[1] - whole.cy) / whole.fy)
    assert lens.distortion is Distortion.RATIONAL
    assert lens.coefficients == (0.5, -0.02, 2e-5, -7e-5, -0.003, 0.85, 0.08, -0.01)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (2560, 1440), (2048, 1536), (3840, 2160), (4096, 3072)])
def test_colour_modes_are_the_middle_of_one_sensor(size: tuple[int, int]) -> None:
    lens = read_calibration(text(), "NFOV_UNBINNED", size).colour
    scale = 4096 / size[0]
    assert lens.fx * scale == pytest.approx(0.478 * 4096)
    assert lens.fy * scale == pytest.approx(0.6375 * 3072)
    assert (lens.cx + 0.5) * scale == pytest.approx(0.501 * 4096)
    cut = (3072 - size[1] * scale) / 2
    assert (lens.cy + 0.5) * scale + cut == pytest.approx(0.507 * 3072)


def test_a_colour_calibration_of_an_early_device_is_the_same_camera() -> None:
    """It is relative to the middle of the sensor, 16:9."""
    early = list(written.COLOUR_NUMBERS)
    early[1], early[3] = (early[1] * 3072 - 384) / 2304, early[3] * 3072 / 2304
    inner = {
        "ModelParameters": early,
        "ModelType": "CALIBRATION_LensDistortionModelBrownConrady",
    }
    old = read_calibration(text(SensorHeight=2304, Intrinsics=inner), "NFOV_UNBINNED", (1920, 1080)).colour
    new = read_calibration(text(), "NFOV_UNBINNED", (1920, 1080)).colour
    assert (old.fy, old.cy, old.cx) == pytest.approx((new.fy, new.cy, new.cx))


def test_depth_stands_to_colour_as_the_two_stand_to_the_device() -> None:
    camera = read_calibration(text(), "NFOV_UNBINNED", (1280, 720))
    assert camera.rotation == pytest.approx(written.ROTATION)
    assert camera.translation == pytest.approx(written.TRANSLATION)
    assert RgbdCamera.from_json(camera.to_json()) == camera


def test_the_camera_sees_what_the_sdk_s_own_test_says() -> None:
    """Calibration and points are those of Azure Kinect Sensor SDK 1.4's tests (8bb59ca, `tests/Transformation`)."""
    depth = [
        0.50218582153320313, 0.50179535150527954, 0.49281969666481018, 0.49292713403701782, 0.58251643180847168,
        0.0061361165717244148, -0.0013186802389100194, 0.9256134629249573, 0.1256897747516632, -0.006530247628688812,
        0, 0, -2.0833556845900603e-05, -0.00012877916742581874,
    ]  # fmt: skip
    colour = [
        0.49626153707504272, 0.50453948974609375, 0.48109495639801025, 0.85502892732620239, -1.05756676197052,
        -1.399342656135559, 1.7508856058120728, -1.1485179662704468, -1.1924415826797485, 1.6220585107803345,
        0, 0, -1.2259531104064081e-05, 0.0006910160882398486,
    ]  # fmt: skip
    rotation = [
        0.9999947547912598, 8.952798089012504e-05, -0.0032330064568668604, 0.0001289974752580747, 0.9977173209190369,
        0.0675286054611206, 0.00323167210444808, -0.06752867251634598, 0.9977120757102966,
    ]  # fmt: skip
    stored = calibration(
        Intrinsics={"ModelType": "CALIBRATION_LensDistortionModelBrownConrady", "ModelParameters": colour},
        Rt={
            "Rotation": rotation,
            "Translation": [-0.03194226697087288, -0.0024762286338955164, 0.0036488529294729233],
        },
        SensorWidth=3840,
        SensorHeight=2160,
    )
    stored["CalibrationInformation"]["Cameras"][0]["Intrinsics"]["ModelParameters"] = depth
    camera = read_calibration(json.dumps(stored).encode(), "WFOV_2X2BINNED", (3840, 2160))
    seen = np.append(unproject(camera.depth, [256.0, 256.0]), 1.0)
    np.testing.assert_allclose(1000 * seen, [-2.45376134, -1.66107690, 1000], atol=1e-3)
    moved = np.reshape(camera.rotation, (3, 3)) @ seen + camera.translation
    np.testing.assert_allclose(1000 * moved, [-37.6291695, 63.3947754, 1001.46521], atol=1e-3)
    np.testing.assert_allclose(project(camera.colour, moved), [1835.689453, 1206.290039], atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "size", "changes", "message"),
    [
        ("PASSIVE_IR", (1280, 720), {}, "depth mode PASSIVE_IR"),
        ("NFOV_UNBINNED", (640, 480), {}, "colour of 640 x 480"),
        ("NFOV_UNBINNED", (1280, 720), {"Rt": {"Rotation": [1], "Translation": [0]}}, "damaged"),
        ("NFOV_UNBINNED", (1280, 720), {"Intrinsics": {"ModelType": "Theta", "ModelParameters": [0.5] * 14}}, "Theta"),
        (
            "NFOV_UNBINNED",
            (1280, 720),
            {
                "Intrinsics": {
                    "ModelType": "CALIBRATION_LensDistortionModelRational6KT",
                    "ModelParameters": [0.5] * 14,
                }
            },
            "Rational6KT",
        ),
    ],
)
def test_a_calibration_that_is_not_known_here_is_said(
    mode: str, size: tuple[int, int], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(CameraError, match=message):
        read_calibration(text(**changes), mode, size)
