"""Modules of somebody's code and TorchScript files, adopted by the command."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from crosswire.__main__ import main
from crosswire.export.from_torch.outputs import named

SIZE, CLASSES = (32, 48), 5
CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.colour, self.far = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 5, 1)

    def forward(self, rgb, depth):
        return {"out": self.last((self.colour(rgb) + self.far(depth)).relu()), "none": None}


def three():
    return 3
"""
DESCRIPTION = """
task = "segmentation"
[[inputs]]
role = "rgb"
scale = 0.01
[[inputs]]
role = "depth"
unit = "m"
[[outputs]]
kind = "logits"
"""


class Plain(nn.Module):
    """The same without a dict, for a script."""

    def __init__(self) -> None:
        super().__init__()
        self.colour, self.far = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 3, padding=1)
        self.last = nn.Conv2d(8, CLASSES, 1)

    def forward(self, rgb: Tensor, depth: Tensor) -> Tensor:
        """Return logits [N, K, H, W]."""
        return self.last((self.colour(rgb) + self.far(depth)).relu())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code, weights as several GPUs save them, a script and a description; it is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_net.py").write_text(CODE, encoding="utf-8")
    Path("said.toml").write_text(DESCRIPTION, encoding="utf-8")
    torch.manual_seed(0)
    network = Plain().eval()
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, "weights.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripts are on their way out
        torch.jit.script(network).save("script.pt")
    return tmp_path


def expected(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return the labels of the network itself."""
    network = Plain().eval()
    state = torch.load("weights.pt", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    with torch.no_grad():
        logits = network(torch.from_numpy(rgb).permute(0, 3, 1, 2) * 0.01, torch.from_numpy(depth)[:, None])
    return np.asarray(logits.argmax(1))


@pytest.mark.parametrize(
    "words", [["--module", "own_net:Net", "--weights", "weights.pt"], ["--torchscript", "script.pt"]]
)
def test_a_module_and_a_script_are_adopted_with_the_answers_of_the_module(here: Path, words: list[str]) -> None:
    size = f"{SIZE[0]}x{SIZE[1]}"
    assert (
        main(["adopt", *words, "--describe", "said.toml", "--size", size, "--name", "own", "--to", "repository"]) == 0
    )
    contract = json.loads((here / "repository/own/contract.json").read_text(encoding="utf-8"))
    assert contract["max_batch_size"] == 8
    generator = np.random.default_rng(0)
    rgb = generator.integers(0, 256, (3, *SIZE, 3), np.uint8)
    depth = generator.uniform(0.5, 6, (3, *SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(here / "repository/own/1/model.onnx")
    labels = session.run(["labels"], {"rgb": rgb, "depth": depth})[0]
    assert (labels == expected(rgb, depth)).mean() > 0.999
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--module", "own_net:three"], "returns a int; it has to return a torch.nn.Module"),
        (["--module", "own_net:absent"], "has no attribute 'absent'"),
        (["--module", "own_net"], "write package.module:function"),
        (["--module", "own_net:Net", "--weights", "script.pt"], "are refused"),
        (["--module", "own_net:Net", "--weights", "none.pt"], "there is no such file"),
        (["--torchscript", "weights.pt"], "is no TorchScript file"),
        (["--module", "own_net:Net", "--torchscript", "script.pt"], "got 2 networks; name one"),
        (["--torchscript", "script.pt", "--weights", "weights.pt"], "--weights without --module"),
    ],
)
def test_what_is_no_module_or_no_script_is_refused_by_name(
    here: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--describe", "said.toml", "--size", "32x48", "--name", "own", "--to", "repository"]
    assert main(["adopt", *words, *rest]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "repository/own").exists()


def test_outputs_are_named_by_what_holds_them() -> None:
    one = torch.zeros(1)
    assert [name for name, _ in named({"out": one, "aux": None, "more": [one, one]})] == ["out", "output_1", "output_2"]
    assert [name for name, _ in named((one, 3, one))] == ["output", "output_1"]
