"""How long a killed or stopped process disturbs who asks again and again, on a quiet machine: `make soak`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.e2e.supervisor.test_kills import KILLS, VICTIMS
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    REPOSITORY,
    STEPS,
    assert_answers,
    configured,
    decoders_of,
    depth_png,
    jpeg,
)

LONGEST_S, SLOW_S = 5.0, 1.0
SETTLED = 8  # answers in a row that came as fast as ever
PARTS: dict[str, Callable[[EmbeddedServer], int]] = {**VICTIMS, "decoder": lambda server: decoders_of(server)[0]}


def without_id(answer: httpx.Response) -> dict[str, Any]:
    """Return what an answer says, but for the name of its request."""
    said: dict[str, Any] = answer.json()
    said["summary"].pop("request_id", None)
    said.pop("request_id", None)
    return said


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=lambda sent: sent.name)
@pytest.mark.parametrize(("part", "layout"), [*KILLS, ("decoder", "own")])
def test_requests_are_answered_as_before_within_five_seconds(
    part: str, layout: str, sent: signal.Signals, tmp_path: Path
) -> None:
    options = configured(tmp_path, STEPS) if layout == "apart" else []
    files = {"rgb": jpeg(), "depth": depth_png()}
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as server, httpx.Client(timeout=60) as web:
        url = f"{server.http_url}/v1/pipelines/{PIPELINE}"
        before = without_id(web.post(url, files=files))
        time.sleep(3)
        os.kill(PARTS[part](server), sent)
        began, disturbed, settled, asked_again = time.monotonic(), 0.0, 0, 0
        while settled < SETTLED or time.monotonic() - began < LONGEST_S:
            asked = time.monotonic()
            try:
                answer = web.post(url, files=files)
                right = answer.status_code == 200
                assert not right or without_id(answer) == before, "a wrong answer"
            except httpx.TransportError:
                right = False
            over = time.monotonic()
            settled = settled + 1 if right and over - asked < SLOW_S else 0
            if not settled:
                disturbed = over - began
            if not right:
                asked_again += 1
                time.sleep(0.05)
        print(f"{part}, {sent.name}: disturbed for {disturbed:.1f} s, asked {asked_again} times again")
        assert disturbed < LONGEST_S
        assert_answers(server)
