"""`infer --folder`: labels of a folder of frames, in its own numbering."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosswire.training.__main__ import main
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.engine.run_folder import WEIGHTS, Run, read_run
from crosswire.training.modalities import modalities
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.data import FrameDataset, frames
from crosswire.training.tasks.segmentation.losses import upsample

FRAMES = 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of frames whose labels would run from 21 on."""
    write_folder(RoomsFrames(50, FRAMES, 60, 80), tmp_path / "frames", split_evenly(FRAMES))
    manifest = json.loads((tmp_path / "frames" / "manifest.json").read_text(encoding="utf-8"))
    for file in (tmp_path / "frames" / "labels").iterdir():
        Image.fromarray(np.asarray(Image.open(file)) + 21).save(file)
    (tmp_path / "frames" / "manifest.json").write_text(json.dumps(manifest | {"first_label": 21}), encoding="utf-8")
    return tmp_path / "frames"


def label(run: Path, folder: Path, out: Path) -> int:
    """Run the command."""
    return main(["infer", str(run), "--folder", str(folder), "--out", str(out), "--quiet"])


def test_labels_are_the_networks_in_the_numbering_of_the_manifest(
    tiny_run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = frames(DataConfig(name="folder", path=str(folder)), "train")
    inputs, _ = FrameDataset(source, modalities(tiny_run.config.network), lambda frame, _: frame)[0]
    with torch.inference_mode():
        logits = upsample(read_run(tiny_run.folder).network(*(one[None] for one in inputs)).ensemble, (60, 80))
    shutil.rmtree(folder / "labels")
    assert label(tiny_run.folder, folder, tmp_path / "out") == 0
    assert "labels: floor 21, wall 22" in capsys.readouterr().out
    written = Image.open(tmp_path / "out" / "000000.png")
    assert written.mode == "P" and tuple(written.getpalette()[63:66]) == source.palette[0]  # type: ignore[index]
    agree = np.asarray(written) == logits.argmax(1)[0].numpy() + 21
    assert agree.mean() > 0.999, "a pixel may lie between two classes"
    about = json.loads((tmp_path / "out" / "labels.json").read_text(encoding="utf-8"))
    assert about["classes"]["wall"] == 22


def test_what_was_interrupted_goes_on_and_another_networks_labels_are_left_alone(
    tiny_run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(tiny_run.folder, folder, out) == 0
    before = (out / "000002.png").read_bytes()
    (out / "000002.png").unlink()
    Image.new("L", (80, 60)).save(out / "000001.png")
    kept = (out / "000001.png").read_bytes()
    capsys.readouterr()
    assert label(tiny_run.folder, folder, out) == 0
    assert f"written: 1 of {FRAMES} frames" in capsys.readouterr().out
    assert (out / "000002.png").read_bytes() == before and (out / "000001.png").read_bytes() == kept
    other = Path(shutil.copytree(tiny_run.folder, tmp_path / "other"))
    state = torch.load(other / WEIGHTS, weights_only=True)
    torch.save({key: value + 1 for key, value in state.items()}, other / WEIGHTS)
    assert label(other, folder, out) == 2
    assert "holds labels of another network or numbering" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("depth/000001.png", "depth/000001.png: is missing"),
        ("manifest.json", "has no manifest.json, nor has the data of"),
    ],
)
def test_frames_that_cannot_be_labelled_are_named(
    spoil: str, message: str, tiny_run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / spoil).unlink()
    assert label(tiny_run.folder, folder, tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_classes_are_refused_by_name(
    tiny_run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "manifest.json").write_text(json.dumps({"classes": ["road", "hole"]}), encoding="utf-8")
    assert label(tiny_run.folder, folder, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "has the classes road, hole" in error and "decides between floor, wall" in error


def test_a_folder_of_other_images_is_not_taken_for_labels(
    tiny_run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "labels").iterdir()}
    assert label(tiny_run.folder, folder, folder / "labels") == 2
    assert "holds images and no labels.json" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (folder / "labels").iterdir()} == before
