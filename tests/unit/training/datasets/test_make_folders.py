"""`make-data folders`: three folders of files become one that can be trained on, and what was guessed is marked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.training.__main__ import main
from crosswire.training.datasets.measured.gather import split_by_share
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.data import frames

COUNT = 10
LABELS = np.arange(24 * 32).reshape(24, 32) // 256


def write(root: Path, labels: np.ndarray, depth: np.ndarray, names: tuple[str, str, str] = ("{}", "{}", "{}")) -> Path:
    """Write ten frames into three folders."""
    rng = np.random.default_rng(0)
    pictures = {"rgb": None, "depth": depth, "labels": labels}
    for (kind, picture), name in zip(pictures.items(), names, strict=True):
        (root / kind).mkdir(parents=True)
        for index in range(COUNT):
            colour = rng.integers(0, 255, (24, 32, 3), np.uint8)
            path = root / kind / f"{name.format(f'frame_{index}')}.{'jpg' if picture is None else 'png'}"
            Image.fromarray(colour if picture is None else picture).save(path)
    return root


def make(root: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Gather the frames of three folders; return the exit code and the manifest."""
    folders = [word for kind in ("rgb", "depth", "labels") for word in (f"--{kind}", str(root / kind))]
    code = main(["make-data", "folders", *folders, "--to", str(root / "made"), *options])
    manifest = root / "made/manifest.json"
    return code, json.loads(manifest.read_text()) if manifest.exists() else {}


def depth_of(value: int) -> np.ndarray:
    return np.full((24, 32), value, np.uint16)


def test_frames_are_matched_copied_dealt_out_and_can_be_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, LABELS.astype(np.uint8), depth_of(1500), ("{}_rgb", "{}.depth", "mask_{}"))
    (tmp_path / "rgb/lonely.jpg").write_bytes(b"")
    code, manifest = make(tmp_path, "--classes", "floor, wall, crate")
    out = capsys.readouterr().out
    assert code == 0 and "10 frames: 8 train, 1 val, 1 test" in out
    assert "left out: 1 files without the other two, as" in out and "lonely.jpg" in out
    assert manifest["classes"] == ["floor", "wall", "crate"] and "first_label" not in manifest
    source = frames(DataConfig(name="folder", path=str(tmp_path / "made")), "train")
    assert len(source) == 8 and np.array_equal(source[0].labels, LABELS)
    assert np.unique(source[0].pictures["depth"]).tolist() == [1.5]


def test_what_was_guessed_is_marked_until_it_is_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, LABELS.astype(np.uint8) + 3, depth_of(1500))
    _, manifest = make(tmp_path)
    assert manifest["classes"] == ["value 3", "value 4", "value 5"] and manifest["first_label"] == 3
    assert manifest["depth_units_per_metre"] == 1000
    assert sorted(manifest["guessed"]) == ["classes", "depth_units_per_metre"]
    assert "would be 1.5 m; 5000 would make it 0.3 m, 256" in manifest["guessed"]["depth_units_per_metre"]
    check = ["check-data", str(tmp_path / "made"), "--quiet"]
    assert main(check) == 0
    out = capsys.readouterr().out
    assert "warning: " in out and "classes is a guess: what the label files hold; give them names; correct it" in out
    (tmp_path / "made/manifest.json").write_text(json.dumps({**manifest, "guessed": {}}))
    assert main(check) == 0 and "is a guess" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 255, 0], {"label_values": [0, 255], "classes": ["value 0", "value 255"]}),
        ([0, 1, 255], {"ignore": 255, "classes": ["value 0", "value 1"]}),
        ([7, 20, 40], {"label_values": [7, 20, 40]}),
    ],
)
def test_the_values_of_labels_are_measured(tmp_path: Path, values: list[int], said: dict[str, Any]) -> None:
    write(tmp_path, np.asarray(values, np.uint8)[LABELS], depth_of(1500))
    code, manifest = make(tmp_path)
    assert code == 0 and said.items() <= manifest.items()
    frames(DataConfig(name="folder", path=str(tmp_path / "made")), "train")[0]


def test_painted_labels_become_colours_of_classes(tmp_path: Path) -> None:
    paint = np.asarray([[0, 0, 0], [200, 0, 0], [0, 90, 0]], np.uint8)
    write(tmp_path, paint[LABELS], depth_of(1500))
    _, manifest = make(tmp_path)
    assert sorted(manifest["label_colours"]) == sorted(paint.tolist())
    assert "label_colours" in manifest["guessed"] and manifest["classes"][0].startswith("colour ")
    assert len(np.unique(frames(DataConfig(name="folder", path=str(tmp_path / "made")), "val")[0].labels)) == 3


@pytest.mark.parametrize(
    ("stored", "unit"), [(1200, 1000), (20_000, 5000), (60_000, 10_000), (150, 256), (30, 100), (2, 1)]
)
def test_the_unit_of_depth_is_the_first_in_use_that_makes_a_scene(tmp_path: Path, stored: int, unit: int) -> None:
    write(tmp_path, LABELS.astype(np.uint8), depth_of(stored))
    assert make(tmp_path)[1]["depth_units_per_metre"] == unit


def test_depth_that_is_called_depth_has_its_unit_guessed_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, LABELS.astype(np.uint8), depth_of(1500))
    assert make(tmp_path, "--geometry", "depth")[1]["depth_units_per_metre"] == 1000


def test_splits_of_few_frames_do_not_overlap() -> None:
    cut = split_by_share(["a", "b", "c", "d"], (0.01, 0.5, 0.49))
    assert cut == {"train": ["a"], "val": ["b", "c"], "test": ["d"]}


def test_what_the_user_says_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path, LABELS.astype(np.uint8), depth_of(40_000))
    lists = {"train": "frame_0.jpg\nrgb/frame_1.jpg\n", "val": "frame_2\n"}
    for name, text in lists.items():
        (tmp_path / f"{name}.txt").write_text(text)
    options = ["--geometry", "disparity", "--train", str(tmp_path / "train.txt"), "--val", str(tmp_path / "val.txt")]
    code, manifest = make(tmp_path, "--classes", "a,b,c", *options)
    assert code == 0 and manifest == {"classes": ["a", "b", "c"], "geometry": "disparity"}
    assert (tmp_path / "made/train.txt").read_text() == "frame_0\nframe_1\n"
    assert not (tmp_path / "made/test.txt").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["folders", "--rgb", "rgb", "--depth", "depth"], "folders lacks --labels DIR"),
        (["folders", "--rgb", "no", "--depth", "depth", "--labels", "labels"], "--rgb no is not a folder"),
        (["folders", "--rgb", "rgb", "--depth", "depth", "--labels", "other"], "no name is in all three folders"),
        (["folders", "--rgb", "twice", "--depth", "depth", "--labels", "labels"], "are both rgb of 'frame_0'"),
        (
            ["folders", "--rgb", "rgb", "--depth", "depth", "--labels", "labels", "--train", "list"],
            "give --train and --val FILE",
        ),
        (
            ["folders", "--rgb", "rgb", "--depth", "depth", "--labels", "labels", "--train", "list", "--val", "list"],
            "list names 'nobody', of which no whole frame is there",
        ),
        (["folders", "--rgb", "rgb", "--split", "1,2"], "'1,2' are no shares; write those of train, val and test"),
        (["rooms", "--rgb", "rgb"], "--rgb is for: make-data folders"),
        (["events", "--depth-units-per-metre", "5"], "--depth-units-per-metre is for: make-data folders"),
    ],
)
def test_what_cannot_be_gathered_is_refused_and_nothing_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    write(tmp_path, LABELS.astype(np.uint8), depth_of(1500))
    for name in ("twice/frame_0.jpg", "twice/frame_0_rgb.jpg", "other/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list").write_text("nobody\n")
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["make-data", *options, "--to", "made"])
    except SystemExit as left:
        code = int(str(left.code))
    assert code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
