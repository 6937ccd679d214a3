"""Checking a TensorRT plan against its manifest: it answers only for the graph, library and GPU it was built with."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from crosswire.serving.processes.installed import version_of

_PLAN, _MANIFEST = ".plan", ".plan.json"
_QUERY = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")


@dataclass(frozen=True)
class Host:
    """What a machine runs plans with.

    Attributes:
        tensorrt: version of TensorRT, or None where there is none.
        compute_capability: of the first GPU, for example `9.0`, or None where there is none.
    """

    tensorrt: str | None
    compute_capability: str | None


def this_host() -> Host:
    """Return what this machine has."""
    try:
        said = subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        said = []
    return Host(version_of("tensorrt"), said[0] if said else None)


def plan_of(graph: Path) -> Path | None:
    """Return the plan beside a graph, or None if there is none."""
    plan = graph.with_suffix(_PLAN)
    return plan if plan.is_file() else None


def faults(graph: Path, graph_sha256: str, host: Host) -> list[str]:
    """Return what is wrong with the plan beside a graph; nothing if it may be used.

    Args:
        graph: the graph that the plan should have been built from.
        graph_sha256: the graph's hash.
        host: the machine; what it does not have is not compared.
    """
    try:
        manifest = json.loads(graph.with_suffix(_MANIFEST).read_text(encoding="utf-8"))
        plan_sha256, onnx_sha256 = manifest["sha256"], manifest["onnx_sha256"]
        tensorrt, capability = str(manifest["tensorrt"]), str(manifest["compute_capability"])
        compatible = bool(manifest["version_compatible"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{graph.with_suffix(_MANIFEST).name} cannot be read ({type(error).__name__}: {error})"]
    found = []
    if hashlib.sha256(graph.with_suffix(_PLAN).read_bytes()).hexdigest() != plan_sha256:
        found.append("the plan is not the one that its manifest names")
    if onnx_sha256 != graph_sha256:
        found.append("it was built from another graph than the one beside it")
    if host.tensorrt not in (None, tensorrt) and not compatible:
        found.append(f"it was built with TensorRT {tensorrt}, here is {host.tensorrt}")
    if host.compute_capability not in (None, capability):
        found.append(f"it was built for compute capability {capability}, here is {host.compute_capability}")
    return found
