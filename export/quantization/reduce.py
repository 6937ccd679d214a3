"""From the fp32 graph of a run to one of fewer bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch

from crosswire.export.onnx_graph import GraphError
from crosswire.export.parity import torch_runner
from crosswire.export.quantization.precision import MAX_DROP
from crosswire.export.quantization.quantiser import Quantiser, convolutions, layer_name
from crosswire.export.quantization.sensitivity import search
from crosswire.export.tasks.segmentation.job import SegmentationExport
from crosswire.export.tasks.segmentation.score import score
from crosswire.export.tensorrt.operators import lint


@dataclass(frozen=True)
class Reduced:
    """What became of a graph.

    Attributes:
        precisions: arithmetic of every convolution by its name; empty where all of it is fp32.
        calibration: what the ranges were measured on.
    """

    precisions: dict[str, str] = field(default_factory=dict)
    calibration: str = ""


def reduce(job: SegmentationExport, full: Path, path: Path) -> Reduced:
    """Write a graph again with the precision of a job.

    Args:
        job: with a precision that is not fp32.
        full: the fp32 graph.
        path: the file to write.

    Raises:
        ValueError: nothing to calibrate with.
        GraphError: TensorRT is the target and would refuse the graph.
    """
    if job.precision.name == "fp16":
        job.write(path, torch.float16)
        graph = onnx.load(path, load_external_data=False).graph
        return Reduced({layer_name(node): "fp16" for node in convolutions(graph)})
    reduced = _int8(job, full, path)
    if job.precision.target == "tensorrt" and (faults := lint(onnx.load(path, load_external_data=False))):
        raise GraphError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}")
    return reduced


def _int8(job: SegmentationExport, full: Path, path: Path) -> Reduced:
    """Quantise a graph with as many layers in 8 bits as the task metric allows."""
    calibration = job.calibration()
    job.report(f"measuring ranges on {calibration.description}")
    quantiser = Quantiser(full, job.precision.target, calibration.samples)
    watched = job.labelled("val")
    if not watched.samples:
        job.report("the run has no labelled frames: every layer is quantised, the task metric is not measured")
        quantiser.write((), path)
        return Reduced(quantiser.precisions(()), calibration.description)
    classes = job.run.config.network.classes
    reference = score(torch_runner(job.live()), watched, classes).mean_iou
    drop = job.precision.max_drop or MAX_DROP
    kept = search(quantiser, reference, watched, classes, drop, path, job.report)
    return Reduced(quantiser.precisions(kept), calibration.description)
