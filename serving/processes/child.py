"""Process control: start a child in its own process group, see whether it lives, stop it by a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from crosswire.serving.processes.process_table import members_of

_EXEC_CHILD = Path(__file__).with_name("exec_child.py")
_STACK_BYTES = 1 << 30


@dataclass(frozen=True)
class Program:
    """What to run.

    Attributes:
        label: what to call it in messages.
        arguments: absolute path of the executable, then its arguments.
        log: file that gets both of its output streams.
        environment: the whole environment.
        ends_with_helpers: whether its work is done once the processes that it started are gone.
        pass_fds: file descriptors that it inherits.
    """

    label: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    ends_with_helpers: bool = False
    pass_fds: tuple[int, ...] = ()


class Child:
    """A running program and everything it starts, as one process group."""

    def __init__(self, program: Program) -> None:
        """Start the program; it dies with this process."""
        self.program = program
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(_EXEC_CHILD),
                    str(os.getpid()),
                    str(_STACK_BYTES),
                    *program.arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(program.environment),
                pass_fds=program.pass_fds,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also the process group's id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended: exit code, or minus the signal; None while it runs."""
        return self._process.poll()

    def members(self) -> tuple[psutil.Process, ...]:
        """Return the processes of the group that still run."""
        return members_of(self.pid)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program alone, so that it can end its own children in order."""
        if self.exit_status is None:
            self._process.terminate()

    def send_signal(self, number: int) -> None:
        """Send a signal to the program alone, if it still runs."""
        if self.exit_status is None:
            self._process.send_signal(number)

    def stop(self, deadline: float) -> None:
        """Wait for the end until `deadline` (monotonic seconds), then kill whatever is left of the group."""
        while not self._done() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group at once and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        while self.members():
            time.sleep(0.005)

    def _done(self) -> bool:
        """Say whether the program has ended or has nothing left to do."""
        ended = self.exit_status is not None
        return ended or (self.program.ends_with_helpers and [one.pid for one in self.members()] == [self.pid])

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines that the program wrote."""
        text = self.program.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])
