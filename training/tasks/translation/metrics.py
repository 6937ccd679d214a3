"""Errors of images, named for what they are, on the scale from -1 to 1; and the distances of feature distributions.

Labels are scored as those of a segmentation are; classes in colours are scored as images are, and once more as the
labels that they are served as.

The papers' "MSE" is the root of the mean squared error; here it is called RMSE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError
from torchmetrics.classification import MulticlassConfusionMatrix

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.tasks.segmentation.metrics import scores
from crosswire.training.tasks.translation.config import TranslatorConfig
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


class PaintedScores(nn.Module):
    """Errors of classes in colours, and scores of the classes whose colours are nearest.

    Args:
        code: how they are coded.
    """

    def __init__(self, code: Codec) -> None:
        super().__init__()
        self.code = code
        self.errors = ImageErrors()
        self.labels = LabelScores(code.classes)

    def update(self, made: Tensor, true: Tensor) -> None:
        """Count a batch of images [N, 3, H, W]."""
        self.errors.update(made, true)
        self.labels.matrix.update(self.code.labels_of(made.float()), self.code.labels_of(true.float()))

    def compute(self) -> dict[str, float]:
        """Return what `ImageErrors` and `LabelScores` return."""
        return self.errors.compute() | self.labels.compute()

    def reset(self) -> None:
        """Forget all counts."""
        self.errors.reset()
        self.labels.reset()


def error_of(found: dict[str, float]) -> float:
    """Return the figure of an output that a training brings down: its absolute error, or 1 - mean IoU of labels."""
    return found["mae"] if "mae" in found else 1 - found["mean_iou"]


@dataclass(frozen=True)
class ScoredImage:
    """One of the images that a generator makes of a view and that is scored.

    Attributes:
        name: of an output, or `OUTPUT from INPUT` for the image of one flow.
        task: index of the output.
        code: how the output is coded.
    """

    name: str
    task: int
    code: Codec


def scored_images(network: TranslatorConfig) -> tuple[ScoredImage, ...]:
    """Return what is scored: the answer of every task, then the image of every flow where the images are mixed."""
    codes = codecs(network.outputs, network)
    found = [ScoredImage(code.domain.name, task, code) for task, code in enumerate(codes)]
    if not network.mixes_features and not network.merges and network.streams > 1:
        found += [
            ScoredImage(f"{codes[task].domain.name} from {network.inputs[source]}", task, codes[task])
            for task, source in network.flows
        ]
    return tuple(found)


def made_images(images: ImageMix, scored: Sequence[ScoredImage], tasks: int) -> list[Tensor]:
    """Return the images that are scored, float [N, K, H, W] each, in the order of `scored_images`.

    Args:
        images: what a generator has made.
        scored: of which these are scored.
        tasks: T.
    """
    made = list(images.answers.chunk(tasks))
    if len(scored) > tasks:
        made += images.flows.chunk(len(scored) - tasks)
    return [image[:, : one.code.made] for image, one in zip(made, scored, strict=True)]


class ImageMetrics(nn.Module):
    """Errors of the answer of every task, and of the image of every flow where the images are mixed.

    Args:
        network: says what comes in and goes out.
    """

    def __init__(self, network: TranslatorConfig) -> None:
        super().__init__()
        self.scored = scored_images(network)
        self.found = nn.ModuleList(_metric(one.code) for one in self.scored)
        self.tasks = len(network.outputs)

    @torch.no_grad()
    def update(self, images: ImageMix, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        true = targets.chunk(self.tasks)
        for metric, one, made in zip(
            self.found, self.scored, made_images(images, self.scored, self.tasks), strict=True
        ):
            metric.update(made, true[one.task])  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return the errors by the name of an output, or `OUTPUT from INPUT` for one flow."""
        return {one.name: metric.compute() for one, metric in zip(self.scored, self.found, strict=True)}  # type: ignore[operator]

    def reset(self) -> None:
        """Forget all counts."""
        for metric in self.found:
            metric.reset()  # type: ignore[operator]


def _metric(code: Codec) -> ImageErrors | LabelScores | PaintedScores:
    """Return what counts the errors of a domain."""
    if code.domain.is_painted:
        return PaintedScores(code)
    return LabelScores(code.classes) if code.domain.is_labels else ImageErrors()


class FeatureDistances(nn.Module):
    """FID and KID of every output but labels, and of every flow of it, on the features of a given network.

    Source: the CEN journal paper, section 4; per stream and of the ensemble as in its Tables 10 and 11.

    Args:
        network: says what comes in and goes out.
        features: maps uint8 [N, 3, H, W] to features [N, D]; has `num_features`.
        images: how many there will be, which limits the subsets of KID.
    """

    def __init__(self, network: TranslatorConfig, features: nn.Module, images: int) -> None:
        super().__init__()
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        self.features = features
        self.tasks = len(network.outputs)
        self.scored = scored_images(network)
        given, subset = _Given(features), min(_SUBSET, images)
        subsets = _SUBSETS if subset < images else 1
        self.fid, self.kid = nn.ModuleDict(), nn.ModuleDict()
        for one in self.scored:
            if not one.code.domain.is_labels:
                self.fid[one.name] = FrechetInceptionDistance(feature=given)
                self.kid[one.name] = KernelInceptionDistance(feature=given, subsets=subsets, subset_size=subset)

    @torch.no_grad()
    def update(self, images: ImageMix, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        pictures = {one.task for one in self.scored if one.name in self.fid}
        true = {
            task: self.features(_bytes(part)) for task, part in enumerate(targets.chunk(self.tasks)) if task in pictures
        }
        for one, made in zip(self.scored, made_images(images, self.scored, self.tasks), strict=True):
            if one.name not in self.fid:
                continue
            found = self.features(_bytes(made))
            for metric in (self.fid[one.name], self.kid[one.name]):
                metric.update(true[one.task], real=True)  # type: ignore[operator]
                metric.update(found, real=False)  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return `fid` and `kid` by the name of an output, or `OUTPUT from INPUT` for one flow."""
        scores: dict[str, dict[str, float]] = {}
        for name, fid in self.fid.items():
            kid: Any = self.kid[name].compute()  # type: ignore[operator]
            scores[name] = {"fid": float(fid.compute()), "kid": float(kid[0])}  # type: ignore[operator]
        return scores


class _Given(nn.Module):
    """Features that have been computed already, so that several distances take the same.

    Args:
        of: what has computed them.
    """

    def __init__(self, of: nn.Module) -> None:
        super().__init__()
        self.num_features = of.num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return features [N, D] as they are."""
        return features


def _bytes(images: Tensor) -> Tensor:
    """Return images from -1 to 1 as bytes."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
