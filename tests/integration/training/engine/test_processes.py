"""Training in two processes, with gloo on the CPU."""

from __future__ import annotations

import json
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

#: What torchrun tells two processes.
OF_TWO = {
    "TORCHELASTIC_RUN_ID": "none",
    "MASTER_ADDR": "127.0.0.1",
    "GROUP_RANK": "0",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
}


def assert_close(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Fail unless two checkpoints hold the same weights but for the order of sums."""
    assert one["global_step"] == two["global_step"] == 6
    for key, weight in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][key], weight, rtol=1e-4, atol=1e-5)


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


def test_two_processes_with_half_a_batch_each_train_the_weights_of_one_with_the_whole(
    forks: ForkServer, tmp_path: Path
) -> None:
    """As torchrun starts them; torchrun itself does so in `make soak`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    both = [{**OF_TWO, "MASTER_PORT": port, "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
    imagenet = {"network.imagenet": str(saved(torchvision_state(width=4), tmp_path))}
    first, second = forks.run_together("crosswire.training", words(tmp_path / "2", **imagenet), both)
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
