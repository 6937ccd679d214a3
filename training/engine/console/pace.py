"""How long a step and a validation of this training take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning

#: Steps that are not timed, since they warm up, and those after them that are enough for an estimate.
SKIPPED, TIMED = 2, 3


class Pace(lightning.Callback):
    """Measures the steps and validations of this process; callbacks behind it may ask.

    Args:
        clock: returns seconds.

    Attributes:
        steps: that were taken in this process.
        validation: seconds of the last validation; 0 before there was one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.steps = 0
        self.validation = 0.0
        self._since = self._until = self._paused = self._began = 0.0

    @property
    def first_known(self) -> bool:
        """Whether the step that has just ended is the first with which there is an estimate."""
        return self.steps == SKIPPED + TIMED

    @property
    def step(self) -> float:
        """Seconds of a step; 0 before there is an estimate."""
        if self.steps < SKIPPED + TIMED:
            return 0.0
        return (self._until - self._since - self._paused) / (self.steps - SKIPPED)

    def left(self, steps: int, validations: int) -> float:
        """Return the seconds that so many steps and validations take."""
        return steps * self.step + validations * self.validation

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Count a step."""
        self.steps += 1
        self._until = self.clock()
        if self.steps == SKIPPED:
            self._since, self._paused = self._until, 0.0

    def on_validation_start(self, *_: Any) -> None:
        """Begin to time a validation."""
        self._began = self.clock()

    def on_validation_end(self, *_: Any) -> None:
        """Time a validation, which is no part of the steps."""
        self._until = self.clock()
        self.validation = self._until - self._began
        self._paused += self.validation
