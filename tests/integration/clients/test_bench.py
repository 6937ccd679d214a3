"""The benchmark's figures and its command; `test_clients_load` tries the load itself, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crosswire.clients import InputError, Predictor
from crosswire.clients.__main__ import main
from crosswire.clients.bench.figures import LoadRun, Shot, figures, latencies_ms, percentiles, supported
from crosswire.clients.bench.inputs import bench_inputs, made_image
from crosswire.clients.bench.load import Target, arrivals, closed_loop, open_loop, open_target_transport
from crosswire.clients.bench.report import html_report
from crosswire.clients.bench.steps import ServerStep, steps_between
from tests.support.servers.real import NETWORK, PIPELINE, wait_until
from tests.support.servers.scripted_server import ScriptedServer
from tests.support.virtual_time import run_virtually


@contextlib.asynccontextmanager
async def target_of(url: str) -> AsyncIterator[Target]:
    """One small pair of pictures for the running server."""
    with Predictor(url) as predictor:
        pipeline = await asyncio.to_thread(predictor.pipeline)
    inputs = bench_inputs(pipeline, {}, (64, 48))
    transport = open_target_transport(url)
    yield Target("one", url, pipeline.name, pipeline.steps, inputs, ("summary",), 60.0, transport)
    await transport.close()


def test_latency_counts_from_the_moment_a_request_was_due() -> None:
    shots = (Shot(0.0, 0.5, 0.6), Shot(0.1, 0.5, 0.7, "ServerOverloaded"), Shot(0.9, 0.9, 1.2))
    run = LoadRun(shots, 0.0, 1.0, 0.25)
    assert latencies_ms([run]) == pytest.approx([300.0, 600.0])
    said = figures([run, run], 2)
    assert said["per_second"] == 1.0, "an answer after the turn does not count for its rate"
    assert said["errors"] == {"ServerOverloaded": 2} and said["samples"] == 4
    assert said["late_p99_ms"] == pytest.approx(500) and said["client_cpu"] == pytest.approx(0.25)


def test_a_percentile_is_said_only_where_enough_samples_lie_beyond_it() -> None:
    assert [supported(99, n) for n in (600, 662)] == [False, True]
    assert [supported(90, n) for n in (60, 66)] == [False, True]
    thousand = [float(value) for value in range(1, 1001)]
    assert percentiles(thousand) == {"p50": 500.0, "p90": 900.0, "p95": 950.0, "p99": 990.0}
    assert percentiles(thousand[:70]) == {"p50": 35.0, "p90": 63.0, "p95": None, "p99": None}
    assert set(percentiles([1.0]).values()) == {None}


def test_arrivals_are_a_poisson_process() -> None:
    moments = arrivals(50.0, 100.0, seed=0)
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert len(moments) == pytest.approx(5000, rel=0.05)
    assert statistics.mean(gaps) == pytest.approx(statistics.stdev(gaps), rel=0.05)
    assert moments == arrivals(50.0, 100.0, seed=0) != arrivals(50.0, 100.0, seed=1)


def test_steps_are_differences_of_the_servers_counters() -> None:
    def entry(requests: int, milliseconds: int) -> dict[str, Any]:
        parts = {part: {"ns": milliseconds * 10**6} for part in ("queue", "compute_input", "compute_infer")}
        return {
            "name": "net",
            "version": "1",
            "execution_count": requests // 2,
            "inference_stats": {"success": {"count": requests, "ns": 0}, **parts},
        }

    assert steps_between([entry(10, 100)], [entry(30, 300)], ["net", "idle"]) == [ServerStep("net", 20, 10, 10.0, 20.0)]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command measure servers that answer in virtual time; what they offer is still asked of the real one."""
    monkeypatch.setattr(
        "crosswire.clients.commands.bench.open_target_transport", lambda *_: ScriptedServer(0.01, pipeline=PIPELINE)
    )
    monkeypatch.setattr("crosswire.clients.commands.bench.asyncio.run", run_virtually)


def said_by_bench(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, dict[str, Any]]:
    assert main(["bench", "--seconds", "2", "--turns", "2", "--warm-up", "0.3", *words]) == 0
    said = capsys.readouterr().out
    return said, json.loads(said.splitlines()[-1])


@pytest.mark.usefixtures("scripted")
def test_the_command_ends_in_one_json_line_and_writes_a_report(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    said, found = said_by_bench(["--url", server.http_url, "--clients", "1,2", "--html", str(report)], capsys)
    (target,) = found["targets"]
    assert target["pipeline"] == PIPELINE and [one["load"] for one in target["open"]] == [0.5, 0.7, 0.9]
    assert target["capacity"]["turns"] == 2 and target["capacity"]["per_second"] == pytest.approx(100, rel=0.01)
    assert {step["model"] for step in target["steps"]} == {PIPELINE, f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render"}
    assert all(one["errors"] == {} for one in (target["capacity"], *target["open"], *target["sweep"]))
    assert "fewer than 5 turns" in said and "errors" in said
    html = report.read_text()
    assert html.count("<svg") == 2 and "<script" not in html
    assert not re.search(r"(src|href|url\()", html), "it loads nothing"


@pytest.mark.usefixtures("scripted")
def test_two_are_compared_in_turns(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sides = [f"{server.grpc_url}/{PIPELINE}", server.http_url]
    _, found = said_by_bench(["--clients", "1", "--compare", *sides], capsys)
    assert [one["url"] for one in found["targets"]] == [server.grpc_url, server.http_url]
    assert found["compare"]["throughput_b_over_a"] == pytest.approx(1, rel=0.01)
    assert found["compare"]["a"] == f"{PIPELINE} at {server.grpc_url}"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_both_loads_are_answered_by_the_real_server_and_counted_there(scheme: str, server: Any) -> None:
    url = server.grpc_url if scheme == "grpc" else server.http_url

    async def load() -> tuple[LoadRun, LoadRun]:
        async with target_of(url) as target:
            return await closed_loop(target, 2, 0.3), await open_loop(target, 10.0, 0.3, seed=1)

    with Predictor(url) as predictor:
        before = predictor.statistics()
        closed, opened = (run.shots for run in asyncio.run(load()))
        assert len(closed) >= 2 and len(opened) == len(arrivals(10.0, 0.3, seed=1)) > 0
        assert {shot.error for shot in (*closed, *opened)} == {""}
        sent = len(closed) + len(opened)  # beside canaries
        wait_until(lambda: steps_between(before, predictor.statistics(), [PIPELINE])[0].requests >= sent)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--clients", "many"], "--clients 'many' is no list of numbers"),
        (["--turns", "0"], "0 turns of 10 s make no benchmark"),
        (["--size", "640"], "--size '640' is no WIDTHxHEIGHT"),
        (["--input", "sound=a.wav"], "has no input 'sound'; it has: rgb, depth\n"),
        (["--input", "rgb=README.md", "--input", "rgb_image=README.md"], "rgb and rgb_image came, which is one input"),
        (["--outputs", "labels"], "has no output 'labels'; it has: labels_png"),
        (["--perf-analyzer", "/nowhere"], "perf_analyzer is not at '/nowhere'; get it with: pip download"),
        (["--pipeline", "kitchens"], "has no pipeline 'kitchens'"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], complaint: str, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--url", server.grpc_url, *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said and said.count("\n") == 1


def test_made_up_pictures_are_taken_by_the_server(server: Any) -> None:
    with Predictor(server.grpc_url) as predictor:
        result = predictor.segment(made_image("rgb", (640, 480)), made_image("depth", (640, 480)))
        with pytest.raises(InputError, match="cannot be read"):
            bench_inputs(predictor.pipeline(), {"rgb": Path("/nowhere.png")}, (64, 48))
    assert result.labels.shape == (480, 640) and not result.warnings


def test_an_empty_report_says_that_there_is_too_little_to_draw() -> None:
    nothing = {"targets": [], "plan": {"turns": 1, "seconds": 1.0}, "cores": 2}
    assert html_report(nothing).count("too few samples for a drawing") == 2
