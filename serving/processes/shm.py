"""The shared memory that Triton's python stubs use, and leaving none of it behind."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from crosswire.serving.errors import ServingError
from crosswire.serving.wire import ELEMENT_BYTES

_FOLDER = Path("/dev/shm")
_START_BYTES = 1 << 20


def bytes_needed(configs: Iterable[ModelConfig]) -> int:
    """Return the shared memory that all python models need for one full batch each (encoded images not counted)."""
    return sum(_batch_bytes(config) for config in configs if config.backend == "python")


def check_room(configs: Iterable[ModelConfig]) -> None:
    """Raise `ServingError` if /dev/shm has less room than one full batch of every python model needs."""
    needed, free = bytes_needed(configs), free_bytes()
    if free < needed:
        raise ServingError(
            f"{_FOLDER} has {free >> 20} MiB left, these models need {math.ceil(needed / (1 << 20))} MiB; "
            "give the container more (docker run --shm-size) or remove what fills it"
        )


def sweep(prefix: str) -> None:
    """Remove the regions of one server that has ended: those whose names start with `prefix`."""
    for region in _FOLDER.glob(f"{prefix}*"):
        region.unlink(missing_ok=True)


def _batch_bytes(config: ModelConfig) -> int:
    """Return the bytes of one full batch of a model's fixed-size tensors, with what a stub starts with."""
    total = _START_BYTES
    for tensor in (*config.input, *config.output):
        kind = DataType.Name(tensor.data_type).removeprefix("TYPE_")
        total += config.max_batch_size * math.prod(tensor.dims) * ELEMENT_BYTES.get(kind, 0)
    return total


def free_bytes() -> int:
    """Return the room that is left in /dev/shm."""
    status = os.statvfs(_FOLDER)
    return status.f_bavail * status.f_frsize
