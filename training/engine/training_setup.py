"""What a task gives to the trainer: a module, its data, and what makes one validation better than another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import lightning
from torch import nn
from torch.utils.data import DataLoader


class Lazy(Sized, Protocol):
    """Samples by index that are made at their first use."""

    def __getitem__(self, index: int) -> Any:
        """Return one sample."""


class RunTask(lightning.LightningModule):
    """The Lightning module of a run.

    Args:
        config: the whole run.
        network: what is trained and written to `weights.pt`.

    Attributes:
        optimisers: how many step in one training step; Lightning counts each of them.
    """

    optimisers: int = 1

    def __init__(self, config: Any, network: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.network: Any = network.train()

    @property
    def step(self) -> int:
        """Training steps that are over."""
        return int(self.global_step) // self.optimisers

    @property
    def provisional(self) -> bool:
        """Whether the weights of now are not yet of the kind that the run is for, however well they do.

        Those of a later validation then replace them.
        """
        return False

    def setup_lines(self) -> list[str]:
        """Return what people should know of this training before its first step, line by line."""
        return []

    def validation_lines(self) -> list[str]:
        """Return what the last validation found beside the value that is monitored, line by line."""
        return []


@dataclass(frozen=True)
class TrainingSetup:
    """One training.

    Attributes:
        task: what is trained.
        train_loader: makes the batches of the training for process `rank` out of `ranks`.
        val_loader: makes those of a validation, with the same arguments.
        prepared: samples that are made before the training begins, by a title.
        monitor: name of the logged value that says how good a validation was.
        lower_is_better: whether less of it is better.
        clip: largest norm of the whole gradient; 0 for none, or where the task clips on its own.
        idle_parameters: whether a step may leave parameters without a gradient.
    """

    task: RunTask
    train_loader: Callable[..., DataLoader[Any]]
    val_loader: Callable[..., DataLoader[Any]]
    prepared: Mapping[str, Lazy]
    monitor: str
    lower_is_better: bool = False
    clip: float = 0.0
    idle_parameters: bool = False
