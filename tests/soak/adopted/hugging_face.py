"""Networks that transformers builds and exports, adopted: classes, sizes and answers of the package's own pipelines."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from crosswire.__main__ import main
from crosswire.contract import Contract
from tests.support.paths import ROOT

CLASSES = ("road", "kerb", "grass", "wall", "sky", "pole", "sign")
Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="not run: transformers is of the extra `soak`"
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as the Hub has them, and what the package's own pipelines answer."""
    folder = tmp_path_factory.mktemp("hub") / "out"
    words = [sys.executable, "-m", "tests.support.adopted.hugging_face", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def adopted(hub: Path, name: str, to: Path, *words: str) -> tuple[Contract, dict[str, Array]]:
    """Adopt a network; return its contract, and its outputs for the samples of the package."""
    network = name.replace("-", "_")
    assert main(["adopt", str(hub / name / "model.onnx"), "--name", network, "--to", str(to), *words]) == 0
    session = onnxruntime.InferenceSession(to / network / "1/model.onnx")
    names = [one.name for one in session.get_outputs()]
    return Contract.load(to / network), dict(
        zip(names, session.run(names, {"rgb": held(hub, name)["rgb"]}), strict=True)
    )


def held(hub: Path, name: str) -> dict[str, Array]:
    """Return samples and answers of the package."""
    with np.load(hub / name / "answers.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    "words",
    [["--preset", "segformer"], ["--task", "segmentation", "--set", "rgb.layout=NCHW"]],
    ids=["preset", "metadata"],
)
def test_segformer_answers_like_its_own_pipeline(hub: Path, tmp_path: Path, words: list[str]) -> None:
    contract, found = adopted(hub, "segformer", tmp_path, *words, "--size", "64x96")
    expected = held(hub, "segformer")["labels"]
    assert (found["labels"] == expected).mean() >= 0.999
    assert len(np.unique(expected)) == len(CLASSES)
    assert contract.classes == CLASSES


def test_a_wrong_mean_gives_other_labels(hub: Path, tmp_path: Path) -> None:
    wrong = ["--set", "rgb.mean=[0.0, 0.0, 0.0]"]
    _, found = adopted(hub, "segformer", tmp_path, "--preset", "segformer", "--size", "64x96", *wrong)
    assert (found["labels"] == held(hub, "segformer")["labels"]).mean() < 0.999


@pytest.mark.parametrize(
    ("name", "preset", "unit", "size"),
    [
        ("relative", "depth-anything", "relative", "70x98"),
        ("metric", "depth-anything-metric", "metre", "70x98"),
        ("dpt", "dpt-depth", "relative", "96x96"),
    ],
)
def test_monocular_depth_is_a_translation_in_metres_or_named_as_relative(
    hub: Path, tmp_path: Path, name: str, preset: str, unit: str, size: str
) -> None:
    contract, found = adopted(hub, name, tmp_path, "--preset", preset, "--size", size)
    expected = held(hub, name)["depth"]
    answer = found["predicted_depth"].reshape(expected.shape)
    assert np.abs(answer - expected).max() <= 1e-4 * np.abs(expected).max()
    spec = next(one for one in contract.outputs if one.name == "predicted_depth")
    assert unit in spec.unit


@pytest.mark.parametrize(
    ("name", "preset", "words"),
    [
        ("wav2vec2", "wav2vec2-classifier", ["--seconds", "0.25"]),
        ("videomae", "videomae", []),
        ("ast", "ast", ["--seconds", "0.605"]),
    ],
)
def test_clips_are_classified_like_by_their_own_pipelines(
    hub: Path, tmp_path: Path, name: str, preset: str, words: list[str]
) -> None:
    path = str(hub / name / "model.onnx")
    assert main(["adopt", path, "--preset", preset, "--name", name, "--to", str(tmp_path), *words]) == 0
    contract, answers = Contract.load(tmp_path / name), held(hub, name)
    (spec,) = contract.inputs
    session = onnxruntime.InferenceSession(tmp_path / name / "1/model.onnx")
    (found,) = session.run(None, {spec.name: answers[spec.name]})
    assert contract.classes == ("yes", "no", "up", "down")
    assert np.ptp(answers["probabilities"], 0).max() > 0.01, "clips that differ"
    assert np.abs(found - answers["probabilities"]).max() <= 1e-4


def test_sound_that_is_not_standardised_is_heard_differently(hub: Path, tmp_path: Path) -> None:
    words = ["--preset", "wav2vec2-classifier", "--seconds", "0.25", "--set", "waveform.standardise=false"]
    assert main(["adopt", str(hub / "wav2vec2/model.onnx"), "--name", "sounds", "--to", str(tmp_path), *words]) == 0
    answers = held(hub, "wav2vec2")
    session = onnxruntime.InferenceSession(tmp_path / "sounds/1/model.onnx")
    (found,) = session.run(None, {"waveform": answers["waveform"]})
    assert np.abs(found - answers["probabilities"]).max() > 1e-3
