"""Errors of images, named for what they are, on the scale from -1 to 1; and the distances of feature distributions.

Labels are scored as those of a segmentation are.

The papers' "MSE" is the root of the mean squared error; here it is called RMSE.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError
from torchmetrics.classification import MulticlassConfusionMatrix

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.tasks.segmentation.metrics import scores
from crosswire.training.tasks.translation.config import LABELS, TranslatorConfig
from crosswire.training.tasks.translation.domains import Codec, codecs
from crosswire.training.tasks.translation.network import ImageMix

_SUBSETS = 50
_SUBSET = 1000


class ImageErrors(nn.Module):
    """Errors of the images of one domain."""

    def __init__(self) -> None:
        super().__init__()
        self.absolute = MeanAbsoluteError()
        self.squared = MeanSquaredError()

    def update(self, made: Tensor, true: Tensor) -> None:
        """Count a batch of images [N, 3, H, W]."""
        for metric in (self.absolute, self.squared):
            metric.update(made.float().contiguous(), true.float().contiguous())

    def compute(self) -> dict[str, float]:
        """Return `mae`, `mse` and `rmse`."""
        squared = float(self.squared.compute())
        return {"mae": float(self.absolute.compute()), "mse": squared, "rmse": squared**0.5}

    def reset(self) -> None:
        """Forget all counts."""
        self.absolute.reset()
        self.squared.reset()


class LabelScores(nn.Module):
    """Scores of labels.

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.matrix = MulticlassConfusionMatrix(classes, ignore_index=IGNORE)

    def update(self, made: Tensor, true: Tensor) -> None:
        """Count a batch of scores [N, K, H, W]; the truth is [N, 3, H, W], class indices three times."""
        self.matrix.update(made.argmax(1), true[:, 0].long())

    def compute(self) -> dict[str, float]:
        """Return `mean_iou`, `mean_accuracy` and `pixel_accuracy`."""
        found = scores(self.matrix.compute())
        return {name: getattr(found, name) for name in ("mean_iou", "mean_accuracy", "pixel_accuracy")}

    def reset(self) -> None:
        """Forget all counts."""
        self.matrix.reset()


def error_of(found: dict[str, float]) -> float:
    """Return the figure of an output that a training brings down: its absolute error, or 1 - mean IoU of labels."""
    return found["mae"] if "mae" in found else 1 - found["mean_iou"]


class ImageMetrics(nn.Module):
    """Errors of the answer of every task, and of the image of every flow where the images are mixed.

    Args:
        network: says what comes in and goes out.
    """

    def __init__(self, network: TranslatorConfig) -> None:
        super().__init__()
        self.codes: tuple[Codec, ...] = codecs(network.outputs, network)
        flows: dict[str, list[str]] = {}
        if not network.mixes_features and not network.merges and network.streams > 1:
            flows = {output: list(names) for output, names in zip(network.outputs, network.tasks, strict=True)}
        self.streams = network.streams if flows else 0
        self.names = (*network.outputs, *(f"{o} from {i}" for o, inputs in flows.items() for i in inputs))
        self.found = nn.ModuleList(_metric(code) for code in self.codes)
        self.found.extend(_metric(code) for code in self.codes for _ in range(self.streams))

    @torch.no_grad()
    def update(self, images: ImageMix, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        tasks = len(self.codes)
        codes, true = list(self.codes), list(targets.chunk(tasks))
        made = list(images.answers.chunk(tasks))
        if self.streams:
            made += images.flows.chunk(tasks * self.streams)
            codes += [code for code in self.codes for _ in range(self.streams)]
            true += [truth for truth in true for _ in range(self.streams)]
        for metric, code, answer, truth in zip(self.found, codes, made, true, strict=True):
            metric.update(answer[:, : code.made], truth)  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return the errors by the name of an output, or `OUTPUT from INPUT` for one flow."""
        return {name: metric.compute() for name, metric in zip(self.names, self.found, strict=True)}  # type: ignore[operator]

    def reset(self) -> None:
        """Forget all counts."""
        for metric in self.found:
            metric.reset()  # type: ignore[operator]


def _metric(code: Codec) -> ImageErrors | LabelScores:
    """Return what counts the errors of a domain."""
    return LabelScores(code.classes) if code.domain.is_labels else ImageErrors()


class FeatureDistances(nn.Module):
    """FID and KID of every output but labels on the features of a given network; the CEN journal paper, section 4.

    Args:
        outputs: names of the output domains.
        features: maps uint8 [N, 3, H, W] to features [N, D]; has `num_features`.
        images: how many there will be, which limits the subsets of KID.
    """

    def __init__(self, outputs: tuple[str, ...], features: nn.Module, images: int) -> None:
        super().__init__()
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        self.outputs = outputs
        subset = min(_SUBSET, images)
        self.fid = nn.ModuleList(FrechetInceptionDistance(feature=features) for _ in outputs)
        self.kid = nn.ModuleList(
            KernelInceptionDistance(feature=features, subsets=_SUBSETS if subset < images else 1, subset_size=subset)
            for _ in outputs
        )

    @torch.no_grad()
    def update(self, images: ImageMix, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        tasks = len(self.outputs)
        for index, (made, true) in enumerate(zip(images.answers.chunk(tasks), targets.chunk(tasks), strict=True)):
            for metric in (self.fid[index], self.kid[index]) if self.outputs[index] != LABELS else ():
                metric.update(_bytes(true), real=True)  # type: ignore[operator]
                metric.update(_bytes(made[:, :3]), real=False)  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return `fid` and `kid` by the name of an output."""
        scores: dict[str, dict[str, float]] = {}
        for index, name in enumerate(self.outputs):
            if name == LABELS:
                continue
            kid: Any = self.kid[index].compute()  # type: ignore[operator]
            scores[name] = {"fid": float(self.fid[index].compute()), "kid": float(kid[0])}  # type: ignore[operator]
        return scores


def _bytes(images: Tensor) -> Tensor:
    """Return images from -1 to 1 as bytes."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
