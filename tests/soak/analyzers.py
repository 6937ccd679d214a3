"""NVIDIA's own tools measure a served pipeline by the files that `crosswire bench --write` leaves."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crosswire.clients.__main__ import main
from crosswire.clients.bench.analyzer_files import CONFIG, SCRIPT
from crosswire.clients.bench.perf_analyzer import VARIABLE, find_perf_analyzer, unpacked
from tests.support.environments import environment
from tests.support.servers.real import PIPELINE

PACKAGE = "triton-model-analyzer"
CLIENTS = "1,2"


@pytest.fixture
def program(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """perf_analyzer, and an environment in which it runs."""
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} names neither perf_analyzer nor the wheel tritonclient 2.51.0 that holds it")
    return unpacked(find_perf_analyzer(None), tmp_path)


@pytest.mark.timeout(900)
def test_perf_analyzer_runs_by_the_script(server: Any, program: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    binary, environ = program
    files = tmp_path / "files"
    assert main(["bench", "--url", server.http_url, "--write", str(files), "--clients", CLIENTS]) == 0
    command = ["sh", str(files / SCRIPT)]
    environ |= {"PERF_ANALYZER": str(binary)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = list(csv.DictReader((files / f"{PIPELINE}.csv").read_text().splitlines()))
    print(
        json.dumps({"perf_analyzer": [{key: row[key] for key in ("Concurrency", "Inferences/Second")} for row in rows]})
    )
    assert {row["Concurrency"] for row in rows} == set(CLIENTS.split(","))
    assert all(float(row["Inferences/Second"]) > 0 for row in rows)


@pytest.mark.timeout(1800)
def test_model_analyzer_profiles_by_the_configuration(
    server: Any, program: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    binary, environ = program
    files = tmp_path / "files"
    assert main(["bench", "--url", server.http_url, "--write", str(files), "--clients", CLIENTS]) == 0
    python = environment(tmp_path / "venv", PACKAGE)
    command = [str(python.with_name("model-analyzer")), "profile", "--config-file", str(files / CONFIG)]
    environ |= {"PATH": f"{binary.parent}{os.pathsep}{environ['PATH']}"}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=files, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = next((files / "results").rglob("metrics-model-inference.csv"))
    assert PIPELINE in table.read_text()
