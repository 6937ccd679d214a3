"""The registry of fusions of feature vectors, and the one place that builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from crosswire.training.models.count import parameters
from crosswire.training.models.vector_fusion.avoid_df import AVoiDDF
from crosswire.training.models.vector_fusion.base import Fused, Fusion
from crosswire.training.models.vector_fusion.concat import Concat
from crosswire.training.models.vector_fusion.drfuse import DrFuse
from crosswire.training.models.vector_fusion.gmf import GMF, GFront
from crosswire.training.models.vector_fusion.mbt import MBT
from crosswire.training.models.vector_fusion.misa import MISA
from crosswire.training.models.vector_fusion.perceiver import Perceiver
from crosswire.training.models.vector_fusion.uavm import UAVM
from crosswire.training.tasks.audio_video.config import FusionConfig

__all__ = ["FUSIONS", "GMF", "Fused", "Fusion", "FusionConfig", "GFront", "build_fusion", "count_fusion"]


@dataclass(frozen=True)
class FusionEntry:
    """One fusion of the registry.

    Attributes:
        kind: its class.
        settings: the fields of `FusionConfig` that it takes.
        front: whether GMF stands before it.
    """

    kind: Callable[..., Fusion]
    settings: tuple[str, ...] = field(default=())
    front: bool = False


_GMF = ("expansion", "boundary", "bias", "detach")
_LAYERS = ("width", "depth")
#: Every fusion by its name.
FUSIONS: Mapping[str, FusionEntry] = {
    "concat": FusionEntry(Concat),
    "gmf": FusionEntry(GMF, _GMF),
    "avoid-df": FusionEntry(AVoiDDF, _LAYERS),
    "misa": FusionEntry(MISA, _LAYERS),
    "uavm": FusionEntry(UAVM, _LAYERS),
    "drfuse": FusionEntry(DrFuse, _LAYERS),
    "mbt": FusionEntry(MBT, (*_LAYERS, "bottlenecks")),
    "perceiver": FusionEntry(Perceiver, (*_LAYERS, "latents")),
    "g-concat": FusionEntry(Concat, (), True),
    "g-mbt": FusionEntry(MBT, (*_LAYERS, "bottlenecks"), True),
    "g-perceiver": FusionEntry(Perceiver, (*_LAYERS, "latents"), True),
}


def build_fusion(config: FusionConfig, dims: Sequence[int]) -> Fusion:
    """Build a fusion with fresh weights for modalities with `dims` features.

    Raises:
        ConfigError: too few modalities, or settings that do not fit together.
    """
    entry = FUSIONS[config.name]
    settings: dict[str, Any] = {name: getattr(config, name) for name in entry.settings}
    if "width" in settings and dims:
        settings["width"] = config.width or max(dims)
    back = entry.kind(dims, **{name: value for name, value in settings.items() if value is not None})
    return GFront(GMF(dims, **{name: getattr(config, name) for name in _GMF}), back) if entry.front else back


def count_fusion(config: FusionConfig, dims: Sequence[int]) -> tuple[int, int]:
    """Return parameters and multiply-accumulates of a fusion for one sample, the reconstruction included."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        fusion = build_fusion(config, dims).train()
        fusion([torch.empty(1, size) for size in dims])
    return parameters(fusion), int(counter.get_total_flops()) // 2
