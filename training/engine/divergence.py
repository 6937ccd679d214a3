"""A training that diverges ends at once, and what it wrote before stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import torch
from torch import Tensor

from crosswire.training.engine.run_folder import RunError, non_finite
from crosswire.training.importers.weight_files import shortened


class DivergedError(RunError):
    """A loss, or weights, that are no finite numbers; the message names the step and the likely cause."""


class StopWhereLossDiverges(lightning.Callback):
    """Raises before the first gradient of a loss that is infinite or not a number is taken."""

    def on_before_backward(self, trainer: lightning.Trainer, pl_module: Any, loss: Tensor) -> None:
        """Look at a loss.

        Raises:
            DivergedError: it is not finite.
        """
        if not torch.isfinite(loss.detach()).all():
            raise DivergedError(
                f"the loss of step {pl_module.step + 1} is {float(loss.detach())}{_advice(pl_module, pl_module.step)}"
            )


def check_weights(weights: Mapping[str, Tensor], task: Any) -> None:
    """Refuse weights that must not take the place of the last good ones.

    Raises:
        DivergedError: some are not finite.
    """
    if names := non_finite(weights):
        raise DivergedError(
            f"step {task.step} left {len(names)} tensors not finite ({shortened(names, 3)})"
            f"{_advice(task, task.step - 1)}"
        )


def _advice(task: Any, good: int) -> str:
    """Return what is kept of a training whose first `good` steps were finite, and what to try."""
    config = task.config
    rates = [f"optimiser.{key}={value:g}" for key, value in vars(config.optimiser).items() if key.endswith("lr")]
    tries = [f"smaller rates than {', '.join(rates)}"]
    if getattr(config.optimiser, "clip", None) == 0:
        tries.append("optimiser.clip=5")
    if config.runtime.precision == "fp16":
        tries.append("runtime.precision=bf16")
    kept = good // config.val_every * config.val_every
    rest = f"what was validated at step {kept} is kept" if kept else "nothing was validated before, so nothing is kept"
    return f"; expected a finite number, so the training has diverged; {rest}; try {', or '.join(tries)}"
