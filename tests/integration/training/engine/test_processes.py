"""Training in two processes, with gloo on the CPU."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.sampling import StepSampler
from tests.support.fork_server import ForkServer
from tests.support.training.weight_files import saved, torchvision_state

SETTINGS = {
    "network.name": "refinenet14",
    "network.width": "4",
    "network.features": "8",
    "network.dropout": "0",
    "network.frozen_statistics": "true",  # batch statistics would be those of each half
    "data.height": "48",
    "data.width": "64",
    "data.train_scenes": "12",
    "data.val_scenes": "3",
    "data.test_scenes": "2",
    "data.batch": "4",
    "data.scale_min": "0.5",  # surrounded with unknown pixels, of which the halves do not have equally many
    "loss.balance": "median",
    "loss.focal": "2",
    "loss.dice": "0.5",
    "modality_dropout": "0.4",
    "steps": "6",
    "val_every": "3",
}

#: What torchrun tells two processes of one node.
OF_TWO = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


def assert_close(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Fail unless two checkpoints hold the same momentum but for the order of sums.

    Momentum is what gradients left, as large as they are; weights hardly move in six steps. Where a gradient is not
    that of the whole batch, the two are as far from each other as from nothing.
    """
    assert one["global_step"] == two["global_step"] == 6
    momentum, other = (
        torch.cat([state["momentum_buffer"].flatten() for state in checkpoint["optimizer_states"][0]["state"].values()])
        for checkpoint in (one, two)
    )
    assert (momentum - other).norm() < 1e-2 * momentum.norm()


def words(folder: Path, **settings: str) -> list[str]:
    """Return the arguments that train the tiny run."""
    pairs = [f"{key}={value}" for key, value in (SETTINGS | settings).items()]
    return [
        "train",
        "rooms-quick",
        "--to",
        str(folder),
        "--quiet",
        *(word for pair in pairs for word in ("--set", pair)),
    ]


def free_port() -> str:
    """Return a port of the loopback address that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return str(free.getsockname()[1])


def on_one_node() -> list[dict[str, str]]:
    """Return the variables of two processes on one node."""
    port = free_port()
    return [{**OF_TWO, "MASTER_PORT": port, "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]


def on_two_nodes() -> list[dict[str, str]]:
    """Return the variables of one task of `srun` on each of two nodes, both of which are this machine."""
    step = {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "SLURM_STEP_NODELIST": "localhost,also-localhost",
        "SLURM_LOCALID": "0",
        "MASTER_PORT": free_port(),
    }
    return [{**step, "SLURM_PROCID": rank, "SLURM_NODEID": rank} for rank in ("0", "1")]


def test_two_processes_with_half_a_batch_each_train_the_weights_of_one_with_the_whole(
    forks: ForkServer, tmp_path: Path
) -> None:
    """As torchrun starts them; torchrun itself does so in `make soak`."""
    imagenet = {"network.imagenet": str(saved(torchvision_state(width=4), tmp_path))}
    both = [(words(tmp_path / "2", **imagenet), variables) for variables in on_one_node()]
    first, second = forks.run_together("crosswire.training", both)
    whole = forks.run("crosswire.training", words(tmp_path / "1", **imagenet))
    for ended, written in ((first, 1), (second, 0), (whole, 1)):
        assert (ended.returncode, ended.stdout.count("written:")) == (0, written), ended.stderr
    one, two = (torch.load(tmp_path / name / LAST, weights_only=True) for name in ("1", "2"))
    assert_close(one, two)
    kept, also_kept = (checkpoint["callbacks"]["RunCheckpoints"] for checkpoint in (one, two))
    assert kept["best"] == pytest.approx(also_kept["best"], abs=5e-3)
    assert {path.name for path in (tmp_path / "1").iterdir()} == {path.name for path in (tmp_path / "2").iterdir()}
    scores = [json.loads((tmp_path / name / "metrics.json").read_text())["scores"]["ensemble"] for name in ("1", "2")]
    assert scores[0]["pixel_accuracy"] == pytest.approx(scores[1]["pixel_accuracy"], abs=5e-3)


def test_a_run_of_two_nodes_that_is_killed_goes_on_exactly_and_with_as_many_processes_alone(
    forks: ForkServer, tmp_path: Path
) -> None:
    """With what each half has for itself: statistics of norms, and dropout."""

    def command(name: str) -> list[str]:
        settings = {"network.frozen_statistics": "false", "network.dropout": "0.3", "steps": "4", "val_every": "2"}
        return [*words(tmp_path / name, **settings), "--continue"]

    def train(name: str, module: str = "crosswire.training", *before: str) -> list[int]:
        """Train, or go on with, a run of two processes; return how they ended."""
        calls = [([*before, *command(name)], variables) for variables in on_two_nodes()]
        return [process.returncode for process in forks.run_together(module, calls)]

    assert train("at once") == [0, 0]
    assert train("killed", "tests.support.training.dying_training", "3") == [-signal.SIGKILL] * 2
    shutil.copytree(tmp_path / "killed", tmp_path / "other")
    refused = forks.run("crosswire.training", command("killed"))
    assert refused.returncode == 2 and "is a run of 2 process(es), got 1" in refused.stderr
    assert train("killed") == [0, 0]
    whole, resumed = (torch.load(tmp_path / name / LAST, weights_only=True) for name in ("at once", "killed"))
    assert whole["global_step"] == resumed["global_step"] == 4 and whole["callbacks"] == resumed["callbacks"]
    assert all(torch.equal(weight, resumed["state_dict"][key]) for key, weight in whole["state_dict"].items())
    alone = forks.run("crosswire.training", [*command("other"), "--other-processes"])
    assert alone.returncode == 0, alone.stderr
    other = torch.load(tmp_path / "other" / LAST, weights_only=True)
    assert (other["global_step"], other["callbacks"]["RunCheckpoints"]["processes"]) == (4, 1)
    shutil.rmtree(tmp_path / "other")
    calls = [(command(name), more) for name, more in zip(("killed", "other"), on_two_nodes(), strict=True)]
    for process in forks.run_together("crosswire.training", calls):
        assert process.returncode == 2, "run folders that the nodes do not share"
        assert "after the steps 4, 0; expected the same for all" in process.stderr


def test_a_batch_that_processes_cannot_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (OF_TWO | {"MASTER_PORT": "29500", "RANK": "0", "LOCAL_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    assert main(words(tmp_path / "odd", **{"data.batch": "3", "network.frozen_statistics": "false"})) != 0
    assert "data.batch is 3, which 2 processes cannot share evenly" in capsys.readouterr().err
    assert not (tmp_path / "odd").exists()


def test_the_shares_of_all_processes_are_the_batch_of_one() -> None:
    whole = list(StepSampler(10, 6, 1, 4, lambda: 4))
    shares = [list(StepSampler(10, 6, 1, 4, lambda: 4, rank=rank, ranks=3)) for rank in range(3)]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == whole
    assert len(whole) == 4
    with pytest.raises(ConfigError, match="cannot share"):
        StepSampler(10, 6, 1, 4, lambda: 0, ranks=4)
