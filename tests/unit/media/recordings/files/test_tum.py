"""TUM's layout as a recording: stamps to the nanosecond, pairs as they are named or closest, and the known cameras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.media.recordings import Recording, RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions

STORED = np.array([[0, 5000], [12500, 1]], np.uint16)
METRES = np.array([[0, 1], [2.5, 0.0002]], np.float32)


def images(folder: Path, count: int) -> Path:
    for index in range(count):
        for kind in ("rgb", "depth"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (index, 0, 0)).save(folder / "rgb" / f"{index}.png")
        Image.fromarray(STORED).save(folder / "depth" / f"{index}.png")
    return folder


def lists(folder: Path, colour: Sequence[str], depth: Sequence[str]) -> Path:
    images(folder, max(len(colour), len(depth)))
    for kind, stamps in (("rgb", colour), ("depth", depth)):
        lines = "".join(f"{stamp} {kind}/{index}.png\n" for index, stamp in enumerate(stamps))
        (folder / f"{kind}.txt").write_text("# timestamp filename\n" + lines)
    return folder


def told(recording: Recording) -> dict[str, str]:
    return {fact.what: str(fact) for fact in recording.facts}


def test_a_folder_of_lists_is_read_with_stamps_to_the_nanosecond(tmp_path: Path) -> None:
    colour = ["1305031102.175304", "1305031102.211214", "1305031102.243211"]
    recording = open_recording(lists(tmp_path, colour, ["1305031102.160407", "1305031102.226738", "1305031102.9"]))
    frames = list(recording)
    assert (recording.format, recording.count, recording.registered) == ("TUM RGB-D", 2, True)
    assert recording.unmatched == 2
    assert [(frame.stamp_ns, frame.depth_stamp_ns) for frame in frames] == [
        (1305031102175304000, 1305031102160407000),
        (1305031102211214000, 1305031102226738000),
    ]
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [0, 1]
    for frame in frames:
        assert isinstance(frame.colour, bytes)
        np.testing.assert_array_equal(frame.depth, METRES)
    assert told(recording)["depth unit"] == "depth unit: 5000 units per metre, as TUM's page says of this layout"
    assert not any(fact.guessed for fact in recording.facts)


def test_gap_and_unit_are_the_user_s(tmp_path: Path) -> None:
    folder = lists(tmp_path, ["1.00", "2.00"], ["1.03", "2.03"])
    with pytest.raises(RecordingError, match="no two of 2 colour and 2 depth images lie within 20 ms; allow more"):
        open_recording(folder)
    recording = open_recording(folder, ReadOptions(units_per_metre=1000, longest_gap_s=0.05))
    np.testing.assert_allclose(next(iter(recording)).depth, 5 * METRES, rtol=1e-6)


def test_a_unit_that_is_recognised_is_a_guess(tmp_path: Path) -> None:
    stamps = [str(1305031102175304000 + 33_000_000 * index) for index in range(3)]
    recording = open_recording(lists(tmp_path, stamps, stamps))
    assert next(iter(recording)).stamp_ns == 1305031102175304000
    assert recording.rate == pytest.approx(1000 / 33, abs=1e-3)
    assert told(recording)["stamps"] == (
        "stamps: nanoseconds of colour and nanoseconds of depth, a guess: their size and pace"
    )


def test_associations_name_the_pairs_and_the_numbers_of_icl_nuim_are_no_times(tmp_path: Path) -> None:
    folder = images(tmp_path / "living_room_traj0_frei_png", 3)
    (folder / "associations.txt").write_text(
        "".join(f"{one} depth/{one}.png {one} rgb/{one}.png\n" for one in range(3))
    )
    recording = open_recording(folder)
    assert [frame.time_s for frame in recording] == pytest.approx([0, 1 / 30, 2 / 30])
    assert [fact.what for fact in recording.facts if fact.guessed] == ["time"]
    assert recording.camera is not None
    assert (recording.camera.colour.fy, recording.camera.registered) == (480, True)


def test_associations_with_times_keep_them(tmp_path: Path) -> None:
    folder = images(tmp_path, 2)
    (folder / "associate.txt").write_text("5.25 rgb/1.png 5.5 depth/1.png\n4.0 rgb/0.png 4.1 depth/0.png\n")
    assert [(frame.stamp_ns, frame.depth_stamp_ns) for frame in open_recording(folder)] == [
        (4_000_000_000, 4_100_000_000),
        (5_250_000_000, 5_500_000_000),
    ]


@pytest.mark.parametrize(
    ("name", "focal"), [("freiburg1_desk", 517.3), ("freiburg2_xyz", 520.9), ("freiburg3_x", 535.4)]
)
def test_the_cameras_of_tum_s_page_are_found_by_the_folder_s_name(name: str, focal: float, tmp_path: Path) -> None:
    recording = open_recording(lists(tmp_path / f"rgbd_dataset_{name}", ["1.0"], ["1.0"]))
    assert recording.camera is not None
    assert recording.camera.colour.fx == focal
    assert recording.camera.registered
    assert told(recording)["camera"].endswith(f"as the data set's page says of {name[:9]}")


def test_damaged_lists_and_missing_images_are_one_line(tmp_path: Path) -> None:
    folder = lists(tmp_path, ["1.0", "2.0"], ["1.0", "2.0"])
    (folder / "depth" / "1.png").unlink()
    seen = []
    with pytest.raises(RecordingError, match=r"1\.png .*No such file"):
        for frame in open_recording(folder):
            seen.append(frame.index)
    assert seen == [0]
    (folder / "rgb.txt").write_text("yesterday rgb/0.png\n")
    with pytest.raises(RecordingError, match=r"rgb\.txt:1 is 'yesterday rgb/0\.png'; write TIMESTAMP FILE"):
        open_recording(folder)
