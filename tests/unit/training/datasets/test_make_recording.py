"""Frames of a recording become a folder to label: one moment, one camera, one unit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.training.__main__ import main
from crosswire.training.datasets.measured.recorded import sharpness, stored_unit
from crosswire.training.datasets.rooms import render

HEIGHT, WIDTH, FRAMES, RATE = 48, 64, 20, 10
BLURRED = {0, 2, 3, 4, 7}
LENS = Lens(WIDTH, HEIGHT, 50.0, 50.0, 31.5, 23.5)
CLASSES = "floor,wall,ceiling,door,picture,window,rug,cabinet,table,sofa,column,ball"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Two seconds of pairs, named by number and microseconds; from the second second on nothing moves."""
    folder = tmp_path / "desk"
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
    for index in range(FRAMES):
        room = render(4, min(index, RATE), HEIGHT, WIDTH)
        name = f"{index:06d}-{index * 1_000_000 // RATE:012d}"
        image = Image.fromarray(room.rgb)
        image = image.filter(ImageFilter.GaussianBlur(2)) if index in BLURRED else image
        image.save(folder / f"rgb/{name}.jpg", quality=95)
        Image.fromarray(np.rint(room.depth * 1000).astype(np.uint16)).save(folder / f"depth/{name}.png")
    return folder


def make(desk: Path, to: Path, *words: str) -> list[str]:
    """Extract frames; return their names without the stamps."""
    assert main(["make-data", "recording", str(desk), "--to", str(to), "--classes", CLASSES, *words]) == 0
    stems = sorted(path.stem for path in (to / "rgb").iterdir())
    assert stems == sorted(path.stem for path in (to / "depth").iterdir())
    return [stem.partition("_")[0] for stem in stems]


def test_a_frame_a_second_keeps_its_file_its_depth_and_its_moment(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "frames"
    assert make(desk, to) == ["000000", "000010"]
    told = capsys.readouterr().out
    assert "2 frames; depth in 1000 units per metre" in told and "registration: none, a guess" in told
    for place in (0, 10):
        (image,) = (to / "rgb").glob(f"{place:06}_*")
        assert image.suffix == ".jpg" and image.stem.endswith(f"_{place * 100_000_000}")
        (stored,) = (desk / "rgb").glob(f"{place:06}-*")
        assert image.read_bytes() == stored.read_bytes()
        depth = [np.asarray(Image.open(next((folder / "depth").glob(f"{place:06}*")))) for folder in (to, desk)]
        assert depth[0].dtype == np.uint16 and np.array_equal(*depth)
    manifest = json.loads((to / "manifest.json").read_text())
    assert manifest == {"classes": CLASSES.split(","), "depth_units_per_metre": 1000.0}
    hint = (to / "LABELLING.txt").read_text()
    assert "64 x 48 pixels" in hint and "  11  ball" in hint and "255  nobody knows" in hint
    assert not (to / "camera.json").exists()


def test_frames_are_chosen_by_time_number_sharpness_and_change(desk: Path, tmp_path: Path) -> None:
    assert make(desk, tmp_path / "a", "--every", "0") == [f"{index:06}" for index in range(FRAMES)]
    assert make(desk, tmp_path / "b", "--every", "0.5") == ["000000", "000005", "000010", "000015"]
    assert make(desk, tmp_path / "c", "--every", "0.5", "--limit", "3") == ["000000", "000005", "000010"]
    assert make(desk, tmp_path / "d", "--every", "0", "--moved")[-1] == "000010"
    sharp = make(desk, tmp_path / "e", "--every", "0.5", "--sharpest")
    assert len(sharp) == 4 and sharp[0] == "000001" and not {int(one) for one in sharp} & BLURRED
    rooms = [render(4, index, HEIGHT, WIDTH).rgb for index in range(3)]
    for rgb in rooms:
        assert sharpness(np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(2)))) < sharpness(rgb) / 2


def test_depth_is_moved_into_the_colour_camera_and_what_it_was_moved_by_is_no_longer_needed(
    desk: Path, tmp_path: Path
) -> None:
    camera = RgbdCamera(LENS, Lens(WIDTH, HEIGHT, 45.0, 45.0, 31.5, 23.5), translation=(-0.05, 0.0, 0.0))
    (tmp_path / "camera.json").write_text(camera.to_json())
    make(desk, tmp_path / "frames", "--camera", str(tmp_path / "camera.json"))
    (stored,) = (desk / "depth").glob("000010-*")
    (written,) = (tmp_path / "frames/depth").glob("000010_*")
    before = np.asarray(Image.open(stored)).astype(np.float32) / 1000
    wanted = np.rint(register_depth(before, camera) * 1000)
    assert np.array_equal(np.asarray(Image.open(written)), wanted) and not np.array_equal(before, wanted)
    left = RgbdCamera.from_json((tmp_path / "frames/camera.json").read_bytes())
    assert left.registered and left.colour == LENS


def test_a_folder_that_was_labelled_has_nothing_wrong(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "frames"
    make(desk, to, "--every", "0.3")
    capsys.readouterr()
    assert main(["check-data", str(to), "--quiet"]) == 2
    assert "labels/000000_0.png: is missing" in capsys.readouterr().out
    for image in (to / "rgb").iterdir():
        labels = render(4, min(int(image.stem.partition("_")[0]), RATE), HEIGHT, WIDTH).labels
        Image.fromarray(labels).save(to / "labels" / f"{image.stem}.png")
    assert main(["check-data", str(to), "--quiet"]) == 0
    assert "nothing wrong" in capsys.readouterr().out


def test_units_are_those_in_which_depth_is_whole() -> None:
    whole = np.arange(1, 3001, dtype=np.float32).reshape(50, 60)
    for unit in (1000.0, 5000.0, 10_000.0):
        assert stored_unit(whole / np.float32(unit)) == unit
    assert stored_unit(np.sqrt(whole)) == 1000.0
    assert stored_unit(np.zeros((4, 4), np.float32)) == 1000.0


def test_a_unit_that_is_given_counts(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(desk, tmp_path / "frames", "--depth-units-per-metre", "5")
    assert "depth in 5 units per metre" in capsys.readouterr().out
    depth = np.asarray(Image.open(next((tmp_path / "frames/depth").iterdir())))
    (stored,) = (desk / "depth").glob("000000-*")
    assert np.array_equal(depth, np.asarray(Image.open(stored)))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["recording", "SRC", "--to", "TO"], "got no classes, expected the names of what will be labelled"),
        (["recording", "--to", "TO", "--classes", "a,b"], "got no recording, expected its file or folder"),
        (["recording", "SRC", "--to", "TO", "--classes", "a", "--every", "-1"], "got --every -1, expected seconds"),
        (["recording", "SRC", "--to", "TO", "--classes", "a", "--limit", "0"], "got --limit 0, expected 1 or more"),
        (["recording", "SRC", "--to", "TO", "--classes", "a", "--every", "0", "--sharpest"], "say --every SECONDS"),
        (["recording", "SRC", "--to", "TO", "--classes", "a", "--rgb", "x"], "--rgb is for: make-data folders"),
        (
            ["recording", "SRC", "--to", "TO", "--classes", "a", "--camera", "no.json"],
            "no.json cannot be used (No such",
        ),
        (["recording", "none.bag", "--to", "TO", "--classes", "a"], "none.bag"),
        (["rooms", "--to", "TO", "--every", "1"], "--every is for: make-data recording"),
        (["rooms", "SRC", "--to", "TO"], "is for: make-data recording"),
    ],
)
def test_what_cannot_be_extracted_is_one_line(
    words: list[str], complaint: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"SRC": str(desk), "TO": str(tmp_path / "frames")}
    assert main(["make-data", *(named.get(word, word) for word in words)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and complaint in told[0]
