"""The configuration of one retrieval run: frozen dataclasses of plain values, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from crosswire.training.config import ConfigError, RuntimeConfig, check_steps
from crosswire.training.tasks.audio_video.config import FusionConfig, OptimiserConfig


@dataclass(frozen=True)
class NetworkConfig:
    """Which network.

    Attributes:
        name: `retrieval`.
        video: features of a video; 4096 in the paper.
        image: features of an image; 128 in the paper.
        common: features that both are mapped to first; 0 leaves them as they are.
        fusion: GMF and its parameters.
    """

    name: str = "retrieval"
    video: int = 4096
    image: int = 128
    common: int = 0
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.fusion.name != "gmf":
            raise ConfigError(f"network.fusion.name is {self.fusion.name!r}; retrieval needs invariant parts of gmf")
        for name, least in (("video", 1), ("image", 1), ("common", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"network.{name} is {getattr(self, name)}; allowed is {least} or more")


@dataclass(frozen=True)
class FeatureDataConfig:
    """Which features.

    Attributes:
        name: `activitynet`.
        path: folder with the feature files and the annotations.
        batch: pairs of a video and one of its images per step, over all processes of the training.
    """

    name: str = "activitynet"
    path: str = ""
    batch: int = 64

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.name != "activitynet":
            raise ConfigError(f"data set {self.name!r} is unknown; allowed is activitynet")
        if self.batch < 2:
            raise ConfigError(f"data.batch is {self.batch}; allowed is 2 or more, for a pair is told from others")


@dataclass(frozen=True)
class RetrievalConfig:
    """One run.

    Attributes:
        kind: `retrieval`.
        preset: the name it started from.
        network: which network.
        data: which features.
        optimiser: how it is trained.
        temperature: of the contrast between pairs; the paper gives no loss of the task.
        steps: optimiser steps.
        val_every: steps between two validations.
        seed: of weights and order.
        runtime: how the machine computes it; `compile` and `channels_last` change nothing here, and features are read
            without `workers`.
    """

    kind: str = "retrieval"
    preset: str = "custom"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: FeatureDataConfig = field(default_factory=FeatureDataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    temperature: float = 0.07
    steps: int = 1000
    val_every: int = 100
    seed: int = 1
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return ("video", "image")

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"temperature is {self.temperature}; allowed is more than 0")
        check_steps(self)
