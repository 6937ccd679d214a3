"""Recordings as what is sent: stored colour as it is, depth in the colour camera, numbers that survive."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InputError
from crosswire.clients.__main__ import main
from crosswire.clients.batch.recorded import RecordedItems
from crosswire.clients.batch.sources import find_source
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.inputs.recordings import LONGEST_GAP_S, Pairing
from crosswire.clients.recorded.open import RecordedOptions, RecordedPairs, is_recorded, recordings_below, travels
from crosswire.clients.recorded.pairs import RecordedPair
from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.recording import MessageRecording
from tests.support.recordings.desk import FAR, SHIFT_M, SIZE, desk_depth, desk_jpeg, write_desk
from tests.support.recordings.ros import START, STEP
from tests.support.servers.pipelines import described

PAIR = described("p", "n", "segmentation", ("rgb_image", "depth_image"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recording of six pairs and two colour images alone."""
    yield write_desk(tmp_path_factory.mktemp("desk") / "desk.mcap", 6, lonely=2)


def depth_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def all_pairs(path: Path, options: RecordedOptions | None = None) -> list[RecordedPair]:
    with RecordedPairs(path, options or RecordedOptions()) as found:
        return list(found.pairs())


def items_of(path: Path) -> RecordedItems:
    found = find_source(path, PAIR, Pairing(), RecordedOptions(), compress=False)
    assert isinstance(found, RecordedItems)
    return found


def test_colour_is_sent_as_it_is_stored_and_depth_as_the_colour_camera_sees_it(desk: Path) -> None:
    pairs = all_pairs(desk)
    assert [pair.name for pair in pairs] == [f"{index:06}_{START + index * STEP}" for index in range(6)]
    for index, pair in enumerate(pairs):
        sent = pair.sent()
        assert sent.rgb == desk_jpeg(index)
        depth = depth_of(sent.depth)
        assert depth.shape == SIZE[::-1]
        readings = depth[depth > 0] / sent.units_per_metre
        assert readings.size and np.allclose(readings, (1500 + index) / 1000, atol=1e-4)
        columns = np.flatnonzero((depth > 0).any(axis=0))
        assert columns[0] > SIZE[0] * SHIFT_M / 1.6 / 2, "the depth camera stands to the right of the colour camera"


def test_depth_that_is_not_moved_keeps_its_stored_numbers(desk: Path) -> None:
    lens = Lens(*FAR, 40.0, 40.0, 19.5, 17.5)
    for options in (RecordedOptions(register=False), RecordedOptions(camera=RgbdCamera(lens, lens))):
        with RecordedPairs(desk, options) as found:
            frames = [RecordedPair(frame, found.registration) for frame in found.frames()]
        for index, pair in enumerate(frames):
            sent = pair.sent()
            assert sent.units_per_metre == 1000.0 and np.array_equal(depth_of(sent.depth), desk_depth(index))


def test_what_cannot_lie_on_colour_is_one_error_that_names_the_cure(tmp_path: Path) -> None:
    path = write_desk(tmp_path / "bare.mcap", 2, calibrated=False)
    with RecordedPairs(path, RecordedOptions()) as found:
        assert "a guess: nobody says how the cameras stand" in found.facts[-1]
        with pytest.raises(InputError, match=r"another aspect ratio.*with --camera FILE"):
            next(found.pairs())
    small = Lens(20, 20, 40.0, 40.0, 9.5, 9.5)
    other = RgbdCamera(Lens(*SIZE, 64.0, 64.0, 31.5, 23.5), small, translation=(0.1, 0, 0))
    with (
        RecordedPairs(path, RecordedOptions(camera=other)) as found,
        pytest.raises(InputError, match=r"frame 0: .*--camera FILE gives another calibration"),
    ):
        next(found.pairs())


def test_a_folder_with_a_layout_of_its_own_is_no_recording(tmp_path: Path, desk: Path) -> None:
    for name in ("rgb", "depth"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    (tmp_path / "pairs" / "desk.mcap").write_bytes(desk.read_bytes())
    (tmp_path / "tum").mkdir()
    for name in ("rgb.txt", "depth.txt"):
        (tmp_path / "tum" / name).write_text("# nothing\n")
    assert not is_recorded(tmp_path / "pairs") and not is_recorded(tmp_path / "tum") and is_recorded(desk)
    (tmp_path / "list.txt").write_text("a.png b.png\n")
    assert not is_recorded(tmp_path / "list.txt") and not is_recorded(tmp_path / "nowhere.mcap")
    (tmp_path / "no.mcap").write_bytes(b"nothing")
    with pytest.raises(RecordingError, match="is no recording that can be read, expected one of"):
        items_of(tmp_path / "no.mcap")


def test_a_folder_of_recordings_has_one_name_for_each_and_a_broken_one_does_not_stop_the_others(
    tmp_path: Path, desk: Path
) -> None:
    (tmp_path / "lab").mkdir()
    whole = desk.read_bytes()
    cut = whole[: len(whole) // 2]
    for name, data in (("lab/desk.mcap", whole), ("lab/chair.mcap", whole), ("desk.mcap", whole), ("cut.mcap", cut)):
        (tmp_path / name).write_bytes(data)
    write_desk(tmp_path / "robot", 3)
    written = ["cut.mcap", "desk.mcap", "lab/chair.mcap", "lab/desk.mcap", "robot"]
    assert [path.as_posix() for path in recordings_below(tmp_path)] == written
    found = items_of(tmp_path)
    stems = [item.stem for item in found.left(())]
    assert list(found.broken) == ["cut"] and "is damaged or cut" in str(found.broken["cut"])
    places = [stem.rpartition("/")[0] for stem in stems]
    assert list(dict.fromkeys(places)) == ["cut", "desk", "lab/chair", "lab/desk", "robot"]
    assert [places.count(name) for name in ("desk", "lab/chair", "lab/desk", "robot")] == [6, 6, 6, 3]
    assert found.unmatched == 6
    kept = [*stems[:-1], "robot"]
    assert [item.stem for item in items_of(tmp_path).left(kept)] == stems[-1:]


def test_frames_before_the_first_that_is_left_are_not_made(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    frames = MessageRecording.frames

    def noted(self: MessageRecording, start: int = 0) -> Iterator[object]:
        asked.append(start)
        return frames(self, start)

    monkeypatch.setattr(MessageRecording, "frames", noted)
    stems = [item.stem for item in items_of(desk).left(())]
    assert [item.stem for item in items_of(desk).left([*stems[:3], stems[4]])] == [stems[3], stems[5]]
    assert asked == [0, 3]


def test_a_batch_knows_its_recording_by_size_and_time_and_what_it_was_told(desk: Path) -> None:
    status = desk.stat()
    assert items_of(desk).identity == {"recordings": {"": [status.st_size, status.st_mtime_ns]}}
    options = RecordedOptions(depth_topic="/d", longest_gap_s=0.03, register=False)
    assert options.identity == {"depth_topic": "/d", "longest_gap_s": 0.03, "register": False}
    lens = Lens(*SIZE, 64.0, 64.0, 31.5, 23.5)
    one, other = (RecordedOptions(camera=RgbdCamera(lens, replace(lens, fx=focal))) for focal in (64.0, 65.0))
    assert one.identity != other.identity
    with pytest.raises(InputError, match="leave --camera or --no-register out"):
        replace(one, register=False)


def test_pixels_are_made_smaller_only_where_they_leave_the_machine() -> None:
    assert not travels("grpc://127.0.0.1:8001,http://localhost:8000") and not travels("http://[::1]:8000")
    assert travels("grpc://127.0.0.1:8001,grpc://robot:8001")


def test_the_command_says_what_a_recording_holds_and_shows_a_frame(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera, out = tmp_path / "cameras" / "desk.json", tmp_path / "frame"
    words = ["recording", str(desk)]
    assert main([*words, "--camera-out", str(camera), "--frame", "4", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["format"], said["registered"], round(said["rate"], 1)) == ("MCAP", False, 30.3)
    assert said["colour"] == {"width": 64, "height": 48, "stored": "JPEG"}
    assert (said["depth"]["width"], said["depth"]["reach_m"]) == (40, [1.5, 1.5])
    assert {one["what"] for one in said["facts"]} >= {"depth unit", "no reading", "topics", "sent"}
    assert read_camera(camera).translation == (SHIFT_M, 0.0, 0.0)
    images = {path.stem: np.asarray(Image.open(path)) for path in out.iterdir()}
    assert set(images) == {"rgb", "depth", "registered", "preview"}
    assert np.array_equal(images["depth"], desk_depth(4)) and images["registered"].max() == 1504
    changed = (images["preview"] != images["rgb"]).any(axis=2)
    assert np.array_equal(changed, images["registered"] > 0)
    assert main([*words, "--camera", str(camera)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sent: depth moved into the colour camera, 64 x 48, as the given camera says" in lines
    assert any(line.startswith("topics: ") and "a guess" in line for line in lines)
    assert main([*words, "--count"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pairs: 6" in lines and "images without a partner: 2" in lines
    (tmp_path / "cut.mcap").write_bytes(desk.read_bytes()[:-3000])
    assert main(["recording", str(tmp_path / "cut.mcap"), "--count", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 0 < said["pairs"] <= 6 and "is damaged or cut" in said["damage"]
    assert main([*words, "--frame", "6", "--out", str(out)]) == 2
    assert "has no frame 6" in capsys.readouterr().err
    assert main([*words, "--frame", "1"]) == 2
    assert "and --out DIR" in capsys.readouterr().err


def test_a_recording_without_calibration_gives_no_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_desk(tmp_path / "bare.mcap", 2, calibrated=False)
    assert main(["recording", str(path), "--camera-out", str(tmp_path / "camera.json")]) == 2
    assert "has no calibration" in capsys.readouterr().err
    (tmp_path / "camera.json").write_text("[]")
    assert main(["recording", str(path), "--camera", str(tmp_path / "camera.json")]) == 2
    assert 'camera.json: got a camera without "colour"' in capsys.readouterr().err


def redwood(folder: Path) -> Path:
    """Write `rgb/` and `depth/` whose names hold numbers and stamps of their own, as Redwood has them."""
    for index in range(3):
        for name, stamp in (("rgb", 33_000 * index), ("depth", 33_000 * index + 7_000)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            pixels = np.full((12, 16, 3), 90, np.uint8) if name == "rgb" else np.full((12, 16), 900, np.uint16)
            Image.fromarray(pixels).save(folder / name / f"{index + 1:06d}-{stamp:012d}.png")
    return folder


def test_a_folder_whose_names_make_no_pairs_is_read_as_what_it_is(tmp_path: Path) -> None:
    """`rgb/` and `depth/` of equal names are images; those of Redwood pair by their stamps."""
    assert is_recorded(redwood(tmp_path / "redwood"))
    assert [pair.recorded.index for pair in all_pairs(tmp_path / "redwood")] == [0, 1, 2]
    for name in ("rgb", "depth"):
        (tmp_path / "plain" / name).mkdir(parents=True)
        (tmp_path / "plain" / name / f"1.{name}.png").touch()
    assert not is_recorded(tmp_path / "plain")


def test_layouts_that_are_mixed_are_refused_and_none_is_left_out(tmp_path: Path) -> None:
    redwood(tmp_path / "a")
    tum = tmp_path / "tum"
    for name in ("rgb", "depth"):
        (tum / name).mkdir(parents=True)
        Image.fromarray(np.full((12, 16), 900, np.uint16)).save(tum / name / "1.png")
        (tum / f"{name}.txt").write_text(f"1.0 {name}/1.png\n")
    with pytest.raises(InputError, match=r"TUM's layout \(tum\) and another one \(a\)"):
        find_source(tmp_path, PAIR, Pairing(), RecordedOptions(), compress=False)


def test_options_that_were_given_twice_count_and_a_path_is_a_camera_too(tmp_path: Path) -> None:
    own = RecordedOptions(units_per_metre=500.0, longest_gap_s=0.1)
    assert own.given(None, LONGEST_GAP_S) == own
    assert own.given(2000.0, 0.05) == RecordedOptions(units_per_metre=2000.0, longest_gap_s=0.05)
    lens = Lens(16, 12, 20.0, 20.0, 8.0, 6.0)
    (tmp_path / "camera.json").write_text(RgbdCamera(lens, lens).to_json())
    named: Any = tmp_path / "camera.json"
    assert RecordedOptions(camera=named).camera == RgbdCamera(lens, lens)


def test_the_colour_lens_says_nothing_of_depth_that_was_left_where_it_is(desk: Path) -> None:
    with RecordedPairs(desk, RecordedOptions()) as moved, RecordedPairs(desk, RecordedOptions(register=False)) as left:
        assert moved.lens is not None and left.lens is None


def test_a_camera_is_not_written_over_the_recording(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = desk.read_bytes()
    assert main(["recording", str(desk), "--camera-out", str(desk)]) == 2
    assert "is what is read" in capsys.readouterr().err and desk.read_bytes() == before
