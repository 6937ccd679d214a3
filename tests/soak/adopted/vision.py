"""Networks of torchvision and segmentation_models_pytorch, adopted: the labels of the packages' own pipelines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from crosswire.__main__ import main
from crosswire.contract import Contract
from tests.support.environments import beside
from tests.support.paths import ROOT

#: Unpacked without what they need: torchvision is the one of PyTorch 2.13.
PACKAGES = (
    *("torchvision==0.28.0", "segmentation_models_pytorch==0.6.0", "timm==1.0.31", "huggingface_hub==2.4.0"),
    *("safetensors==0.8.0", "httpx2==2.16.2", "httpcore2==2.16.2", "truststore==0.10.5"),
)
INPUT = ("rgb.scale=0.00392156862745098", "rgb.mean=[0.485, 0.456, 0.406]", "rgb.std=[0.229, 0.224, 0.225]")
#: How each is described, and how many classes it has.
SAID = {
    "deeplab": (["--preset", "torchvision-deeplab"], 21),
    "unet": (
        [
            *("--task", "segmentation", "--set", "rgb.layout=NCHW", "--set", "output.kind=logits"),
            *(word for one in (*INPUT, "rgb.channel_order=BGR") for word in ("--set", one)),
        ],
        5,
    ),
}
WRONG = {"deeplab": "rgb.mean=[0.0, 0.0, 0.0]", "unet": "rgb.channel_order=RGB"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graphs that the packages' networks become, and their answers."""
    folder = tmp_path_factory.mktemp("vision")
    path = os.pathsep.join((str(ROOT), str(beside(folder / "packages", *PACKAGES))))
    words = [sys.executable, "-m", "tests.support.adopted.vision", str(folder / "out")]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return folder / "out"


def adopted(exported: Path, name: str, to: Path, *words: str) -> tuple[Contract, dict[str, np.ndarray[Any, Any]]]:
    """Adopt a network; return its contract, and the share of pixels that have the labels of the package."""
    assert main(["adopt", str(exported / name / "model.onnx"), "--name", name, "--to", str(to), *words]) == 0
    session = onnxruntime.InferenceSession(to / name / "1/model.onnx")
    with np.load(exported / name / "answers.npz") as held:
        (labels,) = session.run(["labels"], {"rgb": held["rgb"]})
        return Contract.load(to / name), {"found": labels, "expected": held["labels"]}


@pytest.mark.parametrize("name", SAID)
def test_labels_are_those_of_the_package(exported: Path, tmp_path: Path, name: str) -> None:
    words, classes = SAID[name]
    contract, labels = adopted(exported, name, tmp_path, *words)
    assert len(contract.classes) == classes
    shares = np.bincount(labels["expected"].ravel(), minlength=classes) / labels["expected"].size
    assert (shares > 0.02).sum() >= 4, shares
    assert (labels["found"] == labels["expected"]).mean() >= 0.999


@pytest.mark.parametrize("name", SAID)
def test_another_reading_gives_other_labels(exported: Path, tmp_path: Path, name: str) -> None:
    _, labels = adopted(exported, name, tmp_path, *SAID[name][0], "--set", WRONG[name])
    assert (labels["found"] == labels["expected"]).mean() < 0.999
