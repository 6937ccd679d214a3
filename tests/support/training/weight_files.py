"""Weight files of encoders as other projects write them, small and with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def torchvision_state(width: int = 8, blocks: int = 1) -> dict[str, Tensor]:
    """Return random weights under the keys and shapes of a bottleneck ResNet as torchvision names them."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (width, 3, 7, 7)}
    norms = {"bn1": width}
    incoming = width
    for level in range(4):
        narrow, wide = width * 2**level, 4 * width * 2**level
        for block in range(blocks):
            name = f"layer{level + 1}.{block}"
            shapes[f"{name}.conv1.weight"] = (narrow, incoming, 1, 1)
            shapes[f"{name}.conv2.weight"] = (narrow, narrow, 3, 3)
            shapes[f"{name}.conv3.weight"] = (wide, narrow, 1, 1)
            norms |= {f"{name}.bn1": narrow, f"{name}.bn2": narrow, f"{name}.bn3": wide}
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (wide, incoming, 1, 1)
                norms[f"{name}.downsample.1"] = wide
            incoming = wide
    shapes |= {f"{name}.{key}": (channels,) for name, channels in norms.items() for key in NORM[:4]}
    shapes |= {"fc.weight": (1000, incoming), "fc.bias": (1000,)}
    counters = {f"{name}.{NORM[4]}": torch.tensor(7) for name in norms}
    return {key: torch.rand(shape) + 0.5 for key, shape in shapes.items()} | counters


def saved(state: Any, folder: Path) -> Path:
    """Write a file as torchvision's are written."""
    torch.save(state, folder / "weights.pth")
    return folder / "weights.pth"
