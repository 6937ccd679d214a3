"""The Lightning module of a generator: it and its discriminators take one step each, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import read_run
from crosswire.training.engine.sampling import derive_seed
from crosswire.training.engine.training_setup import RunTask
from crosswire.training.models import exchanged_share, sparse_norms
from crosswire.training.models.translation import PatchDiscriminator, task_blocks
from crosswire.training.models.translation.blocks import disagreement_of, selection, sparsity_of
from crosswire.training.tasks.segmentation.losses import sparsity_loss
from crosswire.training.tasks.translation.config import TranslationConfig, TranslatorConfig
from crosswire.training.tasks.translation.data import ImageBatch
from crosswire.training.tasks.translation.domains import codecs, domain
from crosswire.training.tasks.translation.losses import believed, per_flow, task_error, verdicts
from crosswire.training.tasks.translation.metrics import ImageMetrics, error_of
from crosswire.training.tasks.translation.network import ImageMix, TranslationNetwork, build_network
from crosswire.training.tasks.translation.policy import Phase, phase_of, selection_lines, set_phase, settled_from

MONITOR = "val_mae"


class TranslationTask(RunTask):
    """Trains one generator, against one discriminator per task where the loss has an adversarial part.

    Whatever a step draws is a function of the seed and the step, so that a resumed run draws what an uninterrupted one
    would have drawn.

    Args:
        config: the whole run.
    """

    config: TranslationConfig
    network: TranslationNetwork

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__(config, build_network(config.network))
        self.automatic_optimization = False
        self.network.stack.channels_last = config.runtime.channels_last
        settings, tasks = config.optimiser, len(config.network.outputs)
        self.judges = nn.ModuleList()
        if settings.adversarial:
            self.optimisers = 2
            self.judges.extend(PatchDiscriminator(width=settings.discriminator_width) for _ in range(tasks))
        if config.runtime.channels_last:
            self.to(memory_format=torch.channels_last)
        if config.runtime.compile:
            self.network.compile()
        self.metrics = ImageMetrics(config.network)
        #: Not held a second time in the module's own state: they are the network's.
        self._blocks = task_blocks(self.network)
        #: Kept out of the module's own state: it is trained elsewhere and stays as it is.
        self._consistent: list[nn.Module] = [_consistency_network(config)] if settings.consistency else []

    def on_fit_start(self) -> None:
        """Bring the network of the consistency to the device of the others."""
        for network in self._consistent:
            network.to(self.device)

    def training_step(self, batch: ImageBatch, index: int) -> None:
        """Take one step of the discriminators, then one of the generator."""
        torch.manual_seed(derive_seed(self.config.seed, "dropout", self.step, self.global_rank))
        optimisers: Any = self.optimizers()
        generator, *critics = optimisers if isinstance(optimisers, list) else [optimisers]
        if self._blocks:
            set_phase(self._blocks, self.phase)
        self._set_rates([generator, *critics])
        images = self.network(*batch.inputs)
        for critic in critics:
            loss = self.critic_loss(batch, images)
            critic.zero_grad()
            self.manual_backward(loss)
            critic.step()
            self.log("train/discriminator", loss)
        self._generator_step(generator, self.generator_loss(batch, images))

    def _generator_step(self, generator: Any, loss: Tensor) -> None:
        """Take one step of the generator."""
        pressure = self.config.optimiser.sparsity * sparsity_loss(self.network)
        generator.zero_grad()
        if self.config.optimiser.random_task:
            self._backward_of_one_task(loss, pressure)
        elif self._blocks:
            self._backward_of_blocks(loss + pressure)
        else:
            self.manual_backward(loss + pressure)
        if self.config.optimiser.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimiser.clip)
        generator.step()
        self.log("loss", loss, prog_bar=True, logger=False)
        self.log("train/loss", loss + pressure)

    def _backward_of_one_task(self, loss: Tensor, pressure: Tensor) -> None:
        """Leave gradients on what the loss of the drawn task reaches alone, so that Adam leaves the rest where it is.

        The pressure of λ reaches the scaling factors of all tasks, so it comes after the loss has told who is idle.
        """
        self.manual_backward(loss)
        idle = [p for p in self.network.parameters() if p.grad is None or not p.grad.any()]
        if pressure.requires_grad:
            self.manual_backward(pressure)
        for parameter in idle:
            parameter.grad = None

    @property
    def phase(self) -> Phase:
        """What the present step is to the blocks."""
        config, count = self.config, sum(len(part.blocks) for part in self._blocks)
        return phase_of(self.step, config.steps, count, config.policy)

    @property
    def provisional(self) -> bool:
        """Whether tasks have not settled yet on the blocks that they select."""
        return bool(self._blocks) and self.step < settled_from(self.config.steps, self.config.policy)

    def _backward_of_blocks(self, loss: Tensor) -> None:
        """Leave gradients on the decisions or on all else, whichever a step is for."""
        settings, learns = self.config.policy, self.phase.learns_policy
        if learns:
            loss = loss + settings.sparsity * sparsity_of(self._blocks)
            loss = loss + settings.sharing * disagreement_of(self._blocks)
        self.manual_backward(loss)
        decisions = {id(part.logits) for part in self._blocks}
        for parameter in self.network.parameters():
            if (id(parameter) in decisions) != learns:
                parameter.grad = None

    def validation_lines(self) -> list[str]:
        """Return which blocks every task selects, where they choose."""
        return selection_lines(selection(self.network, self.config.network.outputs))

    def on_train_batch_end(self, *_: Any) -> None:
        """Log the exchanged share, which the step has just moved."""
        self.log("exchanged", exchanged_share(self.network), prog_bar=True)

    def validation_step(self, batch: ImageBatch, index: int) -> None:
        """Count one batch."""
        self.metrics.update(self.network(*batch.inputs), batch.targets)

    def on_validation_epoch_end(self) -> None:
        """Log the errors of every output, over all processes."""
        scores = self.metrics.compute()
        for name, errors in scores.items():
            for measure, value in errors.items():
                self.log(f"val/{name}/{measure}", value, sync_dist=True)
        mean = sum(map(error_of, scores.values())) / len(scores)
        self.log(MONITOR, mean, prog_bar=True, sync_dist=True)
        self.metrics.reset()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the generator, and for the discriminators where there are any."""
        settings = self.config.optimiser
        gammas = [gamma for norm in sparse_norms(self.network).values() for gamma in norm.gammas]
        decisions = [part.logits for part in self._blocks]
        chosen = {id(parameter) for parameter in (*gammas, *decisions)}
        rest = [p for p in self.network.parameters() if id(p) not in chosen]
        groups = [{"params": rest, "lr": settings.lr, "peak": settings.lr}]
        if gammas:
            groups.append({"params": gammas, "lr": settings.gamma_lr, "peak": settings.gamma_lr})
        if decisions:
            rate = self.config.policy.lr
            groups.append({"params": decisions, "lr": rate, "peak": rate})
        optimisers: list[torch.optim.Optimizer] = [torch.optim.Adam(groups, betas=settings.betas)]
        if self.judges:
            judged = [{"params": list(self.judges.parameters()), "peak": settings.discriminator_lr}]
            optimisers.append(torch.optim.Adam(judged, lr=settings.discriminator_lr, betas=settings.betas))
        return optimisers

    def critic_loss(self, batch: ImageBatch, images: ImageMix) -> Tensor:
        """Return the objective of the discriminators on a batch; it sends nothing back into the generator."""
        given, made, true = self._pairs(batch, images)
        real = believed(verdicts(self._judges, given, true), true=True, streams=self._counted)
        fake = believed(verdicts(self._judges, given, made.detach()), true=False, streams=self._counted)
        return 0.5 * real + 0.5 * fake

    def generator_loss(self, batch: ImageBatch, images: ImageMix) -> Tensor:
        """Return the objective of the generator on a batch, without the L1 of the scaling factors."""
        settings, network = self.config.optimiser, self.config.network
        chosen, codes = self._chosen(), codecs(network.outputs, network)
        answers = images.answers
        if settings.detach_ensemble and images.flows.shape[0] > images.answers.shape[0]:
            answers = self.network.mix(images.flows.detach())
        targets, flows = batch.targets, images.flows
        given, made, _ = self._pairs(batch, images._replace(answers=answers))
        if chosen is not None:
            parts = (targets, given, made, answers, flows)
            targets, given, made, answers, flows = (part.chunk(len(network.outputs))[chosen] for part in parts)
            codes = codes[chosen : chosen + 1]
        weights = (settings.l1, settings.cross_entropy)
        loss = task_error(answers, targets, codes, *weights)
        if settings.stream_loss and images.flows.shape[0] > images.answers.shape[0]:
            loss = loss + settings.stream_loss * task_error(flows, targets, codes, *weights)
        if self.judges:
            judges = self._judges if chosen is None else [self._judges[chosen]]
            fooled = believed(verdicts(judges, given, made), true=True, streams=self._counted)
            loss = loss + settings.adversarial * fooled
        if self._consistent:
            loss = loss + settings.l1 * settings.consistency * self._inconsistency(images.answers, batch.targets)
        return loss if images.auxiliary is None else loss + settings.alignment * images.auxiliary

    @property
    def _judges(self) -> list[nn.Module]:
        """The discriminators of all tasks."""
        return list(self.judges)

    @property
    def _counted(self) -> int:
        """How often a verdict on a task counts: once for each flow that is judged, or once for its answer."""
        return self.config.network.streams if self.config.optimiser.judged == "flows" else 1

    def _pairs(self, batch: ImageBatch, images: ImageMix) -> tuple[Tensor, Tensor, Tensor]:
        """Return per flow the input, the image judged beside it, and the true one, stacked [F*N, 3, H, W] each."""
        tasks, flows = len(self.config.network.outputs), len(self.config.network.flows)
        given = self.network.stack(*batch.inputs)
        made = images.flows
        if self.config.optimiser.judged == "answers" or made.shape[0] != given.shape[0]:
            made = per_flow(images.answers, tasks, flows)
        return given, made, per_flow(batch.targets, tasks, flows)

    def _chosen(self) -> int | None:
        """Return the task that a step trains alone, or None where it trains all."""
        if not self.config.optimiser.random_task or not self.training:
            return None
        random = np.random.default_rng(derive_seed(self.config.seed, "task", self.step))
        return int(random.integers(len(self.config.network.outputs)))

    def _inconsistency(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Return how far the second truth is from what the trained network makes of the first answer."""
        network = self._consistent[0]
        assert isinstance(network, TranslationNetwork)
        first = answers.chunk(2)[0]
        if network.stack.channels[0] == 1:
            first = first.mean(1, keepdim=True)
        return F.l1_loss(network(first).answers, targets.chunk(2)[1])

    def _set_rates(self, optimisers: list[Any]) -> None:
        """Give every group the learning rate of the present step."""
        share = 1.0
        if self.config.optimiser.schedule == "cosine":
            share = 0.5 * (1.0 + math.cos(math.pi * self.step / self.config.steps))
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * share


def _consistency_network(config: TranslationConfig) -> nn.Module:
    """Return the trained network that ties the first output to the second.

    Raises:
        ConfigError: it is of another task, translates something else, or codes depth in another way.
    """
    run = read_run(Path(config.optimiser.consistency_run))
    first, second = config.network.outputs
    found = run.config.network
    if not isinstance(found, TranslatorConfig) or (found.inputs, found.outputs) != ((first,), (second,)):
        raise ConfigError(
            f"optimiser.consistency_run {run.folder} is no translation of {first} to {second}; train one first"
        )
    mine, theirs = ((of.depth_gain, of.depth_top) for of in (config.network, found))
    if any(domain(name).is_depth for name in (first, second)) and mine != theirs:
        raise ConfigError(
            f"optimiser.consistency_run {run.folder} codes depth with depth_gain, depth_top = {theirs}, this run with "
            f"{mine}; set network.depth_gain={theirs[0]} and network.depth_top={theirs[1]}"
        )
    network: nn.Module = run.network.requires_grad_(False)
    return network
