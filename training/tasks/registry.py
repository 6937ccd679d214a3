"""The tasks that can be trained: what differs between them, behind one protocol.

A configuration says its task in its field `kind`, and so does `config.json`; one without the field is of a segmentation
run. Everything else (run folders, checkpoints, exact resume, progress, commands) is the same for all tasks.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from crosswire.contract.plain import from_plain
from crosswire.training.config import ConfigError, RunConfig
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.translation.config import TranslationConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from crosswire.training.engine.run_folder import RunOf
    from crosswire.training.engine.training_setup import TrainingSetup

SEGMENTATION = "segmentation"
AUDIO_VIDEO = "audio-video"
RETRIEVAL = "retrieval"
TRANSLATION = "translation"


@dataclass(frozen=True)
class ScoreOptions:
    """How a run is scored.

    Attributes:
        scales: of test-time augmentation: a decision is the mean over the images at these scales.
        flip: test-time augmentation by mirrored images, too.
        missing_modality: also with streams missing.
        progress: show how far it is.
        inception: file with the weights of Inception v3, to measure FID and KID with.
        data: another data set than the run's own.
        degrade: also with frames that are degraded in these ways; empty for the usual ones, None for none.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    missing_modality: bool = False
    progress: bool = True
    inception: Path | None = None
    data: Path | None = None
    degrade: tuple[str, ...] | None = None


class NetworkFamily(Protocol):
    """The networks of one task: its module `network`, which needs PyTorch and not what trains them."""

    NETWORKS: Collection[str]
    """Names of the networks."""

    def build_network(self, config: Any) -> nn.Module:
        """Build a network from `config.network` of a run, with fresh weights.

        Raises:
            ConfigError: it cannot be built.
        """

    def sample(self, name: str, streams: int, classes: int) -> Any:
        """Return the configuration of a network by its name, for counting.

        Args:
            name: one of `NETWORKS`.
            streams: how many.
            classes: how many, where the network decides between classes.
        """

    def shapes(self, config: Any, size: tuple[int, int]) -> list[tuple[int, ...]]:
        """Return the shape of every input of a network for one sample at a size (H, W)."""


class Task(Protocol):
    """One task: its module `task`, imported when something is trained, scored, run or drawn."""

    def training_setup(self, config: Any, *, fresh: bool) -> TrainingSetup:
        """Return what is trained on what.

        Args:
            config: the whole run.
            fresh: the run begins; False where a checkpoint brings the weights.

        Raises:
            ConfigError: network and data do not fit.
        """

    def score(self, run: RunOf[Any, Any], options: ScoreOptions) -> dict[str, Any]:
        """Score a run on fresh data, write `metrics.json` and return what was written.

        Raises:
            ConfigError: an option that this task does not have.
        """

    def format_scores(self, metrics: dict[str, Any]) -> str:
        """Return what `score` returned as text."""

    def infer(self, run: RunOf[Any, Any], arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Run a network on arrays as it takes them: pictures in its normalised range, raw clips, or features.

        Raises:
            TensorError: arrays that do not fit the network.
        """

    def report(self, run: RunOf[Any, Any]) -> Path:
        """Draw what a run has to show and return the page."""

    def next_step(self, config: Any, folder: Path) -> str:
        """Return the command that a trained run goes on with."""


#: The configuration of every task; its folder beside this file has the task's name.
TASKS: dict[str, type[RunConfig]] = {
    SEGMENTATION: SegmentationConfig,
    AUDIO_VIDEO: AudioVideoConfig,
    RETRIEVAL: RetrievalConfig,
    TRANSLATION: TranslationConfig,
}


def task_name(config: RunConfig) -> str:
    """Return the name in `TASKS` of the task that a configuration is of."""
    return str(getattr(config, "kind", SEGMENTATION))


def task_of(config: RunConfig) -> Task:
    """Return the task that a configuration is of."""
    return cast(Task, _module(task_name(config), "task"))


def network_family_of(config: RunConfig) -> NetworkFamily:
    """Return the networks of the task that a configuration is of."""
    return cast(NetworkFamily, _module(task_name(config), "network"))


def network_family_with(network: str) -> NetworkFamily:
    """Return the networks that one belongs to by its name.

    Raises:
        ConfigError: no task has it; the message names all networks.
    """
    names: list[str] = []
    for task in TASKS:
        family = cast(NetworkFamily, _module(task, "network"))
        if network in family.NETWORKS:
            return family
        names += family.NETWORKS
    raise ConfigError(f"network {network!r} is unknown; allowed are {', '.join(names)}")


def _module(task: str, part: str) -> ModuleType:
    """Import one module of a task's folder."""
    return importlib.import_module(f"crosswire.training.tasks.{task.replace('-', '_')}.{part}")


def config_from_plain(plain: Any) -> RunConfig:
    """Build the configuration of any task from plain JSON types; the inverse of `crosswire.contract.plain.to_plain`.

    Raises:
        ConfigError: an unknown task or field, or a value of the wrong type, by name.
    """
    if not isinstance(plain, dict):
        raise ConfigError(f"a configuration is a JSON object, not {type(plain).__name__}")
    name = plain.get("kind", SEGMENTATION)
    if name not in TASKS:
        raise ConfigError(f"kind {name!r} is unknown; allowed are {', '.join(TASKS)}")
    config: RunConfig = from_plain(TASKS[name], plain, error=ConfigError)
    return config
