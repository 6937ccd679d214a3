"""The Lightning module: one training step, one validation, the optimiser."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crosswire.training.engine.sampling import derive_seed
from crosswire.training.models.onednn import keep_narrow_strides_plain
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.data import ClipBatch
from crosswire.training.tasks.audio_video.metrics import score_clips
from crosswire.training.tasks.audio_video.network import AudioVideoNetwork, build_network
from crosswire.training.tasks.audio_video.optimiser import DescendingTask


class AudioVideoTask(DescendingTask):
    """Trains a network on the loss of the task and that of its fusion.

    Whatever a step draws is a function of the seed and the step, so that a resumed run draws what an uninterrupted one
    would have drawn.

    Args:
        config: the whole run.
    """

    config: AudioVideoConfig
    network: AudioVideoNetwork

    def __init__(self, config: AudioVideoConfig) -> None:
        super().__init__(config, build_network(config.network))
        if config.runtime.channels_last and "video" in self.network.branches:
            self.network.branches["video"].to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        keep_narrow_strides_plain(self.network)
        if config.runtime.compile:
            self.network.compile()
        self._seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: ClipBatch, index: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        torch.manual_seed(derive_seed(self.config.seed, "dropout", self.step, self.global_rank))
        loss, parts = self.batch_loss(batch)
        self.log("loss", parts["task"], prog_bar=True, logger=False)
        for name, part in parts.items():
            self.log(f"train/{name}_loss", part)
        return loss

    def batch_loss(self, batch: ClipBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch, and its parts without their weights: `task`, and `fusion` where it adds one."""
        decision = self.network(*batch.inputs)
        task = F.cross_entropy(decision.logits, batch.labels)
        if decision.loss is None:
            return task, {"task": task}
        return task + self.config.optimiser.fusion_loss * decision.loss, {"task": task, "fusion": decision.loss}

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
