"""A training that diverges ends with an error, and what was good before it stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.divergence import DivergedError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import WEIGHTS, Run, RunError, read_run
from crosswire.training.overrides import override
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.module import SegmentationTask


def spoil(monkeypatch: pytest.MonkeyPatch, step: int, value: float, *, after: bool) -> None:
    """Let the loss of a step be a value, or the weights after it hold one."""
    whole = SegmentationTask.batch_loss

    def loss(self: SegmentationTask, batch: object) -> Tensor:
        found = whole(self, batch)  # type: ignore[arg-type]
        return found * value if self.step == step - 1 and not after else found

    def over(self: SegmentationTask, *_: object) -> None:
        if self.step == step and after:
            self.network.encoder.bn1.norms[0].running_mean[0] = value

    monkeypatch.setattr(SegmentationTask, "batch_loss", loss)
    monkeypatch.setattr(SegmentationTask, "on_train_batch_end", over)


@pytest.mark.parametrize(
    ("step", "value", "after", "said"),
    [
        (
            5,
            float("nan"),
            False,
            r"the loss of step 5 is nan; .*what was validated at step 3 is kept; try smaller rates",
        ),
        (2, float("inf"), False, r"the loss of step 2 is inf; .*nothing was validated before"),
        (6, float("nan"), True, r"step 6 left 1 tensors not finite \(.*running_mean.*what was validated at step 3"),
    ],
)
def test_what_is_not_finite_ends_the_training_and_the_last_good_weights_stay(
    step: int,
    value: float,
    after: bool,
    said: str,
    tiny: SegmentationConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch, step, value, after=after)
    with pytest.raises(DivergedError, match=said):
        fit(override(tiny, ["optimiser.clip=0"]), tmp_path, progress=False)
    if step > 3:
        assert all(tensor.isfinite().all() for tensor in torch.load(tmp_path / WEIGHTS, weights_only=True).values())
        assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 3
    else:
        assert not (tmp_path / WEIGHTS).exists()


def test_rates_that_are_far_too_high_end_in_one_line(
    tiny: SegmentationConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [
        "network.name=refinenet14", "network.width=8", "network.features=8", "optimiser.encoder_lr=1e30",
        "optimiser.decoder_lr=1e30", "optimiser.clip=0", "data.height=64", "data.width=80", "data.train_scenes=8",
        "data.val_scenes=2", "data.batch=4", "steps=6", "val_every=3",
    ]  # fmt: skip
    words = ["train", "rooms-quick", "--to", str(tmp_path / "run"), "--quiet"]
    assert main([*words, *(word for setting in settings for word in ("--set", setting))]) == 2
    said = capsys.readouterr()
    assert "the training has diverged" in said.err and "optimiser.clip=5" in said.err
    assert "next:" not in said.out


def test_weights_that_are_not_finite_are_neither_scored_nor_exported(tiny_run: Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    state = torch.load(tmp_path / "run" / WEIGHTS, weights_only=True)
    state["encoder.conv1.weight"][0] = float("nan")
    torch.save(state, tmp_path / "run" / WEIGHTS)
    with pytest.raises(RunError, match=r"tensors that are not finite, for example encoder\.conv1\.weight"):
        read_run(tmp_path / "run")


def test_frozen_statistics_of_random_weights_are_refused(tiny: SegmentationConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"network\.imagenet=FILE or .* set network\.frozen_statistics=false"):
        fit(override(tiny, ["network.frozen_statistics=true"]), tmp_path, progress=False)
