"""The registry of fusions of feature vectors, and the one place that builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.audio_video.fusion.avoid_df import AVoiDDF
from training.audio_video.fusion.base import Fused, Fusion
from training.audio_video.fusion.concat import Concat
from training.audio_video.fusion.drfuse import DrFuse
from training.audio_video.fusion.gmf import DETACH, GMF, GFront
from training.audio_video.fusion.mbt import MBT
from training.audio_video.fusion.misa import MISA
from training.audio_video.fusion.perceiver import Perceiver
from training.audio_video.fusion.uavm import UAVM
from training.config import ConfigError

__all__ = ["FUSIONS", "GMF", "Fused", "Fusion", "FusionConfig", "GFront", "build_fusion", "count_fusion"]


@dataclass(frozen=True)
class FusionConfig:
    """Which fusion; what is None is the fusion's own.

    Attributes:
        name: one of `FUSIONS`; `g-NAME` has GMF as the front end of NAME.
        expansion: GMF's magnification n; 4 in the paper.
        boundary: GMF's share of the dissolved elements that become the invariant part; one half in the paper.
        bias: whether GMF's linear layers have one.
        detach: one of `DETACH`, what GMF's loss of reconstruction does not reach.
        width: features of a token of the others; None for the most features that a modality has.
        depth: layers of the others.
        bottlenecks: shared tokens of MBT.
        latents: latents of the Perceiver.
    """

    name: str = "gmf"
    expansion: int = 4
    boundary: float = 0.5
    bias: bool = True
    detach: str = "none"
    width: int | None = None
    depth: int | None = None
    bottlenecks: int | None = None
    latents: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.name not in FUSIONS:
            raise ConfigError(f"fusion {self.name!r} is unknown; allowed are {', '.join(FUSIONS)}")
        if self.expansion < 1:
            raise ConfigError(f"fusion.expansion is {self.expansion}; allowed is 1 or more")
        if not 0 < self.boundary < 1:
            raise ConfigError(f"fusion.boundary is {self.boundary:g}; allowed is a share, 0 < boundary < 1")
        if self.detach not in DETACH:
            raise ConfigError(f"fusion.detach is {self.detach!r}; allowed are {', '.join(DETACH)}")
        for name in ("width", "depth", "bottlenecks", "latents"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"fusion.{name} is {value}; allowed is 1 or more")


@dataclass(frozen=True)
class Entry:
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
FUSIONS: Mapping[str, Entry] = {
    "concat": Entry(Concat),
    "gmf": Entry(GMF, _GMF),
    "avoid-df": Entry(AVoiDDF, _LAYERS),
    "misa": Entry(MISA, _LAYERS),
    "uavm": Entry(UAVM, _LAYERS),
    "drfuse": Entry(DrFuse, _LAYERS),
    "mbt": Entry(MBT, (*_LAYERS, "bottlenecks")),
    "perceiver": Entry(Perceiver, (*_LAYERS, "latents")),
    "g-concat": Entry(Concat, (), True),
    "g-mbt": Entry(MBT, (*_LAYERS, "bottlenecks"), True),
    "g-perceiver": Entry(Perceiver, (*_LAYERS, "latents"), True),
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
    return sum(p.numel() for p in fusion.parameters()), int(counter.get_total_flops()) // 2
