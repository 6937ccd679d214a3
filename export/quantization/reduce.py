"""From the fp32 graph of a run to one of fewer bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch

from crosswire.export.graph_file import GraphError
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.quantization.layers import convolutions, layer_name
from crosswire.export.quantization.precision import MAX_DROP
from crosswire.export.quantization.quantiser import Quantiser
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
    reduced = _int8(export, full, path)
    if export.precision.target == "tensorrt" and (faults := faults_of_file(path)):
        raise GraphError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}")
    return reduced


def _int8(export: SegmentationExport, full: Path, path: Path) -> Reduced:
    """Quantise a graph with as many layers in 8 bits as the task metric allows."""
    calibration = export.calibration()
    export.report(f"measuring ranges on {calibration.description}")
    quantiser = Quantiser(full, export.precision.target, calibration.samples)
    watched = export.labelled("val")
    if not watched.samples:
        export.report("the run has no labelled frames: every layer is quantised, the task metric is not measured")
        quantiser.write((), path)
        return Reduced(quantiser.precisions(()), calibration.description)
    classes = export.run.config.network.classes
    reference = score(torch_runner(export.live()), watched, classes).mean_iou
    drop = export.precision.max_drop or MAX_DROP

    def mean_iou(graph: Path) -> float:
        return score(onnx_runner(graph), watched, classes).mean_iou

    measure = f"mean IoU on {watched.description}"
    kept = search(quantiser, reference, mean_iou, measure, drop, path, export.report)
    return Reduced(quantiser.precisions(kept), calibration.description)
