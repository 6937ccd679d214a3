"""What a training tells: what it takes, what every validation found, and how long it goes on."""

from __future__ import annotations

from typing import Any

import lightning
import torch

from crosswire.training.engine.checkpoints import RunCheckpoints
from crosswire.training.engine.console.pace import Pace
from crosswire.training.engine.console.run_log import RunLog, duration


class TrainingLog(lightning.Callback):
    """Says before the first step what is trained, after a few steps how long it takes, and then every validation.

    Args:
        run_log: where it is said.
        pace: a callback before this one.
        checkpoints: know which validation was the best.
    """

    def __init__(self, run_log: RunLog, pace: Pace, checkpoints: RunCheckpoints) -> None:
        self.run_log = run_log
        self.pace = pace
        self.checkpoints = checkpoints

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Say what is trained on what."""
        config = pl_module.config
        loaders: tuple[Any, Any] = (trainer.train_dataloader, trainer.val_dataloaders)
        samples, checked, batch = *(len(loader.dataset) for loader in loaders), config.data.batch
        weights = sum(parameter.numel() for parameter in pl_module.network.parameters())
        where = f"{torch.get_num_threads()} threads" if pl_module.device.type == "cpu" else str(pl_module.device)
        together = f" in each of {trainer.world_size} processes" if trainer.world_size > 1 else ""
        begins = f"goes on at step {pl_module.step} of" if pl_module.step else "takes"
        self.run_log.say(
            f"{config.preset}: {config.network.name}, {weights / 1e6:.2f} M parameters, {config.runtime.precision} on "
            f"{where}{together}; {begins} {config.steps} steps of {batch} out of {samples} samples "
            f"({config.steps * batch / samples:.1f} times each), a validation on {checked} every "
            f"{config.val_every} steps"
        )
        for line in pl_module.setup_lines():
            self.run_log.say(line)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any, **__: Any) -> None:
        """Say how long it takes, once that is known."""
        if self.pace.first_known:
            first = int(trainer.val_check_batch or 0)
            soon = f"; the first validation after step {first}" if pl_module.step < first else ""
            self.run_log.say(f"{self.pace.step:.2g} s a step: {self._left(pl_module)}{soon}")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Say what a validation found."""
        monitor = self.checkpoints.monitor
        found = f"{monitor} {float(trainer.callback_metrics[monitor]):.4g}"
        left = f"; {self._left(pl_module)}" if self.pace.step and pl_module.step < pl_module.config.steps else ""
        lines = [f"step {pl_module.step} of {pl_module.config.steps}: {found}{left}"]
        self.run_log.say("\n    ".join([*lines, *pl_module.validation_lines()]))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Say which weights are kept."""
        best = self.checkpoints
        self.run_log.say(f"kept: the weights of step {best.best_step}, {best.monitor} {best.best:.4g}")

    def _left(self, pl_module: Any) -> str:
        """Return how long it takes to the end."""
        left = pl_module.config.steps - pl_module.step
        validations = -(-left // pl_module.config.val_every)
        without = "" if self.pace.validation else ", validations not counted"
        return f"about {duration(self.pace.left(left, validations))} to the end{without}"
