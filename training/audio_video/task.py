"""The Lightning module: one training step, one validation, the optimiser."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from training.audio_video.config import AudioVideoConfig
from training.audio_video.data import ClipBatch
from training.audio_video.metrics import score_clips
from training.audio_video.network import AudioVideoNetwork, build_network
from training.lesson import RunTask
from training.schedule import rate
from training.seeds import derive_seed

_PLATEAU = "plateau"


class AudioVideoTask(RunTask):
    """Trains a network on the loss of the task and that of its fusion.

    Whatever a step draws is a function of the seed and the step, so that a resumed run draws what an uninterrupted one
    would have drawn.

    Args:
        config: the whole run.
    """

    config: AudioVideoConfig
    network: AudioVideoNetwork

    def __init__(self, config: AudioVideoConfig) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config.network).train()
        if config.runtime.channels_last and "video" in self.network.branches:
            self.network.branches["video"].to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if config.runtime.compile:
            self.network.compile()
        self._plateau: ReduceLROnPlateau | None = None
        self._resumed: dict[str, Any] | None = None
        self._seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: ClipBatch, index: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        torch.manual_seed(derive_seed(self.config.seed, "dropout", self.step, self.global_rank))
        decision = self.network(*batch.inputs)
        task = F.cross_entropy(decision.logits, batch.labels)
        loss = task if decision.loss is None else task + self.config.optimiser.fusion_loss * decision.loss
        self.log("loss", task, prog_bar=True, logger=False)
        self.log("train/task_loss", task)
        if decision.loss is not None:
            self.log("train/fusion_loss", decision.loss)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: ClipBatch, batch_idx: int) -> None:
        """Let the rate fall where the loss stays on a plateau."""
        if self._plateau is not None:
            loss = self.trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")
            self._plateau.step(float(loss))

    def validation_step(self, batch: ClipBatch, index: int) -> None:
        """Keep the decisions on one batch."""
        self._seen.append((self.network(*batch.inputs).logits.float().softmax(1), batch.labels))

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all processes."""
        probabilities = torch.cat([p for p, _ in self._seen])
        labels = torch.cat([y for _, y in self._seen])
        self._seen.clear()
        if self.trainer.world_size > 1:
            parts: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, (probabilities.cpu(), labels.cpu()))
            probabilities, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        scores = score_clips(probabilities.cpu().numpy(), labels.cpu().numpy())
        self.log("val_accuracy", scores.accuracy, prog_bar=True)
        self.log("val_auc", 0.0 if scores.auc != scores.auc else scores.auc, prog_bar=True)

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
        schedule = LambdaLR(optimiser, partial(_cosine, steps, settings.warmup))
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


def _cosine(steps: int, warmup: float, step: int) -> float:
    """Return the share of the peak rate that a step uses."""
    return rate("cosine", "encoder", step, steps, warmup)
