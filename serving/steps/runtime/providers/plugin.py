"""ONNX Runtime's provider for TensorRT-RTX: a library that is registered in a process before a session can name it.

The package brings TensorRT-RTX itself and CUDA's runtime, and names no ONNX Runtime. Release 0.5.0 was read, and loaded
as far as that goes without a driver, but never run: `libcuda.so.1` and `libnvidia-ml.so.1` are the driver's.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

from crosswire.serving.processes.installed import version_of
from crosswire.serving.steps.runtime.providers.names import (
    PLUGIN_MODULE,
    PLUGIN_NEEDS,
    PLUGIN_PACKAGE,
    PROVIDERS,
    RTX,
)

#: Compute capabilities below 12.0 that release 0.5 of the provider takes; all from 12.0 on.
_CAPABILITIES = ("8.6", "8.9", "12.0 and newer")


class ProviderError(Exception):
    """A provider that cannot run a graph here; the message says why."""


def plugin_folder() -> Path | None:
    """Return where pip installed the provider with TensorRT-RTX, or None where it is not installed.

    It is not imported: that loads 220 MB and changes the environment.
    """
    spec = importlib.util.find_spec(PLUGIN_MODULE)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def bundled_version() -> str | None:
    """Return the release of TensorRT-RTX that the provider brings, `1.7.1`, or None where it is not installed."""
    folder = plugin_folder()
    files = sorted(folder.glob("libtensorrt_rtx.so.*.*")) if folder else []
    return files[-1].name.partition(".so.")[2] if files else None


@functools.cache
def register(library: Path | None) -> None:
    """Register the provider in this process, once.

    Args:
        library: its file; None for the one that pip installed.

    Raises:
        ProviderError: ONNX Runtime is too old, or the library is not here or cannot be loaded.
    """
    import onnxruntime

    found = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    if found < PLUGIN_NEEDS:
        needed = ".".join(map(str, PLUGIN_NEEDS))
        raise ProviderError(f"it needs ONNX Runtime {needed} or newer; {onnxruntime.__version__} is here")
    folder = plugin_folder()
    if library is None and folder is None:
        raise ProviderError(f"{PLUGIN_PACKAGE} is not installed")
    if folder is not None:
        for runtime in sorted(folder.glob("libcudart.so.*")):  # the package loads its other libraries, and not this one
            ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
    try:
        path = str(library) if library else importlib.import_module(PLUGIN_MODULE).get_library_path()
        onnxruntime.register_execution_provider_library(PROVIDERS[RTX], path)
    except Exception as error:  # ONNX Runtime has error types of its own, and the package raises OSError
        raise ProviderError(_reason(error)) from error


def device_of(provider: str, index: int, bus: str) -> Any:
    """Return ONNX Runtime's device of a registered provider.

    Args:
        provider: ONNX Runtime's name for it.
        index: of the GPU, as the driver numbers them.
        bus: the GPU's address on the PCI bus, `0000:01:00.0`; empty where it is not known.

    Raises:
        ProviderError: the provider does not run on this GPU.
    """
    import onnxruntime

    devices = [one for one in onnxruntime.get_ep_devices() if one.ep_name == provider]
    if bus:
        devices = [one for one in devices if one.device.metadata.get("pci_bus_id", "").lower().endswith(bus.lower())]
        index = 0
    if index >= len(devices):
        takes = ", ".join(_CAPABILITIES)
        raise ProviderError(f"it finds no such GPU; it takes those of compute capability {takes}")
    return devices[index]


def installed() -> bool:
    """Say whether pip installed the provider."""
    return version_of(PLUGIN_PACKAGE) is not None or plugin_folder() is not None


def _reason(error: Exception) -> str:
    """Return what an error of ONNX Runtime says, without its codes."""
    return " ".join(str(error).rpartition(" : FAIL : ")[2].split())[:300]
