"""An adopted graph in 8 bits, by the same quantiser and the same search as our own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from crosswire.contract.wire_names import LABELS
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.prepare import Prepared
from crosswire.export.adopt.proof.evaluate import scored
from crosswire.export.adopt.proof.samples import Sample
from crosswire.export.adopt.proof.sessions import runner_of
from crosswire.export.graph_file import LOGITS, save
from crosswire.export.quantization.precision import EIGHT_BIT, MAX_DROP
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.quantization.sensitivity import search
from crosswire.export.tensorrt.lint import faults_of_file


def reduced(
    prepared: Prepared,
    full: Path,
    path: Path,
    *,
    target: str,
    calibration: Sequence[Sample],
    labelled: Sequence[Sample],
    report: Callable[[str], None],
) -> dict[str, str]:
    """Write a graph again in 8 bits; returns the arithmetic of every convolution by its name.

    Args:
        prepared: the graph and its description.
        full: the adopted graph in floats; its norms are folded into its convolutions, in place.
        path: the file to write.
        target: one of `crosswire.contract.TARGETS`.
        calibration: what ranges are measured on.
        labelled: what the mean IoU is measured on, by which layers stay in float; where it is
            empty, agreement with the labels of the graph in floats is.
        report: is told what is measured.

    Raises:
        AdoptError: there is nothing to calibrate with, or TensorRT would refuse the graph.
    """
    if not calibration:
        raise AdoptError("--precision int8 measures ranges on real inputs, and got none; name them with --samples")
    fold_norms(full)
    quantiser = Quantiser(full, target, [[sample.raw[spec.name] for spec in prepared.inputs] for sample in calibration])
    if labelled:
        classes = len(prepared.answer.classes)

        def mean_iou(graph: Path) -> float:
            run = runner_of(onnx.load(graph))
            return scored(lambda sample: run(sample.raw)[LABELS][0], labelled, classes)["mean_iou"]

        measure = f"mean IoU on {len(labelled)} labelled frames"
        kept = search(quantiser, mean_iou(full), mean_iou, measure, MAX_DROP, path, report)
    else:
        report("no labelled frames: the mean IoU is not measured (--evaluate FOLDER), agreement with fp32 is")
        measure = f"agreement with the labels in fp32 on the worst of {len(calibration)} samples"
        (bound,) = (one.bound for one in EIGHT_BIT if one.output == LABELS)
        kept = search(quantiser, 1.0, _agreement(full, calibration), measure, 100 * (1 - bound), path, report)
    if target == "tensorrt" and (faults := faults_of_file(path)):
        raise AdoptError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}")
    return quantiser.precisions(kept)


def _agreement(full: Path, samples: Sequence[Sample]) -> Callable[[Path], float]:
    """Return a function that says on what share of pixels a graph's file gives the labels of the one in floats."""

    def labels(graph: Path) -> list[NDArray[Any]]:
        run = runner_of(onnx.load(graph))
        return [run(sample.raw)[LABELS] for sample in samples]

    expected = labels(full)

    def agreement(graph: Path) -> float:
        pairs = zip(expected, labels(graph), strict=True)
        return min(float((one == other).mean()) for one, other in pairs)

    return agreement


def fold_norms(path: Path) -> None:
    """Fold batch norms into the convolutions before them, in place, where a graph has any: by ONNX Runtime itself."""
    model = onnx.load(path)
    if not any(node.op_type == "BatchNormalization" for node in model.graph.node):
        return
    outputs = len(model.graph.output)
    model.graph.output.append(onnx.ValueInfoProto(name=LOGITS))  # so that its name stays
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="folded-") as folder:
        given, folded = Path(folder) / "given.onnx", Path(folder) / "folded.onnx"
        save(model, given)
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(str(given), options, providers=["CPUExecutionProvider"])
        simple = onnx.load(folded)
    del simple.graph.output[outputs:]
    used = {node.domain for node in simple.graph.node} | {""}
    imports = [entry for entry in simple.opset_import if entry.domain in used]
    del simple.opset_import[:]
    simple.opset_import.extend(imports)
    simple.ir_version = model.ir_version
    save(simple, path)
