"""The processes that train one run together, as whatever launched them says."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from crosswire.training.config import ConfigError

#: Variables with rank, number of ranks, rank on the node and ranks on the node, of launchers with words of their own.
SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE")
MPIRUN = (
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
)


@dataclass(frozen=True)
class Processes:
    """One process among those that train together.

    Attributes:
        rank: of this one, from 0; the first writes the run folder.
        ranks: how many they are.
        local_rank: of this one among those of its node.
        local: how many they are on every node.
        address: of the first one's node; empty for a process alone.
        port: on which the first one waits for the others.
    """

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local: int = 1
    address: str = ""
    port: int = 0

    @property
    def nodes(self) -> int:
        """Machines that take part."""
        return self.ranks // self.local

    def environment(self, variables: MutableMapping[str, str]) -> ClusterEnvironment:
        """Return how Lightning finds the others, and leave in the variables of this process what PyTorch reads."""
        if self.ranks == 1:
            return LightningEnvironment()
        told = {
            "RANK": self.rank,
            "WORLD_SIZE": self.ranks,
            "LOCAL_RANK": self.local_rank,
            "LOCAL_WORLD_SIZE": self.local,
            "MASTER_ADDR": self.address,
            "MASTER_PORT": self.port,
        }
        variables.update({name: str(value) for name, value in told.items()})
        return TorchElasticEnvironment()


def launched(variables: Mapping[str, str], gpus: int = 0) -> Processes:
    """Return which process this is, by what `torchrun`, Ray Train, Kubeflow, `srun` or Open MPI's `mpirun` tell it.

    The variables of PyTorch (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`, and for several processes on a node
    `LOCAL_RANK` and `LOCAL_WORLD_SIZE`) come before those of a scheduler, in whose job `torchrun` may have started.

    Args:
        variables: of the environment.
        gpus: that this process sees. Where a launcher shows every process a single one, each counts as a node.

    Raises:
        ConfigError: they contradict each other, or do not say where the first process is.
    """
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= variables.keys():
        found = _of_pytorch(variables)
    elif _number(SRUN[1], variables.get(SRUN[1], "1")) > 1:
        found = _of_srun(variables)
    elif _number(MPIRUN[1], variables.get(MPIRUN[1], "1")) > 1:
        found = _of_mpirun(variables)
    else:
        return Processes()
    if not (0 <= found.rank < found.ranks and 0 <= found.local_rank < found.local and found.ranks % found.local == 0):
        raise ConfigError(
            f"the launcher says rank {found.rank} of {found.ranks}, {found.local_rank} of {found.local} on its node; "
            "expected as many processes on every node; start the same number on each"
        )
    if gpus == 1 < found.local:
        return Processes(found.rank, found.ranks, 0, 1, found.address, found.port)
    return found


def _of_pytorch(variables: Mapping[str, str]) -> Processes:
    """Read what `torchrun` tells, and all that tell the same."""
    numbers = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
    defaults = {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    rank, ranks, local_rank, local, port = (
        _number(name, variables.get(name, defaults.get(name, ""))) for name in numbers
    )
    return Processes(rank, ranks, local_rank, local, variables["MASTER_ADDR"], port)


def _of_srun(variables: Mapping[str, str]) -> Processes:
    """Read what `srun` tells the tasks of a step: the first node of the step's list is that of the first task."""
    rank, ranks, local_rank = (_number(name, variables.get(name, "")) for name in SRUN[:3])
    per_node = variables.get(SRUN[3], "")
    # "2(x3)" are two tasks on each of three nodes; "2,1" are two and one.
    if not (even := re.fullmatch(r"(\d+)(\(x\d+\))?", per_node)):
        raise ConfigError(
            f"srun started {per_node or 'an unknown number of'} tasks per node; expected as many on every node; "
            "use srun --ntasks-per-node"
        )
    nodes = variables.get("SLURM_STEP_NODELIST") or variables.get("SLURM_NODELIST", "")
    address = variables.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)
    # The same on every node of a job, and another one for jobs that share a node.
    port = 15_000 + _number("SLURM_JOB_ID", variables.get("SLURM_JOB_ID", "0")) % 10_000
    port = _number("MASTER_PORT", variables.get("MASTER_PORT", str(port)))
    return Processes(rank, ranks, local_rank, int(even[1]), address, port)


def _of_mpirun(variables: Mapping[str, str]) -> Processes:
    """Read what Open MPI tells, which does not name the first node."""
    if "MASTER_ADDR" not in variables:
        raise ConfigError(
            f"mpirun started {variables[MPIRUN[1]]} processes, which must know where the first one is; got no "
            "MASTER_ADDR; try mpirun -x MASTER_ADDR=HOST, the node of the first process"
        )
    rank, ranks, local_rank, local = (_number(name, variables.get(name, "")) for name in MPIRUN)
    port = _number("MASTER_PORT", variables.get("MASTER_PORT", "29500"))
    return Processes(rank, ranks, local_rank, local, variables["MASTER_ADDR"], port)


def _number(name: str, text: str) -> int:
    """Return a number that a launcher tells.

    Raises:
        ConfigError: it is none.
    """
    if not re.fullmatch(r"\d+", text):
        raise ConfigError(f"{name} is {text!r}; expected a number, as launchers set it; unset it or use torchrun")
    return int(text)
