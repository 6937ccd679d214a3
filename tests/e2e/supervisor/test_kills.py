"""Parts of a server that die while clients send: it comes back by itself, nothing is lost, no answer is wrong."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.environments import environment_of
from crosswire.serving.processes.process_table import descendants_of, is_running, name_of
from tests.support.servers.load import Load
from tests.support.servers.real import (
    BRISK,
    NETWORK,
    REPOSITORY,
    STEPS,
    assert_answers,
    configured,
    processes_with,
    server_alone,
    stub_of,
    wait_until,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this file's own, because its tests kill parts of it; its last Triton leaves no folder in /tmp."""
    runtime = tmp_path_factory.mktemp("runtime")
    with server_alone(runtime, REPOSITORY, networks=[NETWORK], options=configured(runtime, BRISK)) as running:
        yield running
        made = environment_of(triton_of(running))
        assert made is not None and made.is_dir()
    assert not made.exists()


def triton_of(server: EmbeddedServer) -> int:
    """Return Triton's process."""
    (pid,) = (one for one in descendants_of(server.pid) if name_of(one) == "tritonserver")
    return pid


def gateway_of(server: EmbeddedServer) -> int:
    """Return the gateway's process."""
    (pid,) = processes_with(server, "crosswire.serving.gateway")
    return pid


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The same with a process for every step."""
    runtime = tmp_path_factory.mktemp("apart")
    with server_alone(runtime, REPOSITORY, networks=[NETWORK], options=configured(runtime, BRISK + STEPS)) as running:
        yield running


VICTIMS: dict[str, Callable[[EmbeddedServer], int]] = {
    "stub": stub_of,
    "decode stub": lambda server: stub_of(server, f"{NETWORK}_decode"),
    "network stub": lambda server: stub_of(server, NETWORK),
    "render stub": lambda server: stub_of(server, f"{NETWORK}_render"),
    "Triton": triton_of,
    "gateway": gateway_of,
}


KILLS = (
    *(("stub", "own"), ("Triton", "own"), ("gateway", "own")),
    *(("decode stub", "apart"), ("network stub", "apart"), ("render stub", "apart")),
)


class Readiness:
    """What `/v2/health/ready` says, asked again and again while a `with` block runs; each change with its time."""

    def __init__(self, server: EmbeddedServer) -> None:
        """Prepare; nothing is asked yet."""
        self.changes: list[tuple[float, bool]] = []
        self._url, self._over = f"{server.http_url}/v2/health/ready", threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        """Ask."""
        while not self._over.wait(0.05):
            try:
                now = httpx.get(self._url, timeout=2).status_code == 200
            except httpx.TransportError:
                now = False
            if not self.changes or self.changes[-1][1] != now:
                self.changes.append((time.monotonic(), now))

    def __enter__(self) -> Readiness:
        """Start asking."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop asking."""
        self._over.set()
        self._thread.join(60)


def kill_under_load(server: EmbeddedServer, part: str) -> Load:
    """Kill a part while clients send and wait until they are answered again."""
    victim = VICTIMS[part](server)
    with Readiness(server) as readiness, Load(server) as load:
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_running(victim))
        if part != "gateway":
            wait_until(lambda: any(not ready for _, ready in readiness.changes))
        wait_until(lambda: bool(readiness.changes) and readiness.changes[-1][1])
        answered = load.outcomes["OK"]
        wait_until(lambda: load.outcomes["OK"] >= answered + 8)
    return load


@pytest.mark.parametrize(("part", "layout"), KILLS)
def test_a_part_that_is_killed_under_load_comes_back_and_nothing_is_lost(
    part: str, layout: str, request: pytest.FixtureRequest
) -> None:
    own: EmbeddedServer = request.getfixturevalue(layout)
    before, made = VICTIMS[part](own), environment_of(triton_of(own))
    assert made is not None and made.is_dir()
    load = kill_under_load(own, part)
    assert VICTIMS[part](own) != before
    assert made.exists() == (part == "gateway"), "the folder in /tmp of the Triton before"
    assert load.lost == 0, load.outcomes
    assert len(load.answers) == 1, "every answer is the right one"
    refusals = {"StatusCode.UNAVAILABLE", "StatusCode.INTERNAL", "500", "503", "ReadError", "ConnectError"}
    assert set(load.outcomes) <= {"OK", "RemoteProtocolError", *refusals}, load.outcomes
    assert_answers(own)
