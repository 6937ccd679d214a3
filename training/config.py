"""What every training run is configured with, whatever its task: a frozen dataclass, to and from JSON.

A task's own configuration, `crosswire.training.tasks.<task>.config`, extends `RunConfig`.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

from crosswire.contract.errors import CrosswireError
from crosswire.contract.fields import Choice, NonNegativeFloat, NonNegativeInt, PositiveInt, check_fields

PRECISIONS = ("fp32", "bf16", "fp16")

Config = TypeVar("Config")


class ConfigError(CrosswireError, ValueError):
    """A configuration that cannot be used; the message says what came and what is allowed."""


class Section:
    """Base of a frozen dataclass of settings, whose fields are held against their declarations when it is made.

    Attributes:
        section: dotted name of the table in a run's configuration, for messages; empty for the whole.
    """

    section: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuse values that could only fail later.

        Raises:
            ConfigError: a value that is not allowed, by name, with those that are.
        """
        check_fields(self, self.section, ConfigError)


@dataclass(frozen=True)
class RuntimeConfig(Section):
    """How the machine computes a run. A resumed run may change it: `train --resume RUN --set runtime.compile=true`.

    Attributes:
        precision: one of `PRECISIONS`: arithmetic of convolutions; weights and their updates are always 32 bit.
        compile: translate the network with torch.compile first, which takes minutes and pays in long runs.
        channels_last: lay images out pixel by pixel, the faster format on most machines.
        workers: processes that load frames; 0 loads them in the training process.
        first_validation: seconds of training after which there is a validation for people to see, if the first one of
            `val_every` comes later; it changes nothing of the run. 0 for none.
    """

    section = "runtime"

    precision: Annotated[str, Choice(PRECISIONS)] = "fp32"
    compile: bool = False
    channels_last: bool = True
    workers: NonNegativeInt = 0
    first_validation: NonNegativeFloat = 60.0


@dataclass(frozen=True, kw_only=True)
class RunConfig(Section):
    """One run, of any task.

    Attributes:
        preset: the name it started from.
        network: which network, a frozen dataclass with a `name`.
        data: which data, a frozen dataclass with a `name`; `path`, `splits` and `mapping` say where they lie.
        optimiser: how it is trained.
        steps: training steps; 0 for a network that was trained elsewhere.
        val_every: steps between two validations; a checkpoint is kept after each.
        seed: of everything that is drawn: weights, order, augmentation and dropout.
        runtime: how the machine computes it.
    """

    preset: str = "custom"
    network: Any
    data: Any
    optimiser: Any
    steps: NonNegativeInt = 1000
    val_every: PositiveInt = 100
    seed: NonNegativeInt = 0
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Names of what the network takes, for lists and titles."""

    def __post_init__(self) -> None:
        """Refuse values that could only fail later.

        Raises:
            ConfigError: a value that is not allowed, or steps that the validations do not divide, with those they do.
        """
        super().__post_init__()
        if self.steps % self.val_every:
            raise ConfigError(
                f"steps is {self.steps}, which val_every = {self.val_every} does not divide; "
                f"use steps={-(-self.steps // self.val_every) * self.val_every}, or for a short try: "
                f"--set steps={self.steps} --set val_every={_divisor(self.steps, self.val_every)}"
            )


def _divisor(steps: int, most: int) -> int:
    """Return the largest divisor of a number of steps that is not above another number."""
    return next(divisor for divisor in range(min(steps, most), 0, -1) if steps % divisor == 0)


def same_result(one: RunConfig, other: RunConfig) -> bool:
    """Return whether two configurations describe the same run, however computed and wherever its data lie."""
    if type(one) is not type(other):
        return False
    places = {name: getattr(other.data, name) for name in ("path", "splits", "mapping") if hasattr(other.data, name)}
    moved = dataclasses.replace(one, data=dataclasses.replace(one.data, **places), runtime=other.runtime)
    return bool(moved == other)
