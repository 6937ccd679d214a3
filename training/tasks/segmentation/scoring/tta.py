"""Test-time augmentation: deciding from several versions of an image, at other scales and mirrored.

The papers test on several scales without naming them; the official code has one (see `evaluate --scales`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.modalities import Modality
from crosswire.training.models import Decisions
from crosswire.training.tasks.segmentation.losses import upsample


def decide(
    network: nn.Module,
    inputs: Sequence[Tensor],
    modalities: Sequence[Modality],
    *,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> Decisions:
    """Return a network's decisions from one or several versions of the same images.

    Args:
        network: in evaluation mode.
        inputs: one normalised tensor [N, c_m, H, W] per stream.
        modalities: of the streams.
        scales: by which height and width are multiplied.
        flip: also from left to right, at every scale.

    Returns:
        the network's own logits where there is one version; else log-probabilities at [H, W], the logarithm of the mean
        over all versions of the soft-max.
    """
    if tuple(scales) == (1.0,) and not flip:
        decisions: Decisions = network(*inputs)
        return decisions
    size = (inputs[0].shape[2], inputs[0].shape[3])
    totals = [torch.zeros(()), torch.zeros(())]
    for scale in scales:
        scaled = [_resize(x, m, scale) for x, m in zip(inputs, modalities, strict=True)]
        for mirrored in (False, True) if flip else (False,):
            seen = [x.flip(3) for x in scaled] if mirrored else scaled
            for index, logits in enumerate(network(*seen)[:2]):
                probabilities = upsample(logits, size).softmax(1)
                totals[index] = totals[index] + (probabilities.flip(3) if mirrored else probabilities)
    versions = len(scales) * (2 if flip else 1)
    ensemble, streams = ((total / versions).clamp_min(1e-12).log() for total in totals)
    return Decisions(ensemble, streams)


def _resize(picture: Tensor, modality: Modality, scale: float) -> Tensor:
    """Scale normalised images [N, C, H, W]; those with missing values without mixing neighbours."""
    if scale == 1.0:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[2:]]
    if modality.missing is not None:
        return F.interpolate(picture, size=size, mode="nearest-exact")
    return F.interpolate(picture, size=size, mode="bilinear", align_corners=False, antialias=scale < 1)
