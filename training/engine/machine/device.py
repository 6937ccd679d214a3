"""Where a trained network computes while it is scored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def accelerated(*modules: nn.Module) -> Iterator[torch.device]:
    """Move modules to the GPU where there is one, and back to the CPU afterwards."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        for module in modules:
            module.to(device)
        yield device
    finally:
        for module in modules:
            module.to("cpu")
