"""Errors of pictures, named for what they are, on the scale from -1 to 1; and the distances of feature distributions.

The papers' "MSE" is the root of the mean squared error; here it is called RMSE.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError

from training.models.translation import Pictures
from training.translation.config import TranslatorConfig

_SUBSETS = 50
_SUBSET = 1000


class PictureMetrics(nn.Module):
    """Errors of the answer of every task, and of the picture of every flow where the pictures are mixed.

    Args:
        network: says what comes in and goes out.
    """

    def __init__(self, network: TranslatorConfig) -> None:
        super().__init__()
        self.outputs = network.outputs
        self.flows: dict[str, list[str]] = {}
        if not network.mixes_features and not network.merges and network.streams > 1:
            self.flows = {output: list(names) for output, names in zip(network.outputs, network.tasks, strict=True)}
        names = [*network.outputs, *(f"{o} from {i}" for o, inputs in self.flows.items() for i in inputs)]
        self.names = tuple(names)
        self.absolute = nn.ModuleList(MeanAbsoluteError() for _ in names)
        self.squared = nn.ModuleList(MeanSquaredError() for _ in names)

    @torch.no_grad()
    def update(self, pictures: Pictures, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        tasks = len(self.outputs)
        true = targets.chunk(tasks)
        made = list(pictures.answers.chunk(tasks))
        if self.flows:
            streams = len(self.names) // tasks - 1
            made += pictures.flows.chunk(tasks * streams)
            true = (*true, *(truth for truth in true for _ in range(streams)))
        for index, (answer, truth) in enumerate(zip(made, true, strict=True)):
            for metric in (self.absolute[index], self.squared[index]):
                metric.update(answer.float().contiguous(), truth.float().contiguous())  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return `mae`, `mse` and `rmse` by the name of an output, or `OUTPUT from INPUT` for one flow."""
        scores = {}
        for index, name in enumerate(self.names):
            squared = float(self.squared[index].compute())  # type: ignore[operator]
            absolute = float(self.absolute[index].compute())  # type: ignore[operator]
            scores[name] = {"mae": absolute, "mse": squared, "rmse": squared**0.5}
        return scores

    def reset(self) -> None:
        """Forget all counts."""
        for metric in (*self.absolute, *self.squared):
            metric.reset()


class FeatureDistances(nn.Module):
    """FID and KID of every output on the features of a given network; 003_e01c86a338b7627d.txt, section 4.

    Args:
        outputs: names of the output domains.
        features: maps uint8 [N, 3, H, W] to features [N, D]; has `num_features`.
        pictures: how many there will be, which limits the subsets of KID.
    """

    def __init__(self, outputs: tuple[str, ...], features: nn.Module, pictures: int) -> None:
        super().__init__()
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        self.outputs = outputs
        subset = min(_SUBSET, pictures)
        self.fid = nn.ModuleList(FrechetInceptionDistance(feature=features) for _ in outputs)
        self.kid = nn.ModuleList(
            KernelInceptionDistance(feature=features, subsets=_SUBSETS if subset < pictures else 1, subset_size=subset)
            for _ in outputs
        )

    @torch.no_grad()
    def update(self, pictures: Pictures, targets: Tensor) -> None:
        """Count one batch; the truth is stacked as the answers [T*N, 3, H, W]."""
        tasks = len(self.outputs)
        for index, (made, true) in enumerate(zip(pictures.answers.chunk(tasks), targets.chunk(tasks), strict=True)):
            for metric in (self.fid[index], self.kid[index]):
                metric.update(_bytes(true), real=True)  # type: ignore[operator]
                metric.update(_bytes(made), real=False)  # type: ignore[operator]

    def compute(self) -> dict[str, dict[str, float]]:
        """Return `fid` and `kid` by the name of an output."""
        scores: dict[str, dict[str, float]] = {}
        for index, name in enumerate(self.outputs):
            kid: Any = self.kid[index].compute()  # type: ignore[operator]
            scores[name] = {"fid": float(self.fid[index].compute()), "kid": float(kid[0])}  # type: ignore[operator]
        return scores


def _bytes(pictures: Tensor) -> Tensor:
    """Return pictures from -1 to 1 as bytes."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
