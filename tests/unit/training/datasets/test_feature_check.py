"""`check-data` on files of features: what is wrong is named with the cure, what may be right is a warning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from crosswire.training.__main__ import main
from crosswire.training.datasets.features.activitynet import ANNOTATIONS, IMAGES, VIDEOS
from tests.support.training.feature_files import VIDEO, write_features

Break = Callable[[Path], object]


def replace(file: str, video: str, value: object) -> Break:
    """Return what replaces the features of a video; None takes them out."""

    def edit(root: Path) -> None:
        with h5py.File(root / file, "r+") as opened:
            del opened[video]
            if value is not None:
                opened[video] = value

    return edit


def only(count: int) -> Break:
    """Return what keeps the features of some videos."""

    def edit(root: Path) -> None:
        with h5py.File(root / VIDEOS, "r+") as opened:
            for video in sorted(opened)[count:]:
                del opened[video]

    return edit


def rename(video: str, label: str) -> Break:
    """Return what gives a video another activity."""

    def edit(root: Path) -> None:
        said = json.loads((root / ANNOTATIONS).read_text())
        said["database"][video]["annotations"][0]["label"] = label
        (root / ANNOTATIONS).write_text(json.dumps(said))

    return edit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Features of 90 videos, nothing wrong."""
    write_features(tmp_path)
    return tmp_path


def test_a_sound_folder_is_recognised_and_says_how_to_train(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", str(folder), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "ActivityNet, features of videos and images, 90 videos" in printed
    assert f"nothing wrong; train with --data {folder}" in printed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (replace(VIDEOS, "v_003", np.zeros((3, 5))), f"has 5 values, and the first has {VIDEO}"),
        (replace(VIDEOS, "v_003", np.full(VIDEO, np.nan)), "holds values that are not finite"),
        (replace(IMAGES, "v_004", np.zeros((2, 3, 4))), r"got float64 \[2, 3, 4\], expected numbers"),
        (replace(IMAGES, "v_004", "words"), r"expected numbers \[12\] or"),
        (only(61), "both features of 1 videos of the subset 'validation', of 30; give at least 2"),
        (lambda root: (root / VIDEOS).write_bytes(b"x"), "video_features.h5: has no features under the identifiers"),
        (lambda root: (root / ANNOTATIONS).write_text("{}"), "cannot be read as the annotations of ActivityNet"),
    ],
)
def test_what_cannot_be_used_is_named(
    damage: Break, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder)
    assert main(["check-data", str(folder), "--quiet"]) == 2
    captured = capsys.readouterr()
    assert re.search(said, captured.out + captured.err)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            replace(VIDEOS, "v_003", None),
            "lacks features of 1 of 60 videos of the subset 'training'; they are passed over",
        ),
        (rename("v_070", "yodelling"), "no video of 'yodelling' is trained on"),
    ],
)
def test_what_may_be_right_is_a_warning(
    change: Break, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder)
    assert main(["check-data", str(folder), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert said in printed and "1 warning" in printed
