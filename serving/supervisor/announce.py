"""What `up` says once the server answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from crosswire.contract import Contract
from crosswire.contract.plain import to_plain
from crosswire.serving.config.settings import Settings
from crosswire.serving.processes.run_state import Health, ServerRun
from crosswire.serving.repository.assemble import Assembled
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun

_PAIR = (Path("demo/real/tum_desk.rgb.png"), Path("demo/real/tum_desk.depth.png"))
_UNITS_PER_METRE = 5000  # of that depth image
_CLIP = Path("demo/real/stream_of_water.mp4")
_DOMAINS = "demo/rooms/room_6.{}.*"


def as_json(
    run: ServerRun, assembled: Assembled, seconds: float, triton_pid: int, gateway_pid: int, health: Health
) -> str:
    """Return one line of JSON for the program that started the server."""
    return json.dumps(
        {
            "http_url": run.http_url,
            "grpc_url": run.grpc_url,
            "pid": os.getpid(),
            "triton_pid": triton_pid,
            "front_door_pid": gateway_pid,
            "networks": _networks(assembled),
            "pipelines": _pipelines(assembled),
            "seconds": round(seconds, 3),
            "graphs": [to_plain(run) for run in health.graphs],
            "warnings": health.warnings,
        }
    )


def as_prose(
    run: ServerRun,
    assembled: Assembled,
    seconds: float,
    triton: str,
    settings: Settings,
    graphs: Iterable[GraphRun] = (),
) -> str:
    """Return lines for a person: what is served, where, and the next command."""
    key = "" if settings.api_keys is None else "--api-key-file KEY_FILE "
    trust = "" if settings.tls_cert is None else f"--ca {settings.tls_cert} "
    easiest = min(assembled.networks, key=lambda network: _effort(network.contract.task))
    return (
        f"{', '.join(_networks(assembled))} ready after {seconds:.1f} s on {triton}\n"
        f"  HTTP  {run.http_url}   (a page to try it on; KServe v2, plain REST: /docs, /metrics)\n"
        f"  gRPC  {run.grpc_url}\n"
        f"{''.join(f'  {graph.text}{chr(10)}' for graph in graphs)}"
        f"next: crosswire predict {_files(easiest.contract)} --pipeline {easiest.offered} --url {run.grpc_url} "
        f"{key}{trust}--out predictions"
    )


def _effort(task: str) -> int:
    """Return how much work it is to try a task: its files lie here, are a person's own, or must be computed first."""
    return {"segmentation": 0, "retrieval": 2}.get(task, 1)


def _files(contract: Contract) -> str:
    """Return the files to try a network on: those that lie below the working folder, else placeholders."""
    if contract.task == "classification":
        return str(_CLIP) if _CLIP.is_file() else "CLIP.mp4"
    if contract.task == "segmentation":
        there = all(path.is_file() for path in _PAIR)
        return f"{_PAIR[0]} {_PAIR[1]} --depth-units-per-metre {_UNITS_PER_METRE}" if there else "PICTURE.jpg DEPTH.png"
    if contract.task == "retrieval":
        return f"--input {contract.inputs[0].name}=FEATURES.npy"
    found = {spec.name: next(Path().glob(_DOMAINS.format(spec.name)), "PICTURE.png") for spec in contract.inputs}
    return " ".join(f"--input {name}={path}" for name, path in found.items())


def _networks(assembled: Assembled) -> list[str]:
    """Return the names of the networks."""
    return [network.name for network in assembled.networks]


def _pipelines(assembled: Assembled) -> list[str]:
    """Return the names of what clients ask, one per network."""
    return list(assembled.offered)
