"""Programs that some tests need beside Python's packages: where they are, and how to get them.

A test says `pytestmark = pytest.mark.needs("chromium")`. Where the program is missing it is skipped, and the end of the
run names what was not tested and the command that changes it; with `CI=true` it fails. `python -m tests.support.needs`
installs what is missing where it may: as root on a Debian.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))


@dataclass(frozen=True)
class Program:
    """A program that tests start.

    Attributes:
        name: its command.
        package: Debian's package that holds it.
        tests: what is not tested without it.
    """

    name: str
    package: str
    tests: str

    @property
    def path(self) -> str | None:
        """Where it is, or None."""
        return shutil.which(self.name, path=_PATH)


PROGRAMS: Mapping[str, Program] = {
    one.name: one
    for one in (
        Program("chromium", "chromium", "the page in a browser"),
        Program("nginx", "nginx-light", "two servers behind nginx"),
        Program("openssl", "openssl", "HTTPS and gRPC with certificates"),
        Program("curl", "curl", "REST requests as the guides show them"),
    )
}


def missing() -> list[Program]:
    """Return the programs that this machine lacks."""
    return [one for one in PROGRAMS.values() if one.path is None]


def cure(programs: list[Program]) -> str:
    """Return the command that installs programs on a Debian."""
    return f"apt-get install -y --no-install-recommends {' '.join(sorted(one.package for one in programs))}"


def check(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it in continuous integration."""
    for marker in item.iter_markers("needs"):
        absent = [PROGRAMS[name] for name in marker.args if PROGRAMS[name].path is None]
        if absent:
            reason = f"{', '.join(one.name for one in absent)} is not installed; get it: {cure(absent)}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


def tell(terminal: pytest.TerminalReporter) -> None:
    """Write what was not tested, and how that changes."""
    if absent := missing():
        terminal.section("not tested")
        for one in absent:
            terminal.line(f"{one.tests}: {one.name} is not installed")
        terminal.line(f"as root on a Debian: {cure(absent)}")


def main() -> int:
    """Install what is missing if that is possible without asking anybody; say so if not."""
    absent = missing()
    if not absent:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"{', '.join(one.name for one in absent)} not installed, so some tests will be skipped: {cure(absent)}")
        return 0
    print(f"installing {', '.join(one.name for one in absent)} for the tests", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", cure(absent)):
        done = subprocess.run(
            command.split(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            print(f"{command} ended with status {done.returncode}:\n{done.stdout[-2000:]}")
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
