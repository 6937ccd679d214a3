"""Training in two processes as it is launched for real: torchrun, Slurm, Open MPI and Ray Train, on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crosswire.training.engine.checkpoints import LAST
from tests.integration.training.engine.test_processes import free_port, words
from tests.support.deploy.slurm import missing, slurm, until
from tests.support.paths import ROOT

TORCHRUN = ("-m", "torch.distributed.run")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
#: Statistics of norms and dropout, of which each process has its own.
OWN = {"network.frozen_statistics": "false", "network.dropout": "0.3"}


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, each process of it in one thread."""
    environment = {**os.environ, **ONE_THREAD, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=ROOT)


def torchrun(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run `training` in two processes of one node."""
    standalone = ("--standalone", "--nproc_per_node", "2")
    return run([sys.executable, *TORCHRUN, *standalone, "-m", "crosswire.training", *arguments])


def assert_same(one: Path, other: Path) -> None:
    """Fail unless two runs ended in the same weights, bit for bit."""
    first, second = (torch.load(folder / LAST, weights_only=True) for folder in (one, other))
    assert first["global_step"] == second["global_step"] and first["callbacks"] == second["callbacks"]
    assert all(torch.equal(weight, second["state_dict"][key]) for key, weight in first["state_dict"].items())


@pytest.fixture(scope="module")
def by_torchrun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that torchrun started."""
    folder = tmp_path_factory.mktemp("torchrun") / "run"
    ended = torchrun(words(folder, **OWN))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("written:") == 1
    return folder


@pytest.mark.parametrize("batch", ["3", "1"])
def test_torchrun_refuses_a_batch_that_processes_cannot_share(batch: str, tmp_path: Path) -> None:
    ended = torchrun(words(tmp_path / "odd", **{"data.batch": batch}, **OWN))
    assert ended.returncode != 0
    assert f"data.batch is {batch}, which 2 processes cannot share evenly" in ended.stderr
    assert not (tmp_path / "odd").exists()


def test_torchrun_on_two_nodes_trains_the_same(by_torchrun: Path, tmp_path: Path) -> None:
    place = ("--nnodes", "2", "--nproc_per_node", "1", "--master_addr", "127.0.0.1", "--master_port", free_port())
    nodes = [
        subprocess.Popen(
            [
                sys.executable,
                *TORCHRUN,
                *place,
                "--node_rank",
                rank,
                "-m",
                "crosswire.training",
                *words(tmp_path / "2", **OWN),
            ],
            env={**os.environ, **ONE_THREAD},
        )
        for rank in ("0", "1")
    ]
    assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    assert_same(by_torchrun, tmp_path / "2")


@pytest.mark.skipif(not shutil.which("mpirun"), reason="mpirun is not installed; apt-get install openmpi-bin")
def test_open_mpi_trains_the_same(by_torchrun: Path, tmp_path: Path) -> None:
    place = ["-n", "2", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]
    command = [sys.executable, "-m", "crosswire.training", *words(tmp_path / "2", **OWN)]
    unknown = run(["mpirun", *place, *command])
    assert unknown.returncode != 0 and "got no MASTER_ADDR; try mpirun -x MASTER_ADDR=HOST" in unknown.stderr
    ended = run(["mpirun", *place, "-x", "MASTER_ADDR=127.0.0.1", "-x", f"MASTER_PORT={free_port()}", *command])
    assert ended.returncode == 0, ended.stderr
    assert_same(by_torchrun, tmp_path / "2")


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.timeout(600)
def test_a_job_of_slurm_that_is_queued_again_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    """By the script that ships, on two nodes. Their names are known to Slurm alone here, hence MASTER_ADDR."""
    settings = {**OWN, "steps": "90"}
    script = str(ROOT / "deploy" / "slurm" / "train.sbatch")
    variables = {
        **ONE_THREAD,
        "CROSSWIRE": str(Path(sys.executable).with_name("crosswire")),
        "MASTER_ADDR": "127.0.0.1",
    }
    with slurm(tmp_path / "slurm") as cluster:

        def submit(name: str) -> str:
            """Submit the training of a run; return the number of the job."""
            _, preset, _, folder, *more = words(tmp_path / name, **settings)
            said = ("--parsable", "--output", str(tmp_path / f"{name}.out"))
            return cluster.run("sbatch", *said, script, preset, folder, *more, **variables).strip()

        def ended(name: str, job: str) -> bool:
            """Return whether a job has ended, which has to be well."""
            state = cluster.state(job)
            assert state not in ("FAILED", "CANCELLED", "NODE_FAIL"), (tmp_path / f"{name}.out").read_text()
            return state == "COMPLETED"

        alone = submit("alone")
        until(lambda: ended("alone", alone), 200)
        again = submit("again")
        until(lambda: (tmp_path / "again" / LAST).exists(), 100)
        cluster.run("scontrol", "requeue", again)
        until(lambda: cluster.state(again) == "PENDING", 60)
        cluster.run("scontrol", "update", f"JobId={again}", "StartTime=now")
        until(lambda: ended("again", again), 300)
    assert "goes on at step" in (tmp_path / "again" / "train.log").read_text()
    assert_same(tmp_path / "alone", tmp_path / "again")


@pytest.mark.timeout(600)
def test_ray_train_trains_the_same_by_the_driver_that_ships(by_torchrun: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.train", reason="needs the extra soak: pip install -e .[soak]")
    driver = [
        sys.executable,
        str(ROOT / "deploy" / "kuberay" / "train.py"),
        "--workers",
        "2",
        "--storage",
        str(tmp_path),
    ]
    _, preset, _, folder, *more = words(tmp_path / "2", **OWN)
    ended = run([*driver, preset, folder, *more], RAY_USAGE_STATS_ENABLED="0")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert_same(by_torchrun, tmp_path / "2")
