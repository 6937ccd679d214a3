"""The commands of the guides, as they stand in their text, and a folder like a fresh clone to run them in.

A fenced block headed `console` holds commands that a test executes; `console server` holds one that runs on while the
rest of the guide is executed; `console not-run` holds commands that need what a test does not have, and the line before
the block says so; `python` holds a script. Ports 8000 and 8001 are exchanged for free ones.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
#: Followed by `make soak`: they export two streams of a whole ResNet-50, and a network in int8 as other tests do, and
#: train on fifty frames, or on those of a bag, what another guide trains on twenty, or start a cluster, or train,
#: export and serve embedders as tests of their own do, or add a network and a task, each trained and exported.
_MINUTES = {"official-checkpoint", "deploy", "fifty-frames", "own-data", "from-a-bag", "cluster", "retrieval", "extend"}
LONG = [guide for guide in GUIDES if guide.stem in _MINUTES]
KINDS = ("console", "console server", "console not-run", "python")
NOT_RUN = "Not run by this project's tests"
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide.

    Attributes:
        kind: what its fence is headed with.
        text: what stands in it.
        before: the text before it.
    """

    kind: str
    text: str
    before: str

    @property
    def commands(self) -> str:
        """The block as a script: shell commands without their prompts, or Python."""
        if self.kind == "python":
            return self.text
        return "".join(f"{line.removeprefix('$ ')}\n" for line in self.text.splitlines())


def blocks(guide: Path) -> list[Block]:
    """Return the fenced blocks of a guide in order."""
    found = []
    parts = re.split(r"^```", guide.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for index in range(1, len(parts), 2):
        kind, _, text = parts[index].partition("\n")
        found.append(Block(kind.strip(), text, parts[index - 1]))
    return found


def lay_out(folder: Path) -> None:
    """Make a folder look like a fresh clone with everything installed."""
    for path in ROOT.iterdir():
        if not path.name.startswith(".") and path.name not in ("runs", "build"):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)


def execute(guide: Path, folder: Path, python: str | Path = sys.executable) -> None:
    """Execute a guide from its first command to its last, in a folder like a fresh clone; its scripts by a Python.

    Raises:
        AssertionError: a command ended with an error; its output is shown.
    """
    port_of = cache(lambda _: free_port())  # drawn when it is first needed: it stays free for moments only
    with ExitStack() as servers:
        for block in blocks(guide):
            text = re.sub(r"\b(8000|8001)\b", lambda match: str(port_of(match[1])), block.commands)
            if block.kind == "console server":
                chosen = f"--http-port {port_of('8000')} --grpc-port {port_of('8001')}"
                servers.enter_context(_server(f"{text.strip()} {chosen}", folder))
                _wait_until_ready(port_of("8000"))
            elif block.kind == "console":
                _run(["bash", "-euo", "pipefail", "-c", text], folder, text)
            elif block.kind == "python":
                _run([str(python), "-c", text], folder, text)


def _run(command: list[str], folder: Path, text: str) -> None:
    """Run a command to its end."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@contextmanager
def _server(command: str, folder: Path) -> Iterator[None]:
    """Run a server as long as it is needed."""
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_until_ready(port: int) -> None:
    """Wait until a server answers that it is ready."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.1)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
