"""What holds for every test: numbers of threads, the order of files, programs and rights that a test needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import needs, rights
from tests.support.servers import shared

pytest_plugins = ["pytester"]

UNIT = Path(__file__).parent / "unit"
LONGEST = ("guides", "translation_training", "precision", "freeze", "resume")


def pytest_configure() -> None:
    """Use one thread, or `CROSSWIRE_TEST_THREADS`, here and in child processes: on few pixels more are slower."""
    threads = os.environ.get("CROSSWIRE_TEST_THREADS", "1")
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = threads


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one of them at the end."""
    longest = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: longest.get(item.path.name, len(longest)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs and rights that a test needs before its fixtures do."""
    needs.check(item)
    rights.check(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the shared servers behind the last test that may ask one; unit tests, the last ones, ask none."""
    if nextitem is None or UNIT in nextitem.path.parents:
        shared.end_all()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested for want of a program or a right."""
    needs.tell(terminalreporter)
    rights.tell(terminalreporter)
