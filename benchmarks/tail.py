"""Times ways to get labels and confidence out of logits in ONNX Runtime: 40 classes from 120x160 to 480x640.

All take turns in one thread; figures are medians of processor time, since a busy neighbour hardly counts there. Every
way agrees with the first one in all labels and within one step of confidence, or the benchmark fails. Run
it with ``python -m benchmarks.tail``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks._record import keep
from crosswire.contract import TensorSpec
from crosswire.export.graph_file import save
from crosswire.export.onnx_graph import exported
from crosswire.export.parity import onnx_runner
from crosswire.export.tasks.segmentation.argmax_head import Answers, by_residues, whole
from crosswire.training.tasks.segmentation.losses import upsample

CLASSES, SMALL, LARGE = 40, (120, 160), (480, 640)


def whole_softmax(logits: Tensor) -> Answers:
    """Take the soft-max of all classes."""
    probabilities = upsample(logits, LARGE).softmax(1)
    return probabilities.argmax(1).to(torch.uint8), probabilities.amax(1).mul(255).round().to(torch.uint8)


def winner(logits: Tensor) -> Answers:
    """Take the soft-max of the winner alone."""
    return whole(logits, LARGE)


def residues(logits: Tensor) -> Answers:
    """Decide on one residue of rows and columns at a time, as graphs for a CPU do."""
    return by_residues(logits, LARGE)


def top_one(logits: Tensor) -> Answers:
    """Find value and index of the winner in one operator."""
    large = upsample(logits, LARGE)
    value, index = large.topk(1, 1)
    return index.squeeze(1).to(torch.uint8), (255 / (large - value).exp().sum(1)).round().to(torch.uint8)


def separable(logits: Tensor) -> Answers:
    """Up-sample with two products of matrices."""
    rows, columns = (_weights(small, large) for small, large in zip(SMALL, LARGE, strict=True))
    return whole(rows @ (logits @ columns.T), LARGE)


def channels_last(logits: Tensor) -> Answers:
    """Decide along the last axis."""
    large = upsample(logits, LARGE).permute(0, 2, 3, 1)
    probabilities = large.softmax(3)
    return large.argmax(3).to(torch.uint8), probabilities.amax(3).mul(255).round().to(torch.uint8)


WAYS = (whole_softmax, winner, top_one, separable, channels_last, residues)


class ArgmaxHead(nn.Module):
    """One way as a module of logits."""

    def __init__(self, way: Callable[[Tensor], Answers]) -> None:
        super().__init__()
        self.way = way

    def forward(self, *raw: Tensor) -> Answers:
        """Map logits [N, K, h, w] to labels and confidence, uint8 [N, H, W]."""
        return self.way(raw[0])


def _weights(small: int, large: int) -> Tensor:
    """Return the matrix [large, small] of bilinear up-sampling along one axis."""
    eye = torch.eye(small)[None]
    return nn.functional.interpolate(eye, size=large, mode="linear", align_corners=False)[0].T.contiguous()


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="labels and confidence out of logits")
    parser.add_argument("--repeats", type=int, default=9, help="counted rounds (default 9)")
    wanted = parser.parse_args()
    spec = TensorSpec("low", "FP32", (CLASSES, *SMALL), ("class", "height", "width"), "logit")
    logits = 3 * torch.randn(1, CLASSES, *SMALL, generator=torch.Generator().manual_seed(0))
    runners = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            path = Path(folder) / f"{way.__name__}.onnx"
            save(exported(ArgmaxHead(way), [spec], ["labels", "confidence"], None), path)
            runners[way.__name__] = onnx_runner(path, threads=1)
    reference = runners["whole_softmax"]([logits])
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(wanted.repeats):
        for name, runner in runners.items():
            start = time.process_time()
            labels, confidence = runner([logits])
            times[name].append(1e3 * (time.process_time() - start))
            steps = np.abs(confidence.astype(int) - reference[1].astype(int)).max()
            if (labels == reference[0]).mean() < 0.99999 or steps > 1:
                raise SystemExit(f"error: {name} does not answer as whole_softmax does")
    medians = {name: round(statistics.median(values), 1) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:14} {value:7.1f} ms")
    keep("tail", {"threads": 1, "processor_ms": medians})


if __name__ == "__main__":
    main()
