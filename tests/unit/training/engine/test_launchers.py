"""What launchers tell a process of a training, and what becomes of it."""

from __future__ import annotations

import pytest

from crosswire.training.config import ConfigError
from crosswire.training.engine.machine.processes import Processes, launched

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "head",
    "MASTER_PORT": "29400",
}
SRUN = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}
MPIRUN = {
    "MASTER_ADDR": "head",
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
}
KUBEFLOW = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "worker-0", "MASTER_PORT": "23456"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (TORCHRUN, Processes(5, 8, 1, 4, "head", 29400)),
        (SRUN, Processes(5, 8, 1, 4, "gpu07", 15000 + 4567)),
        (SRUN | {"MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "7"}, Processes(5, 8, 1, 4, "10.0.0.7", 7)),
        (SRUN | {"SLURM_STEP_NODELIST": "login-a1,gpu[1,3]"}, Processes(5, 8, 1, 4, "login-a1", 15000 + 4567)),
        (SRUN | TORCHRUN, Processes(5, 8, 1, 4, "head", 29400)),
        (MPIRUN, Processes(5, 8, 1, 4, "head", 29500)),
        (KUBEFLOW, Processes(1, 2, 0, 1, "worker-0", 23456)),
        ({}, Processes()),
        # The shell of a batch job, in which no step runs yet: a command there is one process.
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, Processes()),
    ],
)
def test_every_launcher_is_understood(variables: dict[str, str], expected: Processes) -> None:
    assert launched(variables) == expected
    assert expected.nodes == expected.ranks // expected.local


def test_a_process_that_sees_one_gpu_of_several_counts_as_a_node() -> None:
    """As under `srun --gpus-per-task=1`, where every task calls its GPU the first."""
    assert launched(SRUN, gpus=1) == Processes(5, 8, 0, 1, "gpu07", 15000 + 4567)
    assert launched(SRUN, gpus=4) == launched(SRUN, gpus=0)


def test_pytorch_reads_what_any_launcher_told() -> None:
    left: dict[str, str] = dict(SRUN)
    environment = launched(left).environment(left)
    assert environment.creates_processes_externally
    told = {"MASTER_ADDR": "gpu07", "MASTER_PORT": "19567"}
    assert left == SRUN | TORCHRUN | told
    assert launched(left) == launched(SRUN)
    alone: dict[str, str] = {}
    assert launched(alone).environment(alone).world_size() == 1
    assert not alone


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (TORCHRUN | {"RANK": "8"}, "rank 8 of 8"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "3"}, "expected as many processes on every node"),
        (TORCHRUN | {"WORLD_SIZE": "many"}, "WORLD_SIZE is 'many'; expected a number"),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "4,2(x2)"}, "use srun --ntasks-per-node"),
        ({key: value for key, value in MPIRUN.items() if key != "MASTER_ADDR"}, "mpirun -x MASTER_ADDR=HOST"),
    ],
)
def test_launchers_that_contradict_themselves_are_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        launched(variables)
