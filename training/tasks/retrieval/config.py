"""What a retrieval run is configured with beside `crosswire.training.config.RunConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from crosswire.contract.fields import Choice, NonNegativeInt, PositiveFloat, PositiveInt, Range
from crosswire.training.config import ConfigError, RunConfig, Section
from crosswire.training.tasks.audio_video.config import FusionConfig, OptimiserConfig


@dataclass(frozen=True)
class NetworkConfig(Section):
    """Which network.

    Attributes:
        name: `retrieval`.
        video: features of a video; 4096 in the paper.
        image: features of an image; 128 in the paper.
        common: features that both are mapped to first; 0 leaves them as they are.
        fusion: GMF and its parameters.
    """

    section = "network"

    name: str = "retrieval"
    video: PositiveInt = 4096
    image: PositiveInt = 128
    common: NonNegativeInt = 0
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.fusion.name != "gmf":
            raise ConfigError(f"network.fusion.name is {self.fusion.name!r}; retrieval needs invariant parts of gmf")


@dataclass(frozen=True)
class FeatureDataConfig(Section):
    """Which features.

    Attributes:
        name: `activitynet`.
        path: folder with the feature files and the annotations.
        batch: pairs of a video and one of its images per step, over all processes of the training.
    """

    section = "data"

    name: Annotated[str, Choice(("activitynet",))] = "activitynet"
    path: str = ""
    batch: Annotated[int, Range(least=2)] = 64  # a pair is told from others


@dataclass(frozen=True, kw_only=True)
class RetrievalConfig(RunConfig):
    """One run; `crosswire.training.config.RunConfig` has what every task shares.

    Attributes:
        kind: `retrieval`.
        network: which network.
        data: which features.
        optimiser: how it is trained.
        temperature: of the contrast between pairs; the paper gives no loss of the task.
        seed: of weights and order.
        runtime: how the machine computes it; `compile` and `channels_last` change nothing here.
    """

    kind: Annotated[str, Choice(("retrieval",))] = "retrieval"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: FeatureDataConfig = field(default_factory=FeatureDataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    temperature: PositiveFloat = 0.07
    seed: NonNegativeInt = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return ("video", "image")
