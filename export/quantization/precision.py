"""How the arithmetic of a graph is chosen, and how far each precision may lie from live PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import PRECISIONS, TARGETS, TENSORRT_ALONE, Tolerance
from crosswire.contract.errors import UsageError
from crosswire.contract.wire_names import CONFIDENCE, LABELS
from crosswire.export.graph_file import LOGITS

#: Frozen PyTorch and the fp32 graph do the live network's arithmetic in another order: rounding errors alone.
EXACT = (
    Tolerance(LABELS, "agreement", 0.999),
    Tolerance(CONFIDENCE, "max_abs", 2.0),
    Tolerance(LOGITS, "relative", 1e-4),
)
#: 11 significant bits: pixels whose two best classes are within a thousandth of the logits' range may change.
HALF = (
    Tolerance(LABELS, "agreement", 0.99),
    Tolerance(CONFIDENCE, "mean_abs", 1.0),
    Tolerance(LOGITS, "relative", 2e-2),
)
#: 8 bits: measured on real frames alone, since noise leaves the calibrated ranges. A network that is hardly trained is
#: hardly sure of any pixel and changes many; what a trained one may lose is bounded by the task metric.
EIGHT_BIT = (
    Tolerance(LABELS, "agreement", 0.90),
    Tolerance(CONFIDENCE, "mean_abs", 8.0),
)
#: 8 significant bits.
BRAIN = (
    Tolerance(LABELS, "agreement", 0.95),
    Tolerance(CONFIDENCE, "mean_abs", 4.0),
    Tolerance(LOGITS, "relative", 1e-1),
)
TOLERANCES = {"fp32": EXACT, "fp16": HALF, "int8": EIGHT_BIT, "bf16": BRAIN, "fp8": EIGHT_BIT}
#: Precisions whose ranges are measured, and whose layers go back to fp32 where too much is lost.
CALIBRATED = ("int8", "fp8")
FULL_STAGES = ("frozen", "onnx-fp32")
#: What holds where a field of `Precision` is None.
CALIBRATION_FRAMES, MAX_DROP, FRAMES = 32, 0.5, 32


@dataclass(frozen=True)
class Precision:
    """Which arithmetic, and how it is found; None where nobody said it, so that what does not apply can be refused.

    Attributes:
        name: one of `crosswire.contract.PRECISIONS`.
        target: what the graph is laid out for, one of `crosswire.contract.TARGETS`: ONNX Runtime on a CPU is fastest
            with unsigned activations, TensorRT takes symmetric ones alone.
        calibration: int8 and fp8, folder with real inputs; None for frames of the run's own training data.
        calibration_frames: int8 and fp8, how many frames the ranges are measured on, at most; None for 32.
        max_drop: int8 and fp8, points of the task metric that may be lost before layers go back to fp32; None for 0.5.
        frames: labelled frames that the task metric is measured on, at most; None for 32.
    """

    name: str = "fp32"
    target: str = "cpu"
    calibration: Path | None = None
    calibration_frames: int | None = None
    max_drop: float | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        for field, value, allowed in (("precision", self.name, PRECISIONS), ("target", self.target, TARGETS)):
            if value not in allowed:
                raise UsageError(f"{field} {value!r} is unknown; allowed are {', '.join(allowed)}")
        if self.name in TENSORRT_ALONE and self.target != "tensorrt":
            raise UsageError(
                f"got precision {self.name} for target {self.target}, expected target tensorrt, for no "
                "processor computes such convolutions; try --target tensorrt, or --precision int8"
            )
        if self.max_drop is not None and not 0 < self.max_drop <= 100:
            raise UsageError(f"max drop {self.max_drop} is not allowed; it is more than 0 and at most 100 points")
        if any(count is not None and count < 1 for count in (self.calibration_frames, self.frames)):
            raise UsageError("frames to calibrate and to measure with are 1 or more")

    def tolerances(self) -> tuple[Tolerance, ...]:
        """Return the bounds of this precision, and the exact ones for the stages before it is reduced."""
        own = TOLERANCES[self.name]
        if self.name == "fp32":
            return own
        exact = tuple(Tolerance(t.output, t.measure, t.bound, stage) for stage in FULL_STAGES for t in EXACT)
        return own + exact


FP32 = Precision()
