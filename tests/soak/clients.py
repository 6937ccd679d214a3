"""Timed trials of the clients, for a quiet machine: `make soak`. The ordinary tests leave this file out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crosswire.clients import Predictor
from crosswire.clients.__main__ import main
from crosswire.clients.batch.work import wanted_outputs
from crosswire.clients.bench.figures import LoadRun, latencies_ms, quantile
from crosswire.clients.bench.inputs import bench_inputs, made_image
from crosswire.clients.bench.load import Target, closed_loop, open_loop, open_target_transport
from crosswire.clients.bench.perf_analyzer import VARIABLE, find_perf_analyzer, run_perf_analyzer
from crosswire.contract import PipelineDescription
from tests.support.servers.real import NETWORK, PIPELINE, decoders_of

SIZE = (640, 480)
PAIRS, CLIENTS = 300, 4
TRIALS, OPINIONS = 3, 7
STALL_S = 0.2


def target_of(
    server: Any, outputs: tuple[str, ...] | None = None, size: tuple[int, int] = SIZE
) -> tuple[Target, PipelineDescription]:
    """Return what the benchmark sends, asking for all outputs unless some are named."""
    with Predictor(server.grpc_url) as predictor:
        pipeline = predictor.pipeline()
    wanted = outputs or tuple(tensor.name for tensor in pipeline.outputs)
    inputs = bench_inputs(pipeline, {}, size)
    transport = open_target_transport(server.grpc_url)
    return Target("one", server.grpc_url, pipeline.name, pipeline.steps, inputs, wanted, 60.0, transport), pipeline


async def capacity(target: Target, turns: int = 2) -> float:
    """Return the requests per second of the closed loop, after a warm-up."""
    await closed_loop(target, CLIENTS, 2.0)
    found = statistics.mean([(await closed_loop(target, CLIENTS, 5.0)).per_second for _ in range(turns)])
    await target.transport.close()
    return found


def test_a_batch_keeps_the_server_as_busy_as_a_closed_loop_does(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, data in (("rgb", made_image("rgb", SIZE)), ("depth", made_image("depth", SIZE))):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for index in range(PAIRS):
            (tmp_path / "pairs" / kind / f"{index:04}.{'jpg' if kind == 'rgb' else 'png'}").write_bytes(data)
    shares = []
    for trial in range(TRIALS):
        before = _capacity_of_a_batch(server)
        assert main(["batch", str(tmp_path / "pairs"), str(tmp_path / f"out{trial}"), "--url", server.grpc_url]) == 0
        words = capsys.readouterr().out.split()
        rate = float(words[words.index("a") - 1])
        after = _capacity_of_a_batch(server)
        shares.append(rate / statistics.mean([before, after]))
    print(json.dumps({"batch_of_capacity": [round(share, 3) for share in shares]}))
    assert statistics.median(shares) >= 0.95


def _capacity_of_a_batch(server: Any) -> float:
    """Return the closed loop's rate for the outputs that a batch asks for."""
    _, pipeline = target_of(server)
    return asyncio.run(capacity(target_of(server, wanted_outputs(pipeline, overlay=False))[0]))


def test_perf_analyzer_finds_the_same_throughput(server: Any) -> None:
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} names neither perf_analyzer nor the wheel tritonclient 2.51.0 that holds it")
    program = find_perf_analyzer(None)
    ratios = []
    for _ in range(OPINIONS):
        before = asyncio.run(capacity(target_of(server)[0], 1))
        theirs = run_perf_analyzer(program, target_of(server)[0], CLIENTS, 5.0)["per_second"]
        after = asyncio.run(capacity(target_of(server)[0], 1))
        ratios.append(statistics.mean([before, after]) / theirs)
    print(json.dumps({"ours_over_perf_analyzer": [round(ratio, 3) for ratio in ratios]}))
    assert abs(statistics.median(ratios) - 1) <= 0.05


async def measured_beside(
    stop: Callable[[], None], go_on: Callable[[], None], load: Awaitable[LoadRun], at_s: float
) -> LoadRun:
    """Stop a part of the server for a moment while a load runs."""
    loading = asyncio.ensure_future(load)
    await asyncio.sleep(at_s)
    stop()
    try:
        await asyncio.sleep(STALL_S)
    finally:
        go_on()
    return await loading


def test_a_stall_of_200_ms_shows_in_the_open_loop_and_hides_in_the_closed_loop(server: Any) -> None:
    """What `tests/unit/clients/test_load.py` proves in virtual time, of a real server whose decoders are stopped."""

    def send(number: int) -> None:
        for pid in decoders_of(server):
            os.kill(pid, number)

    async def measure() -> tuple[list[float], list[float]]:
        target, _ = target_of(server, ("summary",), (64, 48))
        stop, go_on = partial(send, signal.SIGSTOP), partial(send, signal.SIGCONT)
        quick = statistics.median(latencies_ms([await closed_loop(target, 1, 2.0)]))
        closed = await measured_beside(stop, go_on, closed_loop(target, 1, 10.0), 5.0)
        opened = await measured_beside(stop, go_on, open_loop(target, min(250 / quick, 40.0), 4.0, seed=1), 2.0)
        await target.transport.close()
        return latencies_ms([closed]), latencies_ms([opened])

    closed, opened = asyncio.run(measure())
    assert len(closed) > 100 and closed[-1] >= 0.9e3 * STALL_S > quantile(closed, 0.99)
    assert quantile(opened, 0.99) >= 0.75e3 * STALL_S


def test_the_command_measures_the_real_server_without_an_error(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--size", "64x48", "--seconds", "3", "--turns", "2", "--warm-up", "1", "--clients", "1,2"]
    assert main(["bench", "--compare", server.grpc_url, server.http_url, *words]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    for target in found["targets"]:
        assert all(one["errors"] == {} for one in (target["capacity"], *target["open"], *target["sweep"]))
        assert {step["model"] for step in target["steps"]} >= {PIPELINE, NETWORK}
    assert 0.5 < found["compare"]["throughput_b_over_a"] < 2
