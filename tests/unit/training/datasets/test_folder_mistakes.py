"""Mistakes of a whole folder that no single file shows: `check-data` names them, and is silent about sound folders."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from crosswire.training.__main__ import main
from crosswire.training.datasets.measured.leaks import leaks
from crosswire.training.datasets.measured.registration import agreement
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.data import frames

COUNT, SIZE = 15, (96, 128)
PAINT = np.random.default_rng(0).permutation(256)[:36].reshape(12, 3).astype(np.uint8)
Array = np.ndarray
Edit = Callable[[Array], Array]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return fifteen procedural rooms as a folder, nine of them to train on."""
    folder = tmp_path_factory.mktemp("rooms")
    write_folder(RoomsFrames(7, COUNT, *SIZE), folder, split_evenly(COUNT))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """Return a copy to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "data"))


def edit(folder: Path, kind: str, change: Edit) -> None:
    """Change every image of a kind."""
    for path in (folder / kind).glob("*.png"):
        Image.fromarray(change(np.array(Image.open(path)))).save(path)


def say(folder: Path, **changes: object) -> None:
    """Change the manifest; None takes a key away."""
    path = folder / "manifest.json"
    plain = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not None}))


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code of `check-data` and what it printed."""
    code = main(["check-data", str(folder), "--quiet"])
    return code, capsys.readouterr().out


def test_a_sound_folder_passes_and_is_told_of_its_depth(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = checked(folder, capsys)
    assert code == 0 and "beside colour" not in out and "no reading, in" not in out and "painted" not in out
    assert re.search(
        r"^depth of 9 training frames \(whole numbers, 1000 per metre\): .* median .*depth_mean=", out, re.M
    )
    assert f"train with --data {folder}" in out


def test_depth_beside_colour_is_named_with_the_pixels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "depth", lambda depth: depth[:, :-5])
    edit(folder, "labels", lambda labels: labels[:, 5:])
    edit(folder, "rgb", lambda rgb: rgb[:, 5:])
    code, out = checked(folder, capsys)
    assert code == 2
    assert "depth: lies beside colour: over 9 frames the edges of both agree best with depth 5 left" in out


def test_a_few_frames_are_not_judged_by_their_edges(sound: Path) -> None:
    source = frames(DataConfig(name="folder", path=str(sound)), "train")
    pairs = [(np.asarray(source[i].pictures["rgb"]), np.asarray(source[i].pictures["depth"])) for i in range(4)]
    found = agreement((rgb[:, 5:], depth[:, :-5]) for rgb, depth in pairs)
    assert found is not None and found.frames == 4 and found.problem("depth") is None
    flat = np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.float32)
    assert agreement([flat] * 9) is None


def test_a_class_that_holes_of_depth_give_away_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (folder / "depth").glob("*.png"):
        labels = np.array(Image.open(folder / "labels" / path.name))
        depth = np.maximum(np.array(Image.open(path)), 1)
        Image.fromarray(np.where(labels == 1, 0, depth).astype(np.uint16)).save(path)
    code, out = checked(folder, capsys)
    assert code == 2
    assert re.search(r"labels: \w+ is exactly where depth has no reading, in 100\.0% of its pixels; take it out", out)


def test_unlabelled_pixels_and_a_class_with_some_holes_leak_nothing() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[:10], labels[10:12] = 1, 255
    depth = np.ones((20, 20), np.float32)
    depth[10:12] = 0
    assert leaks([(labels, depth)], ("a", "b"), "labels") == []
    depth[:8] = 0
    assert leaks([(labels, depth)], ("a", "b"), "labels") == []


def test_a_class_that_never_occurs_is_a_warning_by_split(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes = [f"class {index}" for index in range(12)]
    edit(folder, "labels", lambda labels: labels % 12)
    for path in [folder / f"labels/{stem}.png" for stem in (folder / "val.txt").read_text().split()]:
        labels = np.array(Image.open(path))
        Image.fromarray(np.where(labels == 0, 1, labels).astype(np.uint8)).save(path)
    say(folder, classes=[*classes, "unicorn"], palette=None)
    code, out = checked(folder, capsys)
    assert code == 0
    assert re.search(
        r"^warning: \S+labels: [^:]*unicorn: in none of 9 train frames, so no network learns it; ", out, re.M
    )
    assert re.search(r"^warning: \S+labels: class 0, .*unicorn: in none of 3 val frames, so no score tells", out, re.M)
    assert "nothing wrong, 2 warnings; train with" in out


@pytest.mark.parametrize(
    ("units", "cure"), [(1_000_000, "with depth_units_per_metre 1000 it would be"), (1, "1000 it")]
)
def test_depth_in_another_unit_is_named_with_one_that_fits(
    folder: Path, capsys: pytest.CaptureFixture[str], units: float, cure: str
) -> None:
    say(folder, depth_units_per_metre=units)
    code, out = checked(folder, capsys)
    assert code == 2 and out.count("plausible is 0.1 to 20 m; check how many units") == COUNT and cure in out


def test_painted_labels_are_listed_with_the_line_that_makes_them_classes(
    folder: Path, sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, "labels", lambda labels: PAINT[labels])
    code, out = checked(folder, capsys)
    assert code == 2
    (line,) = [line for line in out.splitlines() if "labels: are painted: " in line]
    proposed = re.search(r'add ("label_colours": \[.*\]\]) to manifest\.json, ', line)
    assert proposed
    colours = json.loads(f"{{{proposed[1]}}}")["label_colours"]
    assert {tuple(colour) for colour in colours} <= {tuple(colour) for colour in PAINT.tolist()}
    assert re.search(rf"are painted: {re.escape(str(colours[0]))} \d\d\.\d%, ", line)
    say(folder, label_colours=PAINT.tolist(), palette=None)
    code, out = checked(folder, capsys)
    assert code == 0
    painted, plain = (frames(DataConfig(name="folder", path=str(one)), "train") for one in (folder, sound))
    np.testing.assert_array_equal(painted[3].labels, plain[3].labels)
    assert painted.palette == tuple(map(tuple, PAINT.tolist()))


def test_smoothed_colours_are_no_palette(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "labels", lambda labels: np.asarray(Image.fromarray(PAINT[labels]).filter(ImageFilter.BoxBlur(1))))
    code, out = checked(folder, capsys)
    assert code == 2 and re.search(r"labels: are colour pictures of \d+ colours, more than a palette has; save", out)


def test_a_colour_of_no_class_is_named_and_unlabelled_pixels_have_a_colour_of_their_own(folder: Path) -> None:
    def paint(labels: Array) -> Array:
        painted = PAINT[labels]
        painted[0, :3] = 1, 2, 3
        return painted

    edit(folder, "labels", paint)
    say(folder, label_colours=PAINT.tolist())
    source = frames(DataConfig(name="folder", path=str(folder)), "val")
    with pytest.raises(ValueError, match=r"3 pixels hold \[1, 2, 3\], of no class, or the like; allowed are \["):
        source[0]
    say(folder, ignore_colour=[1, 2, 3])
    assert frames(DataConfig(name="folder", path=str(folder)), "val")[0].labels[0, :4].tolist()[:3] == [255] * 3


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"label_colours": [[0, 0, 0]]}, "1 colours for 12 classes"),
        ({"label_colours": [[0, 0, 0]] * 12}, "no two alike"),
        ({"label_colours": PAINT.tolist(), "ignore_colour": PAINT[0].tolist()}, "none as ignore_colour"),
        ({"label_colours": PAINT.tolist(), "first_label": 1}, "leave first_label, label_values and ignore out"),
        ({"label_colours": [[0, 0, 256], *PAINT.tolist()[1:]]}, "hold 0 to 255"),
        ({"ignore_colour": [0, 0, 0]}, "say label_colours too"),
    ],
)
def test_colours_that_contradict_the_rest_are_refused(folder: Path, said: dict[str, object], message: str) -> None:
    say(folder, **said)
    with pytest.raises(ValueError, match=message):
        frames(DataConfig(name="folder", path=str(folder)), "train")
