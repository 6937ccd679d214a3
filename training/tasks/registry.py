"""The tasks that can be trained: what differs between them, behind one protocol.

A configuration says its task in its field `kind`, and so does `config.json`; one without the field is of a segmentation
run. Everything else (run folders, checkpoints, exact resume, progress, commands) is the same for all tasks.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    missing_modality: bool = False
    progress: bool = True
    inception: Path | None = None


class Task(Protocol):
    """One task: a module of functions, imported when it is needed."""

    NETWORKS: Sequence[str]
    """Names of its networks."""

    def build(self, network: Any) -> nn.Module:
        """Build a network from `config.network`, with fresh weights.

        Raises:
            ConfigError: it cannot be built.
        """

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

    def sample(self, name: str, streams: int, classes: int) -> Any:
        """Return the configuration of a network by its name, for counting.

        Args:
            name: one of `NETWORKS`.
            streams: how many.
            classes: how many, where the network decides between classes.
        """

    def shapes(self, network: Any, size: tuple[int, int]) -> list[tuple[int, ...]]:
        """Return the shape of every input of a network for one sample at a size (H, W)."""


@dataclass(frozen=True)
class _TaskEntry:
    """One task: its configuration, and the module that does its work and may be slow to import."""

    config: type[Any]
    module: str


TASKS: dict[str, _TaskEntry] = {
    SEGMENTATION: _TaskEntry(SegmentationConfig, "crosswire.training.tasks.segmentation.task"),
    AUDIO_VIDEO: _TaskEntry(AudioVideoConfig, "crosswire.training.tasks.audio_video.task"),
    RETRIEVAL: _TaskEntry(RetrievalConfig, "crosswire.training.tasks.retrieval.task"),
    TRANSLATION: _TaskEntry(TranslationConfig, "crosswire.training.tasks.translation.task"),
}


def task(name: str) -> Task:
    """Return a task by its name in `TASKS`."""
    return cast(Task, importlib.import_module(TASKS[name].module))


def task_name(config: RunConfig) -> str:
    """Return the name in `TASKS` of the task that a configuration is of."""
    return str(getattr(config, "kind", SEGMENTATION))


def task_of(config: RunConfig) -> Task:
    """Return the task that a configuration is of."""
    return task(task_name(config))


def task_with(network: str) -> Task:
    """Return the task that a network belongs to.

    Raises:
        ConfigError: no task has it; the message names all networks.
    """
    tasks = [task(name) for name in TASKS]
    for candidate in tasks:
        if network in candidate.NETWORKS:
            return candidate
    names = [name for candidate in tasks for name in candidate.NETWORKS]
    raise ConfigError(f"network {network!r} is unknown; allowed are {', '.join(names)}")


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
    config: RunConfig = from_plain(TASKS[name].config, plain, error=ConfigError)
    return config
