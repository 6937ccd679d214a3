"""Which GPUs run the networks, through which provider of ONNX Runtime, and how often each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from crosswire.contract.fields import Choice, Range
from crosswire.serving.errors import ServingError
from crosswire.serving.steps.runtime.providers.names import ORDER

AUTO, NONE = "auto", "none"
_DEVICES = re.compile(rf"{AUTO}|{NONE}|\d{{1,3}}(,\d{{1,3}})*")


@dataclass(frozen=True)
class GpuSettings:
    """How networks run on GPUs.

    Attributes:
        devices: `auto` for every GPU, if ONNX Runtime has a provider for one; `none` for the processor; or the indices
            of some as the driver numbers them, `0,2`.
        instances: processes of every network on each GPU, in the container its instances; 0 for `models.instances`.
        providers: those of ONNX Runtime to try before the processor, in this order; those that are installed if empty,
            TensorRT-RTX before CUDA. In the container Triton's backends choose.
        plugin: the library of the TensorRT-RTX provider, where it is another than the one that pip installed.
    """

    devices: str = AUTO
    instances: Annotated[int, Range(least=0, most=256)] = 0
    providers: tuple[Annotated[str, Choice(ORDER)], ...] = ()
    plugin: Path | None = None

    @property
    def indices(self) -> tuple[int, ...] | None:
        """The GPUs that are named; None where they are to be found."""
        if self.devices == AUTO:
            return None
        return () if self.devices == NONE else tuple(map(int, self.devices.split(",")))


def check_gpu(gpu: GpuSettings) -> None:
    """Refuse what names no GPUs, or names something twice.

    Raises:
        ServingError: with what is allowed.
    """
    if not _DEVICES.fullmatch(gpu.devices):
        raise ServingError(f"gpu.devices: got {gpu.devices!r:.80}, expected auto, none or indices, try '0' or '0,1'")
    if len(set(gpu.indices or ())) < len(gpu.indices or ()):
        raise ServingError(f"gpu.devices names a GPU twice in {gpu.devices!r}; name each once, and say gpu.instances")
    if len(set(gpu.providers)) < len(gpu.providers):
        raise ServingError(f"gpu.providers names one twice in {', '.join(gpu.providers)}; name each once")
