"""An early validation, so that a person sees soon whether a training learns at all.

It changes nothing of what is trained or kept: checkpoints and weights belong to the validations of `val_every` alone.
"""

from __future__ import annotations

from typing import Any

import lightning

from crosswire.training.engine.console.pace import Pace

#: What a validation takes of a step's time for each of its batches, before one was seen: no gradients.
_FORWARD = 1 / 3


def early_step(seconds: float, pace: float, step: int, val_every: int, batches: float) -> int:
    """Return the step after which a validation is early; 0 for none.

    Args:
        seconds: of training that a person waits for it, and most that it may take.
        pace: seconds of a step.
        step: that is over.
        val_every: step of the first regular validation.
        batches: of a validation.
    """
    early = max(step + 1, int(seconds / pace))
    return early if early < val_every and batches * _FORWARD * pace <= seconds else 0


class FirstValidation(lightning.Callback):
    """Validates after some seconds of training where the first validation would come later.

    Not where the validation itself would take longer than that, as on large sets of validation frames.

    Args:
        pace: a callback before this one.
        seconds: of training; 0 for no early validation.
    """

    def __init__(self, pace: Pace, seconds: float) -> None:
        self.pace = pace
        self.seconds = seconds
        self._regular: int | float | None = None

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any, **__: Any) -> None:
        """Choose the step, once it is known how long one takes; all processes validate after the same one."""
        if not self.seconds or not self.pace.first_known or pl_module.step > pl_module.config.val_every:
            return
        step = early_step(
            self.seconds, self.pace.step, pl_module.step, pl_module.config.val_every, trainer.num_val_batches[0]
        )
        early: int = trainer.strategy.broadcast(step)
        if early:
            self._regular, trainer.val_check_batch = trainer.val_check_batch, early

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Go back to the regular validations."""
        if self._regular is not None:
            trainer.val_check_batch, self._regular = self._regular, None
