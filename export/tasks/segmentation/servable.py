"""The wire around a network: raw pixels in, final answers out, all of it in the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import CLASS_INDEX, CONFIDENCE, LABELS
from crosswire.export.tasks.segmentation.argmax_head import Tail, whole
from crosswire.training.modalities import Modality
from crosswire.training.models import Decisions


class SegmentationServable(nn.Module):
    """Normalisation, network, up-sampling, soft-max and arg-max.

    Args:
        network: maps normalised streams [N, C, H, W] to `Decisions` (live) or to the ensemble's logits (frozen).
        modalities: one per stream, in the network's order.
        tapped: return the logits too.
        dtype: arithmetic of the network; what comes before and behind it is float32.
        tail: makes labels and confidence of the logits.
    """

    def __init__(
        self,
        network: nn.Module,
        modalities: Sequence[Modality],
        *,
        tapped: bool = False,
        dtype: torch.dtype = torch.float32,
        tail: Tail = whole,
    ) -> None:
        super().__init__()
        self.network = network
        self.tail = tail
        self.tapped = tapped
        self.dtype = dtype
        for index, modality in enumerate(modalities):
            self.register_buffer(f"mean_{index}", torch.tensor(modality.mean))
            self.register_buffer(f"std_{index}", torch.tensor(modality.std))

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        """Segment raw images.

        Args:
            raw: one tensor per stream, uint8 [N, H, W, 3] or float32 [N, H, W].

        Returns:
            labels, uint8 [N, H, W], and confidence, uint8 [N, H, W]: the winning probability times 255, rounded; where
            tapped also the logits at the decoder's resolution, float32 [N, K, h, w].
        """
        streams = [self._normalise(index, x).to(self.dtype) for index, x in enumerate(raw)]
        decided = self.network(*streams)
        logits = decided.ensemble if isinstance(decided, Decisions) else decided
        logits = logits.float()
        answers = self.tail(logits, (raw[0].shape[1], raw[0].shape[2]))
        return (*answers, logits) if self.tapped else answers

    def _normalise(self, index: int, raw: Tensor) -> Tensor:
        """Bring one raw image into the network's range, float32 [N, C, H, W].

        Interleaved channels are normalised as one long row of pixels each: ONNX Runtime takes several times as long to
        subtract three numbers over and over.
        """
        mean, std = self.get_buffer(f"mean_{index}"), self.get_buffer(f"std_{index}")
        width = raw.shape[2]
        rows = (raw.float().flatten(2) - mean.repeat(width)) / std.repeat(width)
        return rows.reshape(*raw.shape[:3], len(mean)).permute(0, 3, 1, 2)


def input_spec(modality: Modality, size: tuple[int, int]) -> TensorSpec:
    """Describe a modality on the wire at a size (H, W)."""
    planar = modality.channels == 1
    return TensorSpec(
        name=modality.name,
        dtype="FP32" if planar else "UINT8",
        shape=size if planar else (*size, modality.channels),
        axes=("height", "width") if planar else ("height", "width", "channel"),
        unit=modality.unit,
        missing=modality.missing,
        valid_range=modality.valid_range if math.isfinite(modality.valid_range[1]) else None,
        geometry=modality.geometry,
    )


def output_specs(size: tuple[int, int], classes: int) -> tuple[TensorSpec, ...]:
    """Describe the outputs of a segmentation network at a size (H, W)."""
    axes = ("height", "width")
    return (
        TensorSpec(LABELS, "UINT8", size, axes, CLASS_INDEX, valid_range=(0.0, classes - 1.0)),
        TensorSpec(CONFIDENCE, "UINT8", size, axes, "probability * 255", valid_range=(0.0, 255.0)),
    )
