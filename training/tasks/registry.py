"""Kinds of run: what differs between training one sort of network and another, behind one face.

A configuration says its kind in its field `kind`, and so does `config.json`; one without the field is of a segmentation
run. Everything else (run folders, checkpoints, exact resume, bars, records, commands) is the same for all kinds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from crosswire.training.config import ConfigError, RuntimeConfig, TrainConfig, from_plain
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.retrieval.config import RetrievalConfig
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


class RunConfig(Protocol):
    """What the configurations of all kinds have in common; they are frozen dataclasses of plain values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def preset(self) -> str:
        """The name it started from."""

    @property
    def network(self) -> Any:
        """Which network, a frozen dataclass with a `name`."""

    @property
    def data(self) -> Any:
        """Which data, a frozen dataclass with a `name`; `path`, `splits` and `mapping` say where they lie."""

    @property
    def steps(self) -> int:
        """Optimiser steps; 0 for a network that was trained elsewhere."""

    @property
    def val_every(self) -> int:
        """Steps between two validations."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""

    @property
    def runtime(self) -> RuntimeConfig:
        """How the machine computes it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what the network takes, for lists and titles."""


@dataclass(frozen=True)
class ScoreOptions:
    """How a run is scored.

    Attributes:
        scales: of the views that a decision is made from.
        flip: also from mirrored views.
        missing_modality: also with streams absent.
        progress: show bars.
        inception: file with the weights of Inception v3, to measure FID and KID with.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    missing_modality: bool = False
    progress: bool = True
    inception: Path | None = None


class Task(Protocol):
    """One kind of run: a module of functions, imported when it is needed."""

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
            ConfigError: an option that this kind does not have.
        """

    def table(self, metrics: dict[str, Any]) -> str:
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
class _Entry:
    """One kind: its configuration, and the module that does its work and may be slow to import."""

    config: type[Any]
    module: str


TASKS: dict[str, _Entry] = {
    SEGMENTATION: _Entry(TrainConfig, "crosswire.training.tasks.segmentation.task"),
    AUDIO_VIDEO: _Entry(AudioVideoConfig, "crosswire.training.tasks.audio_video.task"),
    RETRIEVAL: _Entry(RetrievalConfig, "crosswire.training.tasks.retrieval.task"),
    TRANSLATION: _Entry(TranslationConfig, "crosswire.training.tasks.translation.task"),
}


def task(name: str) -> Task:
    """Return a kind by its name in `TASKS`."""
    return cast(Task, importlib.import_module(TASKS[name].module))


def task_name(config: RunConfig) -> str:
    """Return the name in `TASKS` of the task that a configuration is of."""
    return str(getattr(config, "kind", SEGMENTATION))


def task_of(config: RunConfig) -> Task:
    """Return the kind that a configuration is of."""
    return task(task_name(config))


def task_with(network: str) -> Task:
    """Return the kind that a network belongs to.

    Raises:
        ConfigError: no kind has it; the message names all networks.
    """
    kinds = [task(name) for name in TASKS]
    for candidate in kinds:
        if network in candidate.NETWORKS:
            return candidate
    names = [name for candidate in kinds for name in candidate.NETWORKS]
    raise ConfigError(f"network {network!r} is unknown; allowed are {', '.join(names)}")


def config_from_plain(plain: Any) -> RunConfig:
    """Build the configuration of any kind from plain JSON types; the inverse of `crosswire.training.config.to_plain`.

    Raises:
        ConfigError: an unknown kind or field, or a value of the wrong type, by name.
    """
    if not isinstance(plain, dict):
        raise ConfigError(f"a configuration is a JSON object, not {type(plain).__name__}")
    name = plain.get("kind", SEGMENTATION)
    if name not in TASKS:
        raise ConfigError(f"kind {name!r} is unknown; allowed are {', '.join(TASKS)}")
    config: RunConfig = from_plain(plain, TASKS[name].config)
    return config
