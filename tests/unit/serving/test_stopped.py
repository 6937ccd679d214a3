"""Processes that are stopped: real ones, looked at by a clock that the test holds."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from crosswire.serving.supervisor.stopped import StoppedProcesses
from tests.support.servers.real import wait_until
from tests.support.virtual_time import Clock


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield psutil.Process(child.pid)
        child.kill()


def stop(process: psutil.Process) -> None:
    """Stop a process, and wait until it is."""
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED)


def test_a_process_that_stays_stopped_is_continued_and_one_that_is_stopped_again_is_killed(
    process: psutil.Process,
) -> None:
    clock = Clock()
    watch = StoppedProcesses(0.5, clock)

    def look() -> list[str]:
        clock.now += 0.5
        return watch.check(lambda: [process])

    stop(process)
    assert look() == [], "somebody may continue it right away"
    assert look() == [f"process {process.pid} was stopped; it goes on"]
    wait_until(lambda: process.status() != psutil.STATUS_STOPPED)
    assert look() == []
    stop(process)
    assert look() == []
    assert look() == [f"process {process.pid} was stopped again; ending it"]
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_is_stopped_a_minute_later_is_continued_too(process: psutil.Process) -> None:
    clock = Clock()
    watch = StoppedProcesses(0.5, clock)
    for _ in range(2):
        stop(process)
        clock.now += 61
        assert watch.check(lambda: [process]) == []
        clock.now += 61
        assert watch.check(lambda: [process]) == [f"process {process.pid} was stopped; it goes on"]


def test_nobody_is_looked_at_before_it_is_time() -> None:
    clock = Clock()
    watch = StoppedProcesses(0.5, clock)
    clock.now = 0.4
    assert watch.check(lambda: pytest.fail("it is not time")) == []
