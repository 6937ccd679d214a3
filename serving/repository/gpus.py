"""The GPUs of this machine, and those of them that networks are to run on."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from dataclasses import dataclass

from crosswire.serving.config.gpu import GpuSettings
from crosswire.serving.processes.installed import version_of
from crosswire.serving.steps.runtime.providers import plugin
from crosswire.serving.steps.runtime.providers.names import CUDA, CUDA_PACKAGE, ORDER, PLUGIN_PACKAGE, RTX

_QUERY = ("nvidia-smi", "--query-gpu=index,compute_cap,pci.bus_id", "--format=csv,noheader")
_LINE = re.compile(r"(\d+), (\d+\.\d+), ([0-9A-Fa-f:.]+)")
_BUS_CHARACTERS = len("0000:01:00.0")
_SECONDS = 30.0


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: as the driver numbers it.
        compute_capability: for example `8.9`; None where the driver does not tell.
        bus: its address on the PCI bus, `0000:01:00.0`; empty where the driver does not tell.
    """

    index: int
    compute_capability: str | None = None
    bus: str = ""


@dataclass(frozen=True)
class ChosenGpus:
    """What the networks of a server shall run on.

    Attributes:
        gpus: on which; none for the processor.
        providers: of ONNX Runtime, to try in this order before the processor.
        warnings: what was asked for and cannot be; one line each.
    """

    gpus: tuple[Gpu, ...] = ()
    providers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@functools.cache
def gpus_here() -> tuple[Gpu, ...]:
    """Return the GPUs that the driver tells of, asked once; none where there is no driver."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    lines = filter(None, map(_LINE.fullmatch, done.stdout.splitlines()))  # it says in prose that there are none
    return tuple(Gpu(int(found[1]), found[2], found[3].lower()[-_BUS_CHARACTERS:]) for found in lines)


def providers_here(gpu: GpuSettings) -> tuple[str, ...]:
    """Return the providers of a GPU that are installed, or that settings name a library of, in their order."""
    there = {RTX: gpu.plugin is not None or plugin.installed(), CUDA: version_of(CUDA_PACKAGE) is not None}
    return tuple(provider for provider in ORDER if there[provider])


def chosen_gpus(gpu: GpuSettings) -> ChosenGpus:
    """Return the GPUs and providers that settings choose.

    Where the driver tells of no GPU, a provider that is installed is still tried on the first one: a container may have
    the driver's libraries without its tools. A provider that was named is tried whether it is here or not, and says so.
    """
    if gpu.indices == ():
        return ChosenGpus()
    providers = gpu.providers or providers_here(gpu)
    if gpu.indices is None:
        return ChosenGpus(_visible(), providers) if providers else ChosenGpus()
    known = {one.index: one for one in gpus_here()}
    warnings = [
        f"gpu.devices names GPU {index}; the driver tells of {_listed(known)}"
        for index in gpu.indices
        if index not in known
    ]
    if not providers:
        cure = f"install {CUDA_PACKAGE} in the place of onnxruntime, or {PLUGIN_PACKAGE} beside it"
        text = f"gpu.devices is {gpu.devices}, and ONNX Runtime has no provider for a GPU: {cure}"
        return ChosenGpus(warnings=(*warnings, text))
    return ChosenGpus(tuple(known.get(index, Gpu(index)) for index in gpu.indices), providers, tuple(warnings))


def _visible() -> tuple[Gpu, ...]:
    """Return the GPUs that CUDA may see: all of them, or the first if nobody tells, unless its own variable says so."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return gpus_here() or (Gpu(0),)
    seen = [word for word in told.split(",") if word.strip() not in ("", "-1")]
    return tuple(Gpu(index) for index in range(len(seen)))  # CUDA numbers them anew


def _listed(known: dict[int, Gpu]) -> str:
    """Return the indices of GPUs, in words."""
    return ", ".join(map(str, sorted(known))) or "none"
