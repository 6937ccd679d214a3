"""A server of one's own: `crosswire serve` as a child process, for whoever needs one for as long as a block runs.

It lies here because clients may start a server, too, where there is one, and import nothing of `serving`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, TypeVar

from crosswire import ROOT
from crosswire.contract.errors import CrosswireError

_STOP_SECONDS = 20.0
_TAIL_LINES = 20
_Server = TypeVar("_Server", bound="ServerProcess")


class ServerProcess:
    """Starts a server on loopback when entered and stops it when left; it also stops when this process ends.

    Example:
        >>> with ServerProcess(Path("model_repository")) as server:
        ...     print(server.grpc_url)

    Attributes:
        start_error: the error that a start raises which fails.
        facts: what the server announced: `http_url`, `grpc_url`, `pid`, `triton_pid`, `front_door_pid`, `networks`,
            `pipelines` and `seconds` (how long the start took).
    """

    start_error: ClassVar[type[CrosswireError]] = CrosswireError
    facts: dict[str, Any]

    def __init__(
        self,
        repository: Path,
        *,
        networks: Sequence[str] = (),
        http_port: int = 0,
        grpc_port: int = 0,
        options: Sequence[str] = (),
    ) -> None:
        """Choose what to serve and where; port 0 picks a free one. `options` are more options of `crosswire serve`."""
        self._arguments = [
            *("serve", "--json", "--repository", str(repository), "--parent", str(os.getpid())),
            *("--http-port", str(http_port), "--grpc-port", str(grpc_port)),
            *(word for network in networks for word in ("--network", network)),
            *options,
        ]
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._said = ""

    @property
    def said(self) -> str:
        """What the server wrote to standard error so far: restarts, and why it ended."""
        if self._log is not None:
            descriptor = self._log.fileno()
            self._said = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")
        return self._said

    @property
    def http_url(self) -> str:
        """Where HTTP clients connect, `http://127.0.0.1:PORT`."""
        return str(self.facts["http_url"])

    @property
    def grpc_url(self) -> str:
        """Where gRPC clients connect, `grpc://127.0.0.1:PORT`."""
        return str(self.facts["grpc_url"])

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return int(self.facts["pid"])

    def start(self: _Server) -> _Server:
        """Start the server and wait until it answers.

        Raises:
            CrosswireError: it did not start; holds what it said. Its type is `start_error`.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crosswire", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise self.start_error(self.said.strip().removeprefix("error: ") or "the server ended while starting")
        self.facts = json.loads(line)
        return self

    def stop(self) -> int:
        """Stop the server and wait until it is gone; return its exit code. What it said stays in `said`."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self.wait(_STOP_SECONDS)

    def wait(self, seconds: float) -> int:
        """Wait until the server, which was asked to stop, is gone; kill it after `seconds`; return its exit code."""
        if self._process is None:
            return 0
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children die with it
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        if self._log is not None:
            self._said = self.said
            self._log.close()
            self._log = None
        return code

    def __enter__(self: _Server) -> _Server:
        """Start."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop; after a failure, the last lines that the server said go to standard error."""
        if self.stop() != 0:
            print("\n".join(self.said.splitlines()[-_TAIL_LINES:]), file=sys.stderr)
