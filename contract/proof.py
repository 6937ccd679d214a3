"""What was measured of a graph, and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass

from crosswire.contract.errors import ContractError

MEASURES = ("agreement", "max_abs", "mean_abs", "relative")


@dataclass(frozen=True)
class Tolerance:
    """How far an output may lie from live PyTorch, or from the graph as it came where one was adopted.

    Attributes:
        output: name of the output.
        measure: `"agreement"` (share of equal elements, at least `bound`), `"max_abs"` (largest absolute
            difference, at most `bound`), `"mean_abs"` (mean absolute difference) or `"relative"` (largest absolute
            difference, divided by the largest reference magnitude).
        bound: the bound itself.
        stage: the stage of a `Parity` that it is for; empty for all that have none of their own.
    """

    output: str
    measure: str
    bound: float
    stage: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown measure."""
        if self.measure not in MEASURES:
            raise ContractError(f"measure {self.measure!r} is unknown; allowed are {', '.join(MEASURES)}")

    def holds(self, value: float) -> bool:
        """Say whether a measured value is within the bound (NaN never is)."""
        return value >= self.bound if self.measure == "agreement" else value <= self.bound


@dataclass(frozen=True)
class Parity:
    """One measured comparison against live PyTorch, or against the graph as it came where one was adopted.

    Attributes:
        stage: what was compared: `"frozen"` (PyTorch without masks), `"onnx-fp32"` (the graph before its precision was
            reduced) or `"onnx"` (the graph that is served, in ONNX Runtime).
        inputs: what it was run on, for example `"noise, batches of 1, 2, 3"`.
        output: name of the output; `"logits"` are those before up-sampling, which stay inside the graph.
        measure: as in `Tolerance`.
        value: what was measured; the worst over the inputs.
        variant: name of the `Variant` that was run; empty for the graph that takes every input.
    """

    stage: str
    inputs: str
    output: str
    measure: str
    value: float
    variant: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One task metric of the live network and of the graph on the same frames.

    Attributes:
        inputs: what it was measured on, for example `"rooms, 64 test frames"`.
        metric: a share from 0 to 1, `"mean_iou"`, `"mean_accuracy"`, `"pixel_accuracy"`, `"accuracy"`, `"mAP@10"` or
            `"mean_iou of OUTPUT"`; or `"mae of OUTPUT"`, the mean absolute error in the unit of that output on the
            wire: metres of depth, else steps of a byte.
        live: its value with live PyTorch.
        served: its value with the graph.
    """

    inputs: str
    metric: str
    live: float
    served: float
