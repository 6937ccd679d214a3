"""Checking engines of TensorRT against their manifests: each is for one graph, and for one library and some GPUs."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.contract import ContractError, EngineManifest
from crosswire.serving.processes.installed import version_of

_QUERY = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
#: Names that pip knows each library by, and the libraries themselves, by which containers have them.
_PACKAGES = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx-cu12-libs", "tensorrt-rtx-cu13-libs"),
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
    said = (_said(*_QUERY) or "").split()
    found = {library: version for library in _PACKAGES if (version := _version(library))}
    return Host(found, said[0] if said else None)


def faults(engine: Path, graph_sha256: str, host: Host) -> list[str]:
    """Return what is wrong with an engine beside a graph; nothing if it may be used.

    Args:
        engine: the engine's file.
        graph_sha256: hash of the graph that it should have been built from.
        host: the machine; what it does not have is not compared.
    """
    try:
        manifest = EngineManifest.load(engine)
    except ContractError as error:
        return [str(error)]
    found = manifest.faults(engine, graph_sha256)
    here = host.libraries.get(manifest.runtime)
    if here is not None and not manifest.version_compatible and not _same(here, manifest.version):
        found.append(f"it was built with {manifest.runtime} {manifest.version}, here is {here}")
    if host.compute_capability not in (None, *manifest.compute_capabilities):
        built_for = ", ".join(manifest.compute_capabilities)
        found.append(f"it was built for compute capability {built_for}, here is {host.compute_capability}")
    return found


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


def _same(one: str, other: str) -> bool:
    """Say whether two versions are the same as far as both are told: a package says 10.13.3, its library 10.13.3.9."""
    return all(a == b for a, b in zip(one.split("."), other.split("."), strict=False))


def _said(*command: str) -> str | None:
    """Return what a command prints, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
