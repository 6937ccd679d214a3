"""From the fp32 graph of a run to one of fewer bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch

from crosswire.export.graph_file import GraphError
from crosswire.export.parity import torch_runner
from crosswire.export.quantization.bfloat16 import write_bfloat16
from crosswire.export.quantization.float8 import Float8Quantiser
from crosswire.export.quantization.layers import convolutions, layer_name
from crosswire.export.quantization.precision import MAX_DROP
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.quantization.runner import proof_runner
from crosswire.export.quantization.sensitivity import search
from crosswire.export.tasks.segmentation.score import score
from crosswire.export.tasks.segmentation.single_export import SegmentationExport
from crosswire.export.tensorrt.lint import faults_of_file


@dataclass(frozen=True)
class Reduced:
    """What became of a graph.

    Attributes:
        precisions: arithmetic of every convolution by its name; empty where all of it is fp32.
        calibration: what the ranges were measured on.
    """

    precisions: dict[str, str] = field(default_factory=dict)
    calibration: str = ""


def reduce(export: SegmentationExport, full: Path, path: Path) -> Reduced:
    """Write a graph again with the precision of an export.

    Args:
        export: with a precision that is not fp32.
        full: the fp32 graph.
        path: the file to write.

    Raises:
        ValueError: nothing to calibrate with.
        GraphError: TensorRT is the target and would refuse the graph.
    """
    if export.precision.name == "fp16":
        export.write(path, torch.float16)
        graph = onnx.load(path, load_external_data=False).graph
        return Reduced({layer_name(node): "fp16" for node in convolutions(graph)})
    if export.precision.name == "bf16":
        half = path.with_name(f".{path.name}.half")
        export.write(half, torch.float16)
        write_bfloat16(half, full, path)
        half.unlink()
        graph = onnx.load(path, load_external_data=False).graph
        _refuse(path)
        return Reduced({layer_name(node): "bf16" for node in convolutions(graph)})
    reduced = _eight_bits(export, full, path)
    if export.precision.target == "tensorrt":
        _refuse(path)
    return reduced


def _refuse(path: Path) -> None:
    """Raise `GraphError` if TensorRT would refuse the graph of a file."""
    if faults := faults_of_file(path):
        raise GraphError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}")


def _eight_bits(export: SegmentationExport, full: Path, path: Path) -> Reduced:
    """Quantise a graph with as many layers in 8 bits as the task metric allows."""
    calibration = export.calibration()
    export.report(f"measuring ranges on {calibration.description}")
    precision = export.precision.name
    kind = Float8Quantiser if precision == "fp8" else Quantiser
    quantiser = kind(full, export.precision.target, calibration.samples)
    watched = export.labelled("val")
    if not watched.samples:
        export.report("the run has no labelled frames: every layer is quantised, the task metric is not measured")
        quantiser.write((), path)
        return Reduced(quantiser.precisions(()), calibration.description)
    classes = export.run.config.network.classes
    reference = score(torch_runner(export.live()), watched, classes).mean_iou
    drop = export.precision.max_drop or MAX_DROP

    def mean_iou(graph: Path) -> float:
        return score(proof_runner(graph, precision), watched, classes).mean_iou

    measure = f"mean IoU on {watched.description}"
    kept = search(quantiser, reference, mean_iou, measure, drop, path, export.report)
    return Reduced(quantiser.precisions(kept), calibration.description)
