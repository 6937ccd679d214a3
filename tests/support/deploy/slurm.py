"""A Slurm of two nodes on this machine, for one test: Debian's packages `slurmctld`, `slurmd` and `slurm-client`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol")
_DAEMON_PATH = f"{os.environ['PATH']}:/usr/sbin"

_CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Return why there can be no Slurm here, or nothing."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_DAEMON_PATH)]
    install = "apt-get install -y --no-install-recommends slurmctld slurmd slurm-client"
    return f"{', '.join(absent)} not installed; {install}" if absent else ""


class Slurm:
    """A running Slurm."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of its configuration."""
        self._folder = folder

    def run(self, *command: str, **variables: str) -> str:
        """Run a command of Slurm to its end; return what it said."""
        more = {"SLURM_CONF": str(self._folder / "slurm.conf"), "PATH": _DAEMON_PATH, **variables}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **more})
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def state(self, job: str) -> str:
        """Return in which state a job is."""
        return next(
            word.partition("=")[2]
            for word in self.run("scontrol", "show", "job", job).split()
            if word.startswith("JobState=")
        )


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start a controller and two nodes, of one processor each; end them."""
    (folder / "state").mkdir(parents=True)
    with ExitStack() as ports:
        taken = [ports.enter_context(closing(socket.create_server(("127.0.0.1", 0)))) for _ in range(3)]
        controller, first, second = (one.getsockname()[1] for one in taken)
    (folder / "slurm.conf").write_text(
        _CONFIGURATION.format(
            folder=folder, host=socket.gethostname(), controller=controller, first=first, second=second
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": _DAEMON_PATH}
    daemons = (["slurmctld", "-D"], ["slurmd", "-D", "-N", "node1"], ["slurmd", "-D", "-N", "node2"])
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for command in daemons]
    try:
        started = Slurm(folder)
        until(lambda: started.run("sinfo", "-h", "-o", "%D %t").split() == ["2", "idle"], 60)
        yield started
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came within {seconds:g} s")
        time.sleep(0.5)
