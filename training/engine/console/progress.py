"""The progress bars of a training."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar


class ProgressBar(TQDMProgressBar):
    """One bar from validation to validation, titled with the run's progress, and one for each validation."""

    def __init__(self) -> None:
        super().__init__(leave=False)

    def on_train_epoch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Say which part of the run begins."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"part {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Give the bar of a validation its title."""
        super().on_validation_batch_start(*args, **kwargs)
        self.val_progress_bar.set_description("validation")
