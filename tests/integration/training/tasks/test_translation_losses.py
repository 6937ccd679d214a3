"""The objective of generators: what each part of it is, and whom it reaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run, write_config, write_weights
from crosswire.training.models import sparse_norms
from crosswire.training.overrides import override
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.config import ExtractorConfig as Extractor
from crosswire.training.tasks.audio_video.config import NetworkConfig as AudioVideoNetwork
from crosswire.training.tasks.registry import network_family_of
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.losses import sparsity_loss
from crosswire.training.tasks.translation.config import TranslationConfig
from crosswire.training.tasks.translation.data import ImageBatch
from crosswire.training.tasks.translation.domains import codec
from crosswire.training.tasks.translation.losses import believed, per_flow
from crosswire.training.tasks.translation.module import TranslationTask
from tests.integration.training.tasks.test_translation_training import shrunk
from tests.unit.training.models.test_networks import tiny_config


def batch_of(config: TranslationConfig) -> ImageBatch:
    """Return a batch of noise."""
    network = config.network
    torch.manual_seed(0)
    inputs = [torch.rand(2, codec(name, network).domain.channels, 32, 48) * 2 - 1 for name in network.inputs]
    return ImageBatch(inputs, torch.rand(2 * len(network.outputs), 3, 32, 48) * 2 - 1)


def test_the_objective_is_gan_and_a_hundred_times_l1_of_every_stream_and_the_ensemble() -> None:
    config = shrunk(
        "rooms-translate", None, "optimiser.adversarial=1", "optimiser.stream_loss=1", "network.fusion=none"
    )
    task = TranslationTask(config).train()
    batch = batch_of(config)
    made = task.network(*batch.inputs)
    first, second = made.flows[:2], made.flows[2:]
    gan = sum(
        torch.nn.functional.softplus(-task.judges[0](x.expand(-1, 3, -1, -1), y)).mean()
        for x, y in zip(batch.inputs, (first, second), strict=True)
    )
    l1 = sum((picture - batch.targets).abs().mean() for picture in (first, second, made.answers))
    torch.testing.assert_close(task.generator_loss(batch, made), gan + 100 * l1, rtol=1e-4, atol=1e-3)


def test_the_objective_of_the_papers_is_gan_and_a_hundred_times_l1_of_the_ensemble_alone() -> None:
    more = ("optimiser.adversarial=1", "optimiser.stream_loss=0", "optimiser.judged=answers", "network.fusion=none")
    task = TranslationTask(shrunk("rooms-translate", None, *more)).train()
    batch = batch_of(task.config)
    made = task.network(*batch.inputs)
    given = [x.expand(-1, 3, -1, -1) for x in batch.inputs]

    def judged(picture: torch.Tensor, sign: float) -> torch.Tensor:
        """Return the mean over the inputs of what a verdict on a picture beside each of them costs."""
        return sum(torch.nn.functional.softplus(sign * task.judges[0](x, picture)).mean() for x in given) / len(given)

    wanted = judged(made.answers, -1.0) + 100 * (made.answers - batch.targets).abs().mean()
    torch.testing.assert_close(task.generator_loss(batch, made), wanted, rtol=1e-4, atol=1e-3)
    critic = 0.5 * (judged(batch.targets, -1.0) + judged(made.answers, 1.0))
    torch.testing.assert_close(task.critic_loss(batch, made), critic)
    shifted = made._replace(flows=made.flows + 1)
    torch.testing.assert_close(task.generator_loss(batch, shifted), wanted, rtol=1e-4, atol=1e-3)


def test_a_discriminator_is_asked_for_every_flow_and_the_sum_is_over_flows() -> None:
    stacked = torch.arange(4.0).view(4, 1)  # two tasks of two samples
    assert per_flow(stacked, 2, 4).flatten().tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    logits = [torch.zeros(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)]
    assert float(believed(logits, true=True, streams=2)) == pytest.approx(4 * np.log(2))


def test_a_detached_ensemble_trains_alpha_alone() -> None:
    more = ("optimiser.detach_ensemble=true", "optimiser.stream_loss=1e-9")
    config = shrunk("rooms-translate", None, *more)
    task = TranslationTask(config).train()
    batch = batch_of(config)
    task.network.mix.scores.data[0, 0] += 1
    task.generator_loss(batch, task.network(*batch.inputs)).backward()
    assert task.network.mix.scores.grad.abs().min() > 0
    assert task.network.decoder.stages[-1].conv.weight.grad.abs().max() < 1e-6


def test_a_random_task_leaves_the_norms_of_the_others_where_they_are(tmp_path: Path) -> None:
    """λ reaches the scaling factors of all tasks, so here it presses hard, and on those of one task alone."""
    more = ("network.inputs=rgb,shade,texture", "network.outputs=rgb,shade,texture", "network.cycle=true")
    one = ("optimiser.random_task=true", "steps=1", "val_every=1", "optimiser.sparsity=1e6")
    config = shrunk("rooms-translate", None, *more, *one)
    torch.manual_seed(config.seed)
    fresh = TranslationTask(config).network
    before = dict(fresh.named_parameters())
    fit(config, tmp_path, progress=False)
    trained = read_run(tmp_path).network
    after = dict(trained.named_parameters())
    moved = {
        key.split("parts.")[1][0]
        for key, parameter in after.items()
        if ".parts." in key and not torch.equal(parameter, before[key])
    }
    assert len(moved) == 1
    pressed = sum(gamma.numel() for norm in sparse_norms(fresh).values() for gamma in norm.penalised()) / 3
    fall = (sparsity_loss(fresh) - sparsity_loss(trained)).item()
    assert fall == pytest.approx(config.optimiser.gamma_lr * pressed, rel=1e-2)


def test_cross_task_consistency_reaches_the_first_task_through_a_trained_network(tmp_path: Path) -> None:
    tie = shrunk("rooms-translate", None, "network.inputs=depth", "network.outputs=normal", "steps=2", "val_every=2")
    fit(tie, tmp_path / "tie", progress=False)
    more = ("optimiser.l1=1", "optimiser.consistency=1", f"optimiser.consistency_run={tmp_path / 'tie'}")
    config = shrunk("rooms-multitask", None, *more)
    task, batch = TranslationTask(config).train(), batch_of(config)
    made = task.network(*batch.inputs)
    plain = sum((a - b).abs().mean() for a, b in zip(made.answers.chunk(2), batch.targets.chunk(2), strict=True))
    tied = read_run(tmp_path / "tie").network
    more_loss = (tied(made.answers[:2].mean(1, keepdim=True)).answers - batch.targets[2:]).abs().mean()
    torch.testing.assert_close(task.generator_loss(batch, made), plain + more_loss)
    assert not [key for key in task.state_dict() if key.startswith("_consistent")]
    with pytest.raises(ConfigError, match="is no translation of normal to depth"):
        TranslationTask(override(config, ["network.outputs=normal,depth"]))
    with pytest.raises(
        ConfigError, match=r"codes depth with .*; set network.depth_gain=1.0 and network.depth_top=2\.39"
    ):
        TranslationTask(override(config, ["network.depth_gain=512.0"]))
    for other in (tiny_config("refinenet14"), AudioVideoNetwork(video=Extractor(width=2), audio=Extractor(width=2))):
        run = SegmentationConfig(network=other) if isinstance(other, NetworkConfig) else AudioVideoConfig(network=other)
        write_config(tmp_path / "tie", run)
        write_weights(tmp_path / "tie", network_family_of(run).build_network(other).state_dict())
        with pytest.raises(ConfigError, match="is no translation of depth to normal"):
            TranslationTask(config)
