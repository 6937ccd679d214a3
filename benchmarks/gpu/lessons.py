"""One training step of each of the papers' networks: forward, loss, backward, update, on random data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.gpu.machine import Arithmetic, Machine
from crosswire.training.modalities import modalities
from crosswire.training.tasks.audio_video.config import AudioVideoConfig, ClipShape
from crosswire.training.tasks.audio_video.data import ClipBatch
from crosswire.training.tasks.audio_video.module import AudioVideoTask
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import Batch
from crosswire.training.tasks.segmentation.losses import sparsity_loss
from crosswire.training.tasks.segmentation.module import SegmentationTask
from crosswire.training.tasks.translation.config import TranslationConfig
from crosswire.training.tasks.translation.data import ImageBatch
from crosswire.training.tasks.translation.module import TranslationTask


@dataclass(frozen=True)
class TrainingLoad:
    """What is trained.

    Attributes:
        name: as it stands in the figures.
        size: of one sample, in words.
        batch: samples per step.
        step: takes one step.
    """

    name: str
    size: str
    batch: int
    step: Callable[[Arithmetic], None]


def refinenet101(machine: Machine) -> TrainingLoad:
    """Return RefineNet-101 on two streams of 480x640."""
    return _segmentation("refinenet101", machine, batch=6)


def cen_lite(machine: Machine) -> TrainingLoad:
    """Return the light network on the same pictures."""
    return _segmentation("cen-lite", machine, batch=8)


def _segmentation(name: str, machine: Machine, batch: int) -> TrainingLoad:
    """Return a segmentation network with the loss and the optimiser of the paper on NYUv2."""
    config = preset("nyuv2-refinenet101")
    assert isinstance(config, SegmentationConfig)
    network, (height, width) = dataclasses.replace(config.network, name=name), (480, 640)
    if machine.tiny:
        small = {"refinenet101": "refinenet14", "cen-lite": "cen-lite-s"}[name]
        network = dataclasses.replace(network, name=small, width=8, features=8)
        batch, height, width = 2, 64, 96
    task = SegmentationTask(dataclasses.replace(config, network=network)).to(machine.device)
    inputs = [torch.randn(batch, one.channels, height, width, device=machine.device) for one in modalities(network)]
    labels = torch.randint(0, network.classes, (batch, height, width), device=machine.device)
    optimiser = task.configure_optimizers()["optimizer"]

    def loss() -> Tensor:
        return task.batch_loss(Batch(inputs, labels)) + config.optimiser.sparsity * sparsity_loss(task.network)

    return TrainingLoad(name, f"{height}x{width}, 2 streams", batch, _descent(machine, task.network, [optimiser], loss))


def gmf(machine: Machine) -> TrainingLoad:
    """Return GMF on the clips of VGGSound, with its extractors in training."""
    config = preset("vggsound-gmf")
    assert isinstance(config, AudioVideoConfig)
    batch = 4
    if machine.tiny:
        small = preset("events-gmf")
        assert isinstance(small, AudioVideoConfig)
        shape = ClipShape(4, 32, 48, 3.0, 16000, 16000)
        config, batch = dataclasses.replace(small, network=dataclasses.replace(small.network, clip=shape)), 2
    task = AudioVideoTask(config).to(machine.device)
    clip = config.network.clip
    pixels = (batch, clip.frames, clip.height, clip.width, 3)
    frames = torch.randint(0, 256, pixels, dtype=torch.uint8, device=machine.device)
    sound = 2 * torch.rand(batch, clip.samples, device=machine.device) - 1
    labels = torch.randint(0, config.network.classes, (batch,), device=machine.device)
    found = task.configure_optimizers()
    optimiser = found["optimizer"] if isinstance(found, dict) else found

    def loss() -> Tensor:
        return task.batch_loss(ClipBatch([frames, sound], labels))[0]

    size = f"{clip.frames} frames of {clip.height}x{clip.width}, {clip.samples} samples of sound"
    return TrainingLoad("gmf", size, batch, _descent(machine, task.network, [optimiser], loss))


def unet256(machine: Machine) -> TrainingLoad:
    """Return the U-Net of 256x256 from shade and texture to colour, with its discriminator."""
    config, batch, side = preset("taskonomy-shade-texture-rgb"), 16, 256
    assert isinstance(config, TranslationConfig)
    if machine.tiny:
        network = dataclasses.replace(config.network, levels=4, width=8)
        optimiser = dataclasses.replace(config.optimiser, discriminator_width=8)
        config, batch, side = dataclasses.replace(config, network=network, optimiser=optimiser), 2, 64
    task = TranslationTask(config).to(machine.device)
    channels = task.network.stack.channels
    inputs = [2 * torch.rand(batch, one, side, side, device=machine.device) - 1 for one in channels]
    target = 2 * torch.rand(batch, 3, side, side, device=machine.device) - 1
    step = _against_judges(machine, task, ImageBatch(inputs, target))
    return TrainingLoad("unet256", f"{side}x{side}, 2 streams, with discriminator", batch, step)


def _descent(
    machine: Machine, network: nn.Module, optimisers: Sequence[Optimizer], loss: Callable[[], Tensor]
) -> Callable[[Arithmetic], None]:
    """Return a step down one loss."""

    def step(arithmetic: Arithmetic) -> None:
        with arithmetic.products():
            network.zero_grad(set_to_none=True)
            with arithmetic.forward(machine.device):
                found = loss()
            found.backward()  # type: ignore[no-untyped-call]
            for optimiser in optimisers:
                optimiser.step()

    return step


def _against_judges(machine: Machine, task: TranslationTask, batch: ImageBatch) -> Callable[[Arithmetic], None]:
    """Return a step of the discriminators and one of the generator, as `TranslationTask.training_step` takes them."""
    generator, critic = task.configure_optimizers()
    sparsity = task.config.optimiser.sparsity

    def step(arithmetic: Arithmetic) -> None:
        with arithmetic.products():
            with arithmetic.forward(machine.device):
                pictures = task.network(*batch.inputs)
                doubt = task.critic_loss(batch, pictures)
            critic.zero_grad(set_to_none=True)
            doubt.backward()  # type: ignore[no-untyped-call]
            critic.step()
            with arithmetic.forward(machine.device):
                loss = task.generator_loss(batch, pictures) + sparsity * sparsity_loss(task.network)
            generator.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            generator.step()

    return step


LESSONS: dict[str, Callable[[Machine], TrainingLoad]] = {
    "refinenet101": refinenet101,
    "cen-lite": cen_lite,
    "unet256": unet256,
    "gmf": gmf,
}
