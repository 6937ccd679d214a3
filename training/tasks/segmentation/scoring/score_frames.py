"""Scoring decisions on frames, one batch after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from tqdm import tqdm

from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import Run
from crosswire.training.models import Decisions
from crosswire.training.tasks.segmentation.data import eval_loader
from crosswire.training.tasks.segmentation.metrics import Scores, SegmentationMetrics

Decide: TypeAlias = Callable[[list[Tensor]], Decisions]
"""Decides from one normalised tensor [N, c_m, H, W] per stream."""


def score_frames(
    run: Run, source: FrameSource, decide: Decide, deciding: tuple[str, ...], title: str, *, progress: bool = True
) -> dict[str, Scores]:
    """Return the scores of `ensemble` and, where there are several, of every stream that decides.

    Args:
        run: the trained network.
        source: frames with the network's classes.
        decide: uses the run's network, which is moved to the GPU meanwhile where there is one.
        deciding: names of the streams of which the decisions are scored, too.
        title: of the progress bar.
        progress: show how far it is.
    """
    metrics = SegmentationMetrics(deciding, run.config.network.classes)
    with accelerated(run.network, metrics) as device, torch.inference_mode():
        for batch in tqdm(eval_loader(run.config, source), desc=title, disable=not progress):
            inputs, labels = batch.to(device)
            metrics.update(decide(inputs), labels)
        return metrics.compute()
