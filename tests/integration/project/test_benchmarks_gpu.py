"""The benchmarks of a GPU: every part runs its code on a processor, and none of them begins without a GPU."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import PARTS
from benchmarks.gpu.__main__ import main, one_by_one
from benchmarks.gpu.machine import BF16, FP32, Machine, in_turns, share
from benchmarks.gpu.tensorrt import refusal
from crosswire.export.tensorrt.builder import RTX


def tried(part: str, results: Path) -> dict[str, Any]:
    """Run a part with tiny networks on the processor and return what it wrote."""
    assert main(["--device", "cpu", "--tiny", "--parts", part, "--results", str(results)]) == 0
    (path,) = results.glob("*.json")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert record["benchmark"] == f"gpu_{part}" and record["hardware"]["gpu"] is None
    assert record["tiny"] is True and record["versions"]["torch"] == torch.__version__
    return record


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is said where there is no GPU")
def test_without_a_gpu_nothing_is_measured_and_nothing_is_written(tmp_path: Path, capsys: Any) -> None:
    assert main(["--results", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert "NVIDIA GPU" in said and "onnxruntime-gpu" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [(["--tiny"], "--results"), (["--device", "cpu"], "--tiny"), (["--parts", "train,flying"], "served")],
)
def test_what_cannot_be_measured_is_refused_with_its_cure(arguments: list[str], cure: str, capsys: Any) -> None:
    try:
        code: Any = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2 and cure in capsys.readouterr().err


def test_every_network_of_the_papers_takes_steps_in_every_arithmetic(tmp_path: Path) -> None:
    record = tried("train", tmp_path)
    assert set(record["networks"]) == {"refinenet101", "cen-lite", "unet256", "gmf"} and record["failed"] == {}
    assert set(record["ceiling_tflops"]) == {"fp32", "tf32", "bf16", "fp16"}
    for figures in record["networks"].values():
        assert figures["failed"] == {} and min(figures["samples_per_second"].values()) > 0
        assert set(figures["samples_per_second"]) == {"fp32", "tf32", "bf16"}
        assert figures["gmacs_per_sample"] > 0


@pytest.mark.thorough
def test_frozen_graphs_answer_as_the_live_network_does_in_every_runtime(tmp_path: Path) -> None:
    record = tried("frozen", tmp_path)
    for network in record["networks"].values():
        assert network["gmacs_frozen"] < network["gmacs_live"]
        for figures in network["batches"].values():
            assert figures["failed"] == {} and set(figures["label_agreement"]) == set(figures["median_ms"])
            assert min(figures["label_agreement"].values()) > 0.9


@pytest.mark.thorough  # `test_engines.py` builds engines of every precision
def test_engines_are_built_and_a_row_without_a_run_says_so(tmp_path: Path) -> None:
    record = tried("tensorrt", tmp_path)
    assert record["compute_capability"] == "8.9" and record["failed"] == {}
    assert record["libraries"]["tensorrt_rtx"] == importlib.metadata.version("tensorrt-rtx-cu12-libs")
    assert record["libraries"]["tensorrt"].startswith(("TensorRT is not installed", "not run"))
    (network,) = record["networks"].values()
    assert set(network["engines"]) == {"tensorrt_rtx fp16", "tensorrt_rtx int8"}
    for row in network["engines"].values():
        assert row["engine_mb"] > 0 and row["latency"] == "not run: a processor runs no engines"
    (figures,) = network["batches"].values()
    assert set(figures["median_ms"]) == {"eager fp16", "frozen eager fp16", "onnx fp16"} and figures["failed"] == {}
    assert min(figures["label_agreement"].values()) > 0.9 and figures["against_onnx_fp16"] == {}


def test_a_card_that_the_library_builds_nothing_for_is_named_by_its_compute_capability() -> None:
    for card in ("90", "100"):
        assert f"got compute capability '{card}'; TensorRT-RTX" in refusal(RTX, card, on_gpu=True)
        assert "need TensorRT itself" in refusal(RTX, card, on_gpu=True)
    assert refusal(RTX, "120", on_gpu=True) == ""


def test_a_graph_is_served_to_one_client_and_to_four(tmp_path: Path) -> None:
    record = tried("served", tmp_path)
    assert record["provider"] == "CPUExecutionProvider"
    for clients in ("clients_1", "clients_4"):
        assert all(record[clients][one]["per_second"] > 0 for one in ("bare", "direct", "served"))


def test_a_part_that_fails_or_hangs_does_not_keep_the_next_from_running(tmp_path: Path) -> None:
    commands = {
        "failing": [sys.executable, "-c", "raise SystemExit(3)"],
        "hanging": [sys.executable, "-c", "import time; time.sleep(600)"],
        "whole": [sys.executable, "-c", f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()"],
    }
    failed = one_by_one(commands, 10.0)
    assert set(failed) == {"failing", "hanging"} and "code 3" in failed["failing"] and "10 s" in failed["hanging"]
    assert (tmp_path / "ran").exists() and set(PARTS) == {"train", "frozen", "tensorrt", "served"}


def test_a_contender_that_fails_is_left_out_and_says_why() -> None:
    machine = Machine(torch.device("cpu"), rounds=2, calls=1)

    def broken() -> None:
        raise RuntimeError("no kernel\nfor this")

    turns = in_turns(machine, {"whole": lambda: None, "broken": broken})
    assert len(turns.seconds["whole"]) == 2 and turns.failed == {"broken": "RuntimeError: no kernel for this"}
    assert turns.ratio("broken", "whole") is None and turns.ratio("whole", "whole") == 1


def test_arithmetic_is_put_back_as_it_was() -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    with FP32.products():
        assert matmul.fp32_precision == "ieee"
        with BF16.products():
            assert matmul.fp32_precision == "tf32"
    assert matmul.fp32_precision == before


def test_the_share_of_the_ceiling_counts_two_operations_per_product() -> None:
    assert share(1e12, 0.01, 400.0) == 0.5
    assert share(1e12, 0.01, None) is None
