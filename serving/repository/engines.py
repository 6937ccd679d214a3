"""Checking engines of TensorRT against their manifests: each is for one graph, and for one library and some GPUs."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.contract import RTX_CUDA, engine_faults
from crosswire.serving.processes.installed import version_of
from crosswire.serving.repository.gpus import gpus_here

#: Names that pip knows each library by, and the libraries themselves, by which containers have them.
_PACKAGES = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": (f"tensorrt-rtx-cu{RTX_CUDA}-libs",),
}
_SHARED = {
    "tensorrt": ("libnvinfer.so.11", "libnvinfer.so.10"),
    "tensorrt_rtx": ("libtensorrt_rtx.so.1",),
}
#: Loads a library in a process of its own, for it is large and initialises CUDA, and prints its version.
_ASK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
print(*(getattr(library, f"getInferLib{part}Version")() for part in ("Major", "Minor", "Patch", "Build")), sep=".")
"""


@dataclass(frozen=True)
class Host:
    """What a machine runs engines with.

    Attributes:
        libraries: versions by library, of those that are there.
        compute_capability: of the first GPU, for example `9.0`, or None where there is none.
    """

    libraries: Mapping[str, str] = field(default_factory=dict)
    compute_capability: str | None = None


@functools.cache
def this_host() -> Host:
    """Return what this machine has, asked once: it takes processes that load large libraries."""
    capabilities = [gpu.compute_capability for gpu in gpus_here()]
    found = {library: version for library in _PACKAGES if (version := _version(library))}
    return Host(found, capabilities[0] if capabilities else None)


def faults(engine: Path, graph_sha256: str, host: Host) -> list[str]:
    """Return what is wrong with an engine beside a graph; nothing if it may be used.

    Args:
        engine: the engine's file.
        graph_sha256: hash of the graph that it should have been built from.
        host: the machine; what it does not have is not compared.
    """
    return engine_faults(engine, graph_sha256, host.libraries, host.compute_capability)


def library_version(file: str) -> str | None:
    """Return the version that a shared library of TensorRT says of itself, or None where there is none.

    Args:
        file: its path, or the name that the loader finds it by.
    """
    return _said(sys.executable, "-I", "-S", "-c", _ASK, file)


def _version(library: str) -> str | None:
    """Return the version of a library: of its Python package, or where there is none of the library itself."""
    packages = (version_of(package) for package in _PACKAGES[library])
    shared = (library_version(file) for file in _SHARED[library])
    return next((version for version in (*packages, *shared) if version), None)


def _said(*command: str) -> str | None:
    """Return what a command prints, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
