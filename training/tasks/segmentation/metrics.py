"""Pixel accuracy, mean accuracy and mean intersection over union, for the ensemble and for every stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.models import Decisions
from crosswire.training.tasks.segmentation.losses import upsample


@dataclass(frozen=True)
class Scores:
    """How well one decision agrees with the truth, each 0..1.

    Attributes:
        mean_iou: mean over the classes that occur of intersection over union.
        mean_accuracy: mean over the classes that occur in the truth of their share found.
        pixel_accuracy: share of pixels that are right.
        iou: intersection over union per class; NaN for a class that neither side has.
        pixels: labelled pixels of each class in the truth.
    """

    mean_iou: float
    mean_accuracy: float
    pixel_accuracy: float
    iou: tuple[float, ...]
    pixels: tuple[int, ...]


def scores(confusion: Tensor) -> Scores:
    """Compute scores from a confusion matrix [K, K], rows the truth, columns the decision."""
    confusion = confusion.double()
    hits, truth, found = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    iou = hits / (truth + found - hits)
    return Scores(
        mean_iou=float(iou.nanmean()),
        mean_accuracy=float((hits / truth).nanmean()),
        pixel_accuracy=float(hits.sum() / confusion.sum()),
        iou=tuple(iou.tolist()),
        pixels=tuple(int(count) for count in truth.tolist()),
    )


class SegmentationMetrics(nn.Module):
    """Confusion matrices of the ensemble and of every stream.

    Args:
        streams: names of the streams.
        classes: K.
    """

    def __init__(self, streams: tuple[str, ...], classes: int) -> None:
        super().__init__()
        self.names = ("ensemble", *(streams if len(streams) > 1 else ()))
        self.matrices = nn.ModuleList(MulticlassConfusionMatrix(classes, ignore_index=IGNORE) for _ in self.names)

    @torch.no_grad()
    def update(self, decisions: Decisions, labels: Tensor) -> None:
        """Count one batch.

        Args:
            decisions: logits at the decoder's resolution.
            labels: int64 [N, H, W].
        """
        size = (labels.shape[-2], labels.shape[-1])
        per_stream = torch.split(decisions.streams, labels.shape[0]) if len(self.names) > 1 else ()
        for matrix, logits in zip(self.matrices, (decisions.ensemble, *per_stream), strict=True):
            matrix.update(upsample(logits.float(), size).argmax(1), labels)  # type: ignore[operator]

    def compute(self) -> dict[str, Scores]:
        """Return the scores by name: `ensemble` first, then the streams where there are several."""
        return {
            name: scores(matrix.compute())  # type: ignore[operator]
            for name, matrix in zip(self.names, self.matrices, strict=True)
        }

    def reset(self) -> None:
        """Forget all counts."""
        for matrix in self.matrices:
            matrix.reset()  # type: ignore[operator]
