"""Times the fusion of feature vectors alone in ONNX Runtime: GMF against MBT and Perceiver, as Table 2 of the paper.

Two vectors of 512 features, one sample, one thread; no extractor and no classifier. GMF is timed twice: layer by layer
as it trains, and folded as it is exported, since layers with nothing between them are one matrix. All take turns; in
each turn a call warms the caches that the others have used, and the next one is timed; figures are medians of wall
time. The reconstruction, which only training needs, is not in GMF's graph. Every graph answers as PyTorch does, or the
benchmark fails. Parameters and multiply-accumulates are those of the whole fusion as it trains, the published ones
beside them. Run it with ``python -m benchmarks.fusion`` on a quiet machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks._record import keep, processor
from crosswire.contract import TensorSpec
from crosswire.export.graph_file import save
from crosswire.export.onnx_graph import exported
from crosswire.export.parity import Runner, onnx_runner
from crosswire.training.models.vector_fusion import Fusion, FusionConfig, build_fusion, count_fusion

DIMS = (512, 512)
#: Parameters in millions and floating point operations in 10^9, as printed in Table 2 of the GMF paper.
PUBLISHED = {"gmf": (5.25, 0.01), "mbt": (37.83, 0.15), "perceiver": (45.05, 45.59)}
#: Milliseconds that GMF may take.
BOUND = 1.0
FOLDED = "gmf, folded"


class Joint(nn.Module):
    """A fusion whose vectors are arguments of their own.

    Args:
        fusion: in evaluation mode.
    """

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *raw: Tensor) -> Tensor:
        """Return the joint vector [N, out_features]."""
        joint: Tensor = self.fusion(raw).joint
        return joint


class Folded(nn.Module):
    """A fusion without any nonlinearity as one matrix for each run of outputs that hang on the same vector.

    Args:
        fusion: in evaluation mode.
        dims: sizes of the vectors.
    """

    def __init__(self, fusion: Fusion, dims: Sequence[int]) -> None:
        super().__init__()
        with torch.inference_mode():
            bias = fusion([torch.zeros(1, size) for size in dims]).joint[0]
            matrices = []
            for place, size in enumerate(dims):
                raw = [torch.eye(size) if i == place else torch.zeros(size, other) for i, other in enumerate(dims)]
                matrices.append((fusion(raw).joint - bias).T)
        owners = torch.stack([matrix.abs().amax(1) for matrix in matrices]).argmax(0)
        runs = torch.unique_consecutive(owners, return_counts=True)
        self.owners = [int(owner) for owner in runs[0]]
        self.layers = nn.ModuleList()
        start = 0
        for owner, count in zip(self.owners, runs[1].tolist(), strict=True):
            layer = nn.Linear(dims[owner], count)
            layer.weight.data = matrices[owner][start : start + count].clone()
            layer.bias.data = bias[start : start + count].clone()
            self.layers.append(layer)
            start += count

    def forward(self, *raw: Tensor) -> Tensor:
        """Return the joint vector [N, out_features]."""
        return torch.cat([layer(raw[owner]) for owner, layer in zip(self.owners, self.layers, strict=True)], 1)


def milliseconds(runners: Mapping[str, Runner], sample: Sequence[Tensor], repeats: int) -> dict[str, float]:
    """Return the median wall time of a call whose weights the call before has brought into the caches."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats):
        for name, runner in runners.items():
            runner(sample)
            start = time.perf_counter()
            runner(sample)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="fusion of two vectors of 512 features")
    parser.add_argument("--repeats", type=int, default=15, help="counted rounds (default 15)")
    wanted = parser.parse_args()
    torch.manual_seed(0)
    sample = [torch.randn(1, size) for size in DIMS]
    specs = [TensorSpec(f"f{index}", "FP32", (size,), ("feature",), "feature") for index, size in enumerate(DIMS)]
    runners = {}
    with tempfile.TemporaryDirectory() as folder:
        fusions = {name: build_fusion(FusionConfig(name), DIMS).eval() for name in PUBLISHED}
        modules: dict[str, nn.Module] = {name: Joint(fusion).eval() for name, fusion in fusions.items()}
        expected = {}
        with torch.inference_mode():
            for name, module in modules.items():
                expected[name] = module(*sample)
        modules[FOLDED] = Folded(fusions["gmf"], DIMS).eval()
        expected[FOLDED] = expected["gmf"]
        for name, module in modules.items():
            path = Path(folder) / f"{name}.onnx"
            save(exported(module, specs, ["joint"], None), path)
            runners[name] = onnx_runner(path, threads=1)
            answer = torch.from_numpy(runners[name](sample)[0])
            torch.testing.assert_close(answer, expected[name], rtol=1e-3, atol=1e-3)
        medians = milliseconds(runners, sample, wanted.repeats)
    figures = {}
    print(f"{processor()}, one thread, batch 1, median of {wanted.repeats} rounds")
    print(f"{'':10} {'parameters':>11} {'published':>10} {'MACs':>15} {'GFLOP':>8} {'published':>10} {'ms':>9}")
    for name, (millions, giga) in PUBLISHED.items():
        params, macs = count_fusion(FusionConfig(name), DIMS)
        shown = f"{name:10} {params:11,} {millions:9.2f}M {macs:15,} {2 * macs / 1e9:8.3f} {giga:9.2f}G"
        print(f"{shown} {medians[name]:9.3f}")
        figures[name] = {"params": params, "macs": macs, "median_ms": round(medians[name], 3)}
    print(f"{FOLDED:74} {medians[FOLDED]:9.3f}")
    figures[FOLDED] = {"median_ms": round(medians[FOLDED], 3)}
    cheapest = all(medians["gmf"] < medians[other] for other in ("mbt", "perceiver"))
    for name in ("gmf", FOLDED):
        print(f"{name} under {BOUND:g} ms: {'yes' if medians[name] < BOUND else 'NO'}")
    print(f"GMF cheaper than MBT and Perceiver: {'yes' if cheapest else 'NO'}")
    keep("fusion", {"threads": 1, "dims": list(DIMS), "fusions": figures})


if __name__ == "__main__":
    main()
