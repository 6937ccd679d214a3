"""Timed trials of the clients, for a quiet machine: `make soak`. The ordinary tests leave this file out."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from pathlib import Path
from typing import Any

import pytest

from clients import Predictor
from clients.__main__ import main
from clients.batch.work import wanted_outputs
from clients.bench.inputs import bench_inputs, made_picture
from clients.bench.load import Target, closed_loop, open_target_transport
from clients.bench.perf_analyzer import VARIABLE, find_perf_analyzer, run_perf_analyzer
from clients.pipelines import Pipeline

SIZE = (640, 480)
PAIRS, CLIENTS = 300, 4
TRIALS, OPINIONS = 3, 7


def target_of(server: Any, outputs: tuple[str, ...] | None = None) -> tuple[Target, Pipeline]:
    """Return what the benchmark sends, asking for all outputs unless some are named."""
    with Predictor(server.grpc_url) as predictor:
        pipeline = predictor.pipeline()
    wanted = outputs or tuple(tensor.name for tensor in pipeline.outputs)
    inputs = bench_inputs(pipeline, {}, SIZE)
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
    for kind, data in (("rgb", made_picture("rgb", SIZE)), ("depth", made_picture("depth", SIZE))):
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
