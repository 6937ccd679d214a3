"""Files for NVIDIA's own tools: input data and a command line for perf_analyzer, a configuration for Model Analyzer.

Both tools ask the server over HTTP, where inference and metrics are behind one port. Model Analyzer runs in its mode
`remote` and changes nothing: it may neither load models nor choose their configurations, which are generated from
contracts. Of a pipeline it still reports two configurations, which are the same server twice.

Formats: https://docs.nvidia.com/deeplearning/triton-inference-server
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.clients.address import Address
from crosswire.clients.bench.perf_analyzer import input_data
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.transport import Tensors
from crosswire.contract.atomic_write import write_text

SCRIPT, CONFIG = "perf_analyzer.sh", "model_analyzer.yaml"
_STABLE_PERCENT = 50
_WINDOW_MS = (
    10_000  # steps tell their counts every 5 s under load: in a shorter window perf_analyzer may see none of them
)
_FIXED = ("model_batch_size", "instance_count")  # which it would search in pipelines, and cannot change
_HEAD = """#!/bin/sh
# Written by `crosswire bench --write`: every pipeline in turn; a table in CSV beside its input data.
# PERF_ANALYZER names the program; the wheel tritonclient 2.51.0 holds one, `crosswire bench --help` says more.
set -eu
cd "$(dirname "$0")"
"""


@dataclass(frozen=True)
class Sample:
    """What a pipeline is asked.

    Attributes:
        pipeline: its name.
        inputs: arrays by tensor name.
    """

    pipeline: str
    inputs: Tensors


def write_analyzer_files(folder: Path, address: Address, samples: Sequence[Sample], clients: Sequence[int]) -> None:
    """Write the input data of every pipeline, the script and the configuration.

    Args:
        folder: where to; made if it is not there.
        address: the server.
        samples: one for each pipeline.
        clients: numbers of requests in flight to try.

    Raises:
        InputError: the address is not one of HTTP, or nothing is to be asked.
        OSError: the folder cannot be written to.
    """
    if address.scheme != "http":
        raise InputError(
            f"got the address {address}, expected one of HTTP, where metrics are too; try --url http://HOST:PORT"
        )
    if not samples:
        raise InputError("got no pipeline that can be asked; name files for one: --pipeline NAME --input NAME=FILE")
    prepare_folder(folder)
    for sample in samples:
        write_text(folder / f"{sample.pipeline}.json", json.dumps({"data": [input_data(sample.inputs)]}))
    lines = [shlex.join(_command(sample.pipeline, address, clients)) for sample in samples]
    write_text(folder / SCRIPT, _HEAD + "".join(f'"${{PERF_ANALYZER:-perf_analyzer}}" {line}\n' for line in lines))
    write_text(folder / CONFIG, json.dumps(_config(folder, address, samples, clients), indent=2) + "\n")


def _command(pipeline: str, address: Address, clients: Sequence[int]) -> list[str]:
    """Return perf_analyzer's options for a pipeline: from the fewest clients to the most, which it doubles."""
    return [
        *("-m", pipeline, "-u", address.target, "-i", "http", "--input-data", f"{pipeline}.json"),
        *("--concurrency-range", f"{min(clients)}:{max(clients)}:{max(1, min(clients))}"),
        *(
            "--measurement-interval",
            str(_WINDOW_MS),
            "--stability-percentage",
            str(_STABLE_PERCENT),
            "-f",
            f"{pipeline}.csv",
        ),
    ]


def _config(folder: Path, address: Address, samples: Sequence[Sample], clients: Sequence[int]) -> dict[str, Any]:
    """Return Model Analyzer's configuration; JSON is YAML."""
    here = folder.absolute()
    return {
        "triton_launch_mode": "remote",
        "reload_model_disable": True,
        "client_protocol": "http",
        "triton_http_endpoint": address.target,
        "triton_metrics_url": f"http://{address.target}/metrics",
        "model_repository": str(here),
        "checkpoint_directory": str(here / "checkpoints"),
        "export_path": str(here / "results"),
        **{f"run_config_search_{end}_{what}": 1 for what in _FIXED for end in ("min", "max")},
        "run_config_search_min_concurrency": min(clients),
        "run_config_search_max_concurrency": max(clients),
        "profile_models": {
            sample.pipeline: {
                "parameters": {"concurrency": list(clients), "batch_sizes": [1]},
                "perf_analyzer_flags": {
                    "input-data": str(here / f"{sample.pipeline}.json"),
                    "measurement-mode": "time_windows",
                    "measurement-interval": _WINDOW_MS,
                    "stability-percentage": _STABLE_PERCENT,
                },
            }
            for sample in samples
        },
    }
