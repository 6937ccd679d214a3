"""What a network of several streams still decides when one of them is missing or has holes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import Run
from crosswire.training.engine.sampling import derive_seed
from crosswire.training.modalities import Modality, modalities
from crosswire.training.models import Decisions, SegmentationNetwork, single_stream
from crosswire.training.tasks.segmentation.data import eval_loader
from crosswire.training.tasks.segmentation.metrics import Scores, SegmentationMetrics

HOLES = 0.5
CELL = 8


def score_missing_modality(run: Run, source: FrameSource, *, progress: bool = True) -> dict[str, Scores]:
    """Score the ensemble's decision of a run with every combination of modalities of its streams.

    Args:
        run: the trained network.
        source: the frames to score it on.
        progress: show how far it is.

    Returns:
        scores by availability: all streams (`both` where there are two), each `X only` (that stream alone, without
        exchange), and `X with 50 % holes` for each stream that can have holes, all streams being there.

    Raises:
        ConfigError: no stream of the network can decide alone.
    """
    config = run.config
    loader = eval_loader(config, source)
    with accelerated(run.network) as device, torch.inference_mode():
        conditions = missing_modality_cases(run.network, modalities(config.network))
        counts = {name: SegmentationMetrics((), config.network.classes).to(device) for name in conditions}
        for index, batch in enumerate(tqdm(loader, desc="scoring availabilities", disable=not progress)):
            torch.manual_seed(derive_seed(config.seed, "holes", index))
            inputs, labels = batch.to(device)
            for name, decide in conditions.items():
                counts[name].update(decide(inputs), labels)
        return {name: metrics.compute()["ensemble"] for name, metrics in counts.items()}


def missing_modality_cases(
    network: SegmentationNetwork, streams: Sequence[Modality]
) -> dict[str, Callable[[list[Tensor]], Decisions]]:
    """Return how a network decides with every combination of modalities, by its name.

    Args:
        network: in evaluation mode, with several streams.
        streams: their modalities.
    """
    conditions: dict[str, Callable[[list[Tensor]], Decisions]] = {
        "both" if len(streams) == 2 else "all": lambda inputs: network(*inputs)
    }
    for place, stream in enumerate(streams):
        conditions[f"{stream.name} only"] = _alone(single_stream(network, place), place)
    for place, stream in enumerate(streams):
        if stream.missing is not None:
            conditions[f"{stream.name} with {HOLES:.0%} holes".replace("%", " %")] = _holed(network, place, stream)
    return conditions


def punch_holes(images: Tensor, missing: Tensor, share: float = HOLES, cell: int = CELL) -> Tensor:
    """Replace randomly chosen square cells of images by "no reading", with torch's global generator.

    Args:
        images: normalised, float [N, C, H, W].
        missing: the normalised value of "no reading", float [C].
        share: of the cells that become holes.
        cell: side of a cell in pixels.

    Returns:
        a tensor of the same shape.
    """
    count, _, height, width = images.shape
    rows, columns = -(-height // cell), -(-width // cell)
    ranks = torch.rand(count, rows * columns).argsort(1).argsort(1).view(count, 1, rows, columns)
    holes = (ranks < round(share * rows * columns)).repeat_interleave(cell, 2).repeat_interleave(cell, 3)
    return torch.where(holes[:, :, :height, :width].to(images.device), missing.view(1, -1, 1, 1), images)


def _alone(network: SegmentationNetwork, place: int) -> Callable[[list[Tensor]], Decisions]:
    """Let one stream decide alone."""
    return lambda inputs: network(inputs[place])


def _holed(network: SegmentationNetwork, place: int, stream: Modality) -> Callable[[list[Tensor]], Decisions]:
    """Let all streams decide, one of them with holes."""

    def decide(inputs: list[Tensor]) -> Decisions:
        value = (torch.tensor([stream.missing]) - torch.tensor(stream.mean)) / torch.tensor(stream.std)
        holed = punch_holes(inputs[place], value.to(inputs[place]))
        decisions: Decisions = network(*inputs[:place], holed, *inputs[place + 1 :])
        return decisions

    return decide
