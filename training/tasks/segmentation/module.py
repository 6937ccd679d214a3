"""The Lightning module: one training step, one validation, the optimiser groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from crosswire.training.config import ConfigError
from crosswire.training.engine.sampling import derive_seed
from crosswire.training.engine.schedule import forgets_momentum, rate
from crosswire.training.engine.training_setup import RunTask
from crosswire.training.models import SegmentationNetwork, exchanged_share, single_stream, sparse_norms
from crosswire.training.models.onednn import keep_narrow_strides_plain
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import Batch
from crosswire.training.tasks.segmentation.losses import LabelLoss, sparsity_loss, task_loss
from crosswire.training.tasks.segmentation.metrics import Scores, SegmentationMetrics
from crosswire.training.tasks.segmentation.network import build_network
from crosswire.training.tasks.segmentation.scoring.fusion_gain import fusion_gain
from crosswire.training.tasks.segmentation.scoring.text import validation_lines


class SegmentationTask(RunTask):
    """Trains one segmentation network with the objective of Eq. 4.

    Whatever a step draws is a function of the seed and the step, so that a resumed run draws what an uninterrupted one
    would have drawn.

    Args:
        config: the whole run.
        classes: their names; left out they are numbers.
        weights: of the classes in the loss; empty where all count alike.
    """

    config: SegmentationConfig
    network: SegmentationNetwork

    def __init__(self, config: SegmentationConfig, classes: Sequence[str] = (), weights: Sequence[float] = ()) -> None:
        super().__init__(config, build_network(config.network))
        freeze_stages(self.network.encoder, config.optimiser.frozen_stages)
        self.network.stack.channels_last = config.runtime.channels_last
        if config.runtime.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        keep_narrow_strides_plain(self.network)
        if config.runtime.compile:
            self.network.compile()
        self.metrics = SegmentationMetrics(config.network.deciding, config.network.classes)
        self.classes = tuple(classes) or tuple(map(str, range(config.network.classes)))
        self.label_loss = LabelLoss(config.loss, torch.tensor(weights) if weights else None)
        self._validated: dict[str, Scores] = {}
        self._singles: dict[int, SegmentationNetwork] = {}

    def on_train_batch_start(self, *_: Any) -> None:
        """Forget the momentum where the schedule begins with fresh optimisers."""
        if forgets_momentum(self.config.optimiser.schedule, self.step, self.config.steps):
            self.trainer.optimizers[0].state.clear()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        torch.manual_seed(derive_seed(self.config.seed, "dropout", self.step, self.global_rank))
        task = self.batch_loss(batch)
        loss = task + self.config.optimiser.sparsity * sparsity_loss(self.network)
        self.log("loss", task, prog_bar=True, logger=False)
        self.log("train/task_loss", task)
        self.log("train/loss", loss)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Log the exchanged share, which the step has just moved."""
        self.log("exchanged", exchanged_share(self.network), prog_bar=True)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count one batch."""
        self.metrics.update(self.network(*batch.inputs), batch.labels)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of ensemble and streams, counted over all processes."""
        self._validated = self.metrics.compute()
        for name, scores in self._validated.items():
            self.log(f"val/{name}/mean_iou", scores.mean_iou, sync_dist=True)
            self.log(f"val/{name}/mean_accuracy", scores.mean_accuracy, sync_dist=True)
            self.log(f"val/{name}/pixel_accuracy", scores.pixel_accuracy, sync_dist=True)
            if name == "ensemble":
                self.log("val_mean_iou", scores.mean_iou, prog_bar=True, sync_dist=True)
        self.metrics.reset()

    def setup_lines(self) -> list[str]:
        """Return the weights of the classes, where they have some."""
        weights = [] if self.label_loss.weights is None else self.label_loss.weights.tolist()
        named = (f"{name} {weight:.3g}" for name, weight in zip(self.classes, weights, strict=False))
        return [f"class weights: {', '.join(named)}"] if weights else []

    def validation_lines(self) -> list[str]:
        """Return the scores of all decisions and classes, and what the streams gain together."""
        mean_iou = {name: scores.mean_iou for name, scores in self._validated.items()}
        gain = fusion_gain(self.config, mean_iou)
        return [*validation_lines(self._validated, self.classes), *([gain] if gain else [])]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return SGD over the three groups, each with its schedule."""
        settings, steps = self.config.optimiser, self.config.steps
        groups = parameter_groups(self.network, self.config)
        optimiser = torch.optim.SGD(groups, momentum=settings.momentum, nesterov=settings.nesterov)
        rates: list[Callable[[int], float]] = [
            partial(_rate, settings.schedule, group["name"], steps, settings.warmup) for group in groups
        ]
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": LambdaLR(optimiser, rates), "interval": "step"}}

    def batch_loss(self, batch: Batch) -> Tensor:
        """Return the loss on the labels, now and then of a single stream."""
        settings = self.config.optimiser
        single = single_stream_name(self.config, self.step)
        if single is not None:
            return task_loss(self._single(single)(batch.inputs[single]), batch.labels, label_loss=self.label_loss)
        decisions = self.network(*batch.inputs)
        if settings.detach_ensemble:
            decisions = decisions._replace(ensemble=self.network.ensemble(decisions.streams.detach()))
        loss = task_loss(decisions, batch.labels, settings.stream_loss, self.label_loss)
        return loss if decisions.auxiliary is None else loss + settings.alignment * decisions.auxiliary

    def _single(self, stream: int) -> SegmentationNetwork:
        """Return the network of one stream alone; made at its first use, when parameters are where they train."""
        if stream not in self._singles:
            self._singles[stream] = single_stream(self.network, stream)
        return self._singles[stream]


def single_stream_name(config: SegmentationConfig, step: int) -> int | None:
    """Return the stream that a step trains alone under modality dropout, or None where all are there."""
    random = np.random.default_rng(derive_seed(config.seed, "modality dropout", step))
    if random.random() >= config.modality_dropout:
        return None
    return int(random.integers(len(config.network.streams)))


def freeze_stages(encoder: nn.Module, stages: int) -> None:
    """Keep the convolutions of the stem and of the first stages of an encoder as they are; norms learn on.

    Args:
        encoder: with `stages`, finest first.
        stages: how many; 0 for none, and not the stem either.
    """
    for modules in _by_depth(encoder)[: stages + 1] if stages else ():
        for module in modules:
            if isinstance(module, nn.Conv2d):
                module.requires_grad_(False)


def parameter_groups(network: nn.Module, config: SegmentationConfig) -> list[dict[str, Any]]:
    """Split what learns of a network into encoder, decoder with ensemble, and the γ that can be exchanged.

    With a layer decay the encoder is one group per stage, and one for the stem.
    """
    settings = config.optimiser
    gammas = [gamma for norm in sparse_norms(network).values() for gamma in norm.gammas]
    chosen = {id(gamma) for gamma in gammas}
    encoder = [p for n, p in network.named_parameters() if n.startswith("encoder.") and id(p) not in chosen]
    decoder = [p for n, p in network.named_parameters() if not n.startswith("encoder.")]
    by_rate: dict[float, list[nn.Parameter]] = {}
    factors = _factors(network.encoder, settings.layer_decay)  # type: ignore[arg-type]
    for parameter in encoder:
        by_rate.setdefault(factors.get(id(parameter), 1.0), []).append(parameter)
    decay = {"weight_decay": settings.weight_decay}
    groups = [
        *(
            {"params": part, "lr": settings.encoder_lr * factor, **decay, "name": "encoder"}
            for factor, part in by_rate.items()
        ),
        {"params": decoder, "lr": settings.decoder_lr, **decay, "name": "decoder"},
        {"params": gammas, "lr": settings.gamma_lr, "weight_decay": settings.gamma_weight_decay, "name": "gamma"},
    ]
    learning: list[dict[str, Any]] = [{**group, "params": _learning(group["params"])} for group in groups]
    return [group for group in learning if group["params"]]


def _learning(parameters: Any) -> list[nn.Parameter]:
    """Return the parameters that are not frozen."""
    return [parameter for parameter in parameters if parameter.requires_grad]


def _factors(encoder: nn.Module, decay: float) -> dict[int, float]:
    """Return the share of the encoder's rate of every parameter by its identity; nothing where all have the whole."""
    if decay == 1:
        return {}
    depths = _by_depth(encoder)
    return {
        id(parameter): decay ** (len(depths) - 1 - depth)
        for depth, modules in enumerate(depths)
        for module in modules
        for parameter in module.parameters(recurse=False)
    }


def _by_depth(encoder: nn.Module) -> list[list[nn.Module]]:
    """Return the layers of an encoder: of the stem, and of each stage.

    Raises:
        ConfigError: the encoder has no stages.
    """
    found: Sequence[nn.Module] | None = getattr(encoder, "stages", None)
    if found is None:
        raise ConfigError(
            "optimiser.frozen_stages and optimiser.layer_decay need an encoder with `stages`; "
            "set optimiser.frozen_stages=0 and optimiser.layer_decay=1"
        )
    stages = [list(stage.modules()) for stage in found]
    inside = {id(module) for stage in stages for module in stage}
    return [[module for module in encoder.modules() if id(module) not in inside], *stages]


def _rate(schedule: str, group: str, steps: int, warmup: float, step: int) -> float:
    """Return `rate` with the step last."""
    return rate(schedule, group, step, steps, warmup)
