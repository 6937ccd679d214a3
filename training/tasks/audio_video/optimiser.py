"""The optimiser and the schedules that an audio-video run's `OptimiserConfig` asks for."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from crosswire.training.engine.schedule import rate
from crosswire.training.engine.training_setup import RunTask

_PLATEAU = "plateau"


class DescendingTask(RunTask):
    """A run whose configuration has an `optimiser`; what a plateau has seen is kept in the checkpoints."""

    def __init__(self, config: Any, network: nn.Module) -> None:
        super().__init__(config, network)
        self._plateau: ReduceLROnPlateau | None = None
        self._resumed: dict[str, Any] | None = None

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the rate fall where the loss stays on a plateau."""
        if self._plateau is not None:
            loss = self.trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")
            self._plateau.step(float(loss))

    def configure_optimizers(self) -> Any:
        """Return the optimiser, with its schedule where that goes by the step alone."""
        settings, steps = self.config.optimiser, self.config.steps
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimiser: Optimizer
        if settings.name == "sgd":
            optimiser = SGD(parameters, settings.lr, settings.momentum, weight_decay=settings.weight_decay)
        else:
            betas = (settings.momentum, settings.beta2)
            optimiser = Adam(parameters, settings.lr, betas, weight_decay=settings.weight_decay)
        if settings.schedule == _PLATEAU:
            self._plateau = ReduceLROnPlateau(
                optimiser, factor=settings.factor, patience=settings.patience, min_lr=settings.min_lr
            )
        if settings.schedule != "cosine":
            return optimiser
        schedule = LambdaLR(optimiser, partial(rate, "cosine", "encoder", steps=steps, warmup=settings.warmup))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the plateau has seen."""
        if self._plateau is not None:
            checkpoint[_PLATEAU] = self._plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember what the plateau has seen; the optimiser comes after this."""
        self._resumed = checkpoint.get(_PLATEAU)

    def on_train_start(self) -> None:
        """Go on with what the plateau has seen."""
        if self._plateau is not None and self._resumed:
            self._plateau.load_state_dict(self._resumed)
