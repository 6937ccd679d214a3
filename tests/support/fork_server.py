"""Runs modules as `python -m` does, each in a process of its own, without importing PyTorch and Lightning every time.

One process has imported them and forks itself for every command. What differs from a new process: its imports are done,
and all of them order sets of texts alike.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest

PRELOADED = ("crosswire.training.engine.fit", "crosswire.training.tasks.segmentation.evaluate")


class ForkServer:
    """A process that forks itself for every command that it is given."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take the process."""
        self._process = process

    def run(self, module: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a module with its arguments to its end, in a process of one thread."""
        return self.run_together(module, [(arguments, {})])[0]

    def run_together(
        self, module: str, calls: Sequence[tuple[Sequence[str], Mapping[str, str]]]
    ) -> list[subprocess.CompletedProcess[str]]:
        """The same in several processes at once, each with arguments and environment variables of its own."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with TemporaryDirectory() as folder:
            said = [[Path(folder) / f"{name}{place}" for name in ("out", "err")] for place in range(len(calls))]
            orders = [
                {"module": module, "arguments": [*arguments], "variables": {**more}, "said": [*map(str, paths)]}
                for (arguments, more), paths in zip(calls, said, strict=True)
            ]
            print(json.dumps(orders), file=self._process.stdin, flush=True)
            codes = json.loads(self._process.stdout.readline())
            return [
                subprocess.CompletedProcess([module, *arguments], code, *(path.read_text() for path in paths))
                for (arguments, _), code, paths in zip(calls, codes, said, strict=True)
            ]


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """A fork server in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-m", "tests.support.fork_server"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=one_thread) as process:
        assert process.stdin is not None
        try:
            yield ForkServer(process)
        finally:
            process.stdin.close()


def serve() -> None:
    """Fork for every order in a line of standard input, and tell how the children ended."""
    for module in PRELOADED:
        __import__(module)
    for line in sys.stdin:
        children = [os.fork() or become(**order) for order in json.loads(line)]
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)


def become(module: str, arguments: list[str], variables: dict[str, str], said: list[str]) -> NoReturn:
    """Run a module in this process, with standard output and error in two files, and end."""
    os.environ.update(variables)
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv, code = [module, *arguments], 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # ONNX Runtime would wait for a thread that a fork does not have


if __name__ == "__main__":
    serve()
