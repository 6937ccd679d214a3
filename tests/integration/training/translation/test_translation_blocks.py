"""Training tasks that select or skip blocks: weights and decisions in turns, and the weights that a run keeps."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.engine.checkpoints import LAST, RunCheckpoints
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models.translation import task_blocks
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.module import MONITOR, TranslationTask
from crosswire.training.tasks.translation.network import build_network
from tests.integration.training.engine.test_resume import VAL_EVERY, die, finish, resume
from tests.integration.training.tasks.test_translation_training import TINY, TRANSLATIONS
from tests.support.fork_server import ForkServer

NAME = "rooms-multitask-adashare"


def trained(folder: Path, *settings: str) -> dict[str, torch.Tensor]:
    """Train a tiny run; return its parameters."""
    fit(override(preset(NAME), [*TINY, "optimiser.adversarial=1", *settings]), folder, progress=False)
    return dict(read_run(folder).network.named_parameters())


def test_both_rows_of_the_paper_are_presets() -> None:
    found = {name: config.network for name, config in TRANSLATIONS.items() if name.endswith("-adashare")}
    assert {name: (of.inputs, of.outputs) for name, of in found.items() if name.startswith("taskonomy")} == {
        "taskonomy-multitask-rgb-adashare": (("rgb",), ("semseg", "depth", "normal")),
        "taskonomy-multitask-texture-adashare": (("texture",), ("rgb", "depth", "edge")),
    }
    assert {(of.blocks, of.fusion, of.decoders) for of in found.values()} == {(1, "none", (0, 1, 2))}


def test_a_step_is_for_the_weights_or_for_the_decisions(tmp_path: Path) -> None:
    """After one step, which is for the weights, and after a second one, which is for the decisions."""
    phases = ("policy.warm_up=0", "policy.retrain=0", "policy.share=0.6")
    one = trained(tmp_path / "one", *phases, "steps=1", "val_every=1")
    two = trained(tmp_path / "two", *phases, "steps=2", "val_every=2")
    logits = [key for key in one if key.endswith("blocks.logits")]
    assert len(logits) == 2 and not any(one[key].any() for key in logits)
    assert any(two[key].any() for key in logits)  # only the last block is decided on in a first round
    assert all(torch.equal(weight, two[key]) for key, weight in one.items() if key not in logits)


@pytest.mark.parametrize(
    "phase", [("policy.warm_up=0.9", "policy.retrain=0"), ("policy.warm_up=0", "policy.retrain=0.9")]
)
def test_decisions_do_not_move_before_and_after_their_rounds(phase: tuple[str, ...], tmp_path: Path) -> None:
    config = override(preset(NAME), [*TINY])
    torch.manual_seed(config.seed)
    before = dict(build_network(config.network).named_parameters())
    after = trained(tmp_path, *phase, "steps=4", "val_every=4")
    for key, weight in after.items():
        if key.endswith("blocks.logits"):
            assert not weight.any()
        elif weight.ndim == 4:
            assert not torch.equal(weight, before[key]), key


def test_weights_of_before_decisions_settle_are_replaced_however_well_they_do(tmp_path: Path) -> None:
    """Lightning's trainer gives the figures; a task without blocks stands for one whose decisions have settled."""
    keeper = RunCheckpoints(tmp_path, MONITOR, None, lower_is_better=True)
    undecided, settled = (TranslationTask(override(preset(name), TINY)) for name in (NAME, "rooms-multitask"))
    assert undecided.provisional and not settled.provisional
    kept = []
    for task, error in ((undecided, 0.2), (undecided, 0.1), (settled, 0.5), (settled, 0.6), (settled, 0.4)):
        trainer: Any = SimpleNamespace(callback_metrics={MONITOR: error}, is_global_zero=True)
        trainer.save_checkpoint = lambda file: Path(file).write_bytes(b"all that it takes to go on")
        (tmp_path / "weights.pt").unlink(missing_ok=True)
        keeper.on_train_epoch_end(trainer, task)
        kept.append((tmp_path / "weights.pt").exists())
    assert kept == [True, True, True, False, True] and keeper.best == 0.4


def test_a_run_is_scored_with_settled_decisions_and_says_what_is_selected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["policy.warm_up=0.2", "policy.retrain=0.25", "policy.lr=1.0", "policy.sparsity=10", "steps=20"]
    words = [word for setting in (*TINY, *settings, "val_every=5") for word in ("--set", setting)]
    assert main(["train", NAME, "--to", str(tmp_path), "--quiet", *words]) == 0
    assert "blocks of normal ..  0 of 2" in capsys.readouterr().out
    run = read_run(tmp_path)
    parts = task_blocks(run.network)
    assert not any(bool(part.selected.any()) for part in parts)  # as they settled: fresh ones select everything
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["blocks"] == {name: [False, False] for name in ("depth", "normal", "shade")}


@pytest.mark.thorough  # `test_translation_training.py` has a cycle's
def test_a_run_that_is_killed_while_it_decides_ends_in_the_same_weights(forks: ForkServer, tmp_path: Path) -> None:
    """What is drawn, the temperature, whose turn it is and the Adam of the decisions all have to come back."""
    more = ("policy.warm_up=0.1", "policy.retrain=0.1", "steps=24", f"val_every={VAL_EVERY}")
    settings = [word for setting in (*TINY, *more) for word in ("--set", setting)]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(NAME, "--to", straight, *settings)
    die(forks, NAME, "--to", killed, *settings)
    resume(forks, killed)
    one, other = (torch.load(folder / LAST, weights_only=True)["state_dict"] for folder in (straight, killed))
    assert any(value.any() for key, value in one.items() if key.endswith("blocks.logits"))
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())


def test_blocks_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        word for setting in ("outputs=rgb,depth,edge", "decoders=0,1,2", "fusion=none") for word in ("--set", setting)
    ]
    found = []
    for count in (0, 1):
        assert main(["count", "unet256", "--streams", "1", *words, "--set", f"blocks={count}"]) == 0
        found.append(int(capsys.readouterr().out.split()[-1].replace(",", "")))
    # The encoder holds two sets of norms less; four blocks of 512 channels, one of 256 and one of 128, with decisions.
    assert found[1] - found[0] == 18 * 1_130_496 + 6 * 2_432 + 6 * 3 * 2 - 2 * 4_864


def test_tasks_in_turn_cannot_choose() -> None:
    with pytest.raises(ConfigError, match=r"set optimiser\.random_task=false"):
        override(preset(NAME), ["optimiser.random_task=true"])
