"""A run that is killed and resumed ends in the same weights, bit for bit, as one that was left alone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import RunError, read_run, write_config
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from tests.support.fork_server import ForkServer

VAL_EVERY = 6
# Order, flips, dropout, momentum, the moving learning rate and the lone streams all have to come back.
SETTINGS = (
    "network.name=refinenet14",
    "network.width=8",
    "network.features=8",
    "network.dropout=0.5",
    "data.height=64",
    "data.width=80",
    "data.train_scenes=10",
    "data.val_scenes=2",
    "data.test_scenes=2",
    "data.batch=4",
    "modality_dropout=0.3",
    "steps=24",
    f"val_every={VAL_EVERY}",
)


def finish(*arguments: str | Path) -> None:
    """Run a training that must end well, on one thread, so that sums have one order."""
    command = [sys.executable, "-W", "error", "-m", "crosswire.training", "train", "--quiet", *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads}, timeout=200)
    assert process.returncode == 0, process.stderr


def resume(forks: ForkServer, folder: Path) -> None:
    """The same for one that was killed."""
    process = forks.run("crosswire.training", ["train", "--quiet", "--resume", str(folder)])
    assert process.returncode == 0, process.stderr


def die(forks: ForkServer, *arguments: str | Path) -> None:
    """Run a training that is killed two steps behind its first checkpoint."""
    words = [str(VAL_EVERY + 2), "train", "--quiet", *map(str, arguments)]
    process = forks.run("tests.support.training.dying_training", words)
    assert process.returncode == -signal.SIGKILL, process.stderr


def settings(*more: str) -> list[str]:
    """Return `--set` for every setting of the run."""
    return [word for setting in (*SETTINGS, *more) for word in ("--set", setting)]


def assert_same_end(one: Path, other: Path) -> None:
    """Compare the last and the best weights, and the momentum, bit for bit."""
    first, second = (torch.load(folder / LAST, weights_only=True) for folder in (one, other))
    assert first["global_step"] == second["global_step"] == 24
    assert first["callbacks"] == second["callbacks"]
    for key, tensor in first["state_dict"].items():
        assert torch.equal(tensor, second["state_dict"][key]), key
    momenta = (checkpoint["optimizer_states"][0]["state"] for checkpoint in (first, second))
    for one_state, other_state in zip(*(momentum.values() for momentum in momenta), strict=True):
        assert torch.equal(one_state["momentum_buffer"], other_state["momentum_buffer"])
    best, resumed = read_run(one).network.state_dict(), read_run(other).network.state_dict()
    assert all(torch.equal(tensor, resumed[key]) for key, tensor in best.items())


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    finish("rooms-quick", "--to", folder, *settings())
    return folder


def test_a_run_killed_moved_killed_again_and_resumed_ends_in_the_same_weights(
    straight: Path, forks: ForkServer, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "killed", tmp_path / "elsewhere" / "killed"
    die(forks, "rooms-quick", "--to", folder, *settings())
    moved.parent.mkdir()
    folder.rename(moved)
    die(forks, "--resume", moved)
    assert torch.load(moved / LAST, weights_only=True)["global_step"] == 2 * VAL_EVERY
    resume(forks, moved)
    assert_same_end(straight, moved)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tiny: SegmentationConfig, tmp_path: Path) -> None:
    short = dataclasses.replace(tiny, steps=2, val_every=2)
    fit(short, tmp_path / "straight", progress=False)
    write_config(tmp_path / "killed", short)
    fit(short, tmp_path / "killed", resume=True, progress=False)
    one, other = (read_run(tmp_path / name).network.state_dict() for name in ("straight", "killed"))
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())


def test_resuming_a_finished_run_changes_nothing(tiny: SegmentationConfig, tmp_path: Path) -> None:
    short = dataclasses.replace(tiny, steps=2, val_every=1)
    fit(short, tmp_path, progress=False)
    before = {name: (tmp_path / name).read_bytes() for name in ("weights.pt", LAST)}
    fit(short, tmp_path, resume=True, progress=False)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_run_is_not_overwritten_by_a_new_one(tiny: SegmentationConfig, tmp_path: Path) -> None:
    short = dataclasses.replace(tiny, steps=1, val_every=1)
    fit(short, tmp_path, progress=False)
    with pytest.raises(RunError, match="already holds a run; go on with --resume"):
        fit(short, tmp_path, progress=False)


def test_a_run_of_another_configuration_is_not_continued_but_another_runtime_may_go_on(
    tiny: SegmentationConfig, tmp_path: Path
) -> None:
    short = dataclasses.replace(tiny, steps=1, val_every=1)
    fit(short, tmp_path, progress=False)
    with pytest.raises(RunError, match="another configuration"):
        fit(dataclasses.replace(short, steps=2), tmp_path, resume=True, progress=False)
    plain = dataclasses.replace(short.runtime, channels_last=False)
    fit(dataclasses.replace(short, runtime=plain), tmp_path, resume=True, progress=False)
    assert read_run(tmp_path).config.runtime == plain


def test_a_damaged_checkpoint_is_refused_with_what_to_do(tiny: SegmentationConfig, tmp_path: Path) -> None:
    short = dataclasses.replace(tiny, steps=1, val_every=1)
    fit(short, tmp_path, progress=False)
    (tmp_path / LAST).write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match="delete it to train the run anew"):
        fit(short, tmp_path, resume=True, progress=False)
