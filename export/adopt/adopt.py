"""From somebody else's graph to a network's folder: describe, wrap, prove, put in place."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from crosswire.contract import ADOPTED, Contract, Evaluation, Parity, Tolerance, TrainingRun, sha256_of
from crosswire.contract.plain import to_plain
from crosswire.export.adopt.eight_bits import reduced
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.batch import sized
from crosswire.export.adopt.graphs.convert import opset_of
from crosswire.export.adopt.graphs.count import macs, parameters
from crosswire.export.adopt.prepare import CLASSIFICATION, Prepared
from crosswire.export.adopt.proof.evaluate import check_labels, evaluate, readings
from crosswire.export.adopt.proof.prove import (
    Raw,
    adopted,
    noise_batches,
    original,
    prove,
    reference_of,
    silence,
    tolerances_of,
)
from crosswire.export.adopt.proof.samples import Sample, in_batches
from crosswire.export.adopt.proof.sessions import Array, Run
from crosswire.export.adopt.proof.suspicion import suspicions, unknowns
from crosswire.export.graph_file import GRAPH, described, save
from crosswire.export.place import check_target, placed
from crosswire.export.quantization.precision import EIGHT_BIT
from crosswire.export.tensorrt.lint import lint

#: Where the graph lies before its precision is reduced, while it is made.
FULL_GRAPH = "fp32/model.onnx"


def silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class AdoptRequest:
    """How a graph is adopted.

    Attributes:
        name: of the network's folder and of its Triton model.
        max_batch: largest batch that a server may form.
        precision: `fp32` or `int8`.
        target: what the graph is laid out for, one of `crosswire.contract.TARGETS`.
        samples: real inputs for the proof, and to measure the ranges of 8 bits on.
        labelled: real inputs with labels, for the mean IoU of a segmentation or the accuracy of a classification.
        report: is told what is done, and what a person should know.
    """

    name: str
    max_batch: int = 8
    precision: str = "fp32"
    target: str = "cpu"
    samples: Sequence[Sample] = ()
    labelled: Sequence[Sample] = ()
    report: Callable[[str], None] = silent


def adopt(prepared: Prepared, request: AdoptRequest, to: Path) -> Contract:
    """Write an adopted network into the folder of its name in `to`, all of it or nothing.

    Args:
        prepared: the graph and its description.
        request: what is wanted.
        to: the model repository.

    Raises:
        AdoptError: the proof fails, TensorRT would refuse the graph, or the task does not take an option.
        BuildError: name, batch or folder are not allowed.
    """
    check_target(request.name, request.max_batch, to)
    task = prepared.description.task
    if task != "segmentation" and request.precision != "fp32":
        raise AdoptError(f"got --precision {request.precision}, which segmentations alone take; leave it out")
    if task == "translation" and request.labelled:
        raise AdoptError("got --evaluate, which translations do not take; leave it out")
    labelled = request.labelled if task == "segmentation" else ()
    if labelled and (words := check_labels(labelled, len(prepared.answer.classes))):
        request.report(f"note: {words}")
    with placed(to, request.name, GRAPH) as folder:
        contract = _write(prepared, request, folder)
        contract.save(folder)
        contract.verify(folder)
    return contract


def _write(prepared: Prepared, request: AdoptRequest, folder: Path) -> Contract:
    """Write and prove the graph, and make its contract."""
    max_batch = request.max_batch if prepared.open_batch else 1
    if not prepared.open_batch and request.max_batch > 1:
        request.report("note: the graph has a batch of 1 in its nodes: batches are not formed (max_batch 1)")
    path = folder / GRAPH
    full = path if request.precision == "fp32" else folder / FULL_GRAPH
    full.parent.mkdir(exist_ok=True)
    model = prepared.graph(request.name, cpu=request.target == "cpu")
    if request.target == "tensorrt" and (faults := lint(model)):
        raise AdoptError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}; leave out --target tensorrt")
    save(model, full)
    run = original(prepared.source, prepared, request.report)
    proofs, tolerances, precisions = _proven(prepared, request, full, path, run, max_batch)
    _doubt(prepared, request, run)
    cost = macs(sized(prepared.core, prepared.shapes, 1))
    return Contract(
        name=request.name,
        task=str(prepared.description.task),
        inputs=prepared.inputs,
        outputs=prepared.answer.outputs,
        classes=prepared.answer.classes,
        palette=prepared.answer.palette,
        max_batch_size=max_batch,
        precision=request.precision,
        graph=described(path, folder, opset=opset_of(onnx.load(path, load_external_data=False))),
        tolerances=tolerances,
        parity=proofs,
        exchange=(),
        parameters=parameters(prepared.core),
        macs_live=cost,
        macs_frozen=cost,
        metrics={},
        run=_origin(prepared),
        target=request.target,
        precisions=precisions,
        evaluation=_evaluation(prepared, request, run, path),
        calibration=f"{len(request.samples)} samples" if precisions else "",
    )


def _proven(
    prepared: Prepared, request: AdoptRequest, full: Path, path: Path, run: Run, max_batch: int
) -> tuple[tuple[Parity, ...], tuple[Tolerance, ...], dict[str, str]]:
    """Prove the graph, in floats and as it is served; returns proofs, bounds, and the arithmetic of convolutions."""
    exact = tolerances_of(prepared)
    real = {f"{len(request.samples)} samples": in_batches(request.samples, max_batch)} if request.samples else {}
    samples = {**noise_batches(prepared, max_batch), **real}

    def reference(raw: Raw) -> dict[str, Array]:
        return reference_of(prepared, run, raw)

    for words, batches in silence(prepared).items():
        if all(np.isfinite(one).all() for raw in batches for one in reference(raw).values()):
            samples[words] = batches
        else:
            request.report(f"note: the network answers {words} with no numbers (NaN), which is not proven")

    stage = "onnx" if full == path else "onnx-fp32"
    proofs = prove(reference, adopted(full, prepared), samples, exact, stage)
    if full == path:
        return proofs, exact, {}
    precisions = reduced(
        prepared,
        full,
        path,
        target=request.target,
        calibration=request.samples,
        labelled=request.labelled,
        report=request.report,
    )
    shutil.rmtree(full.parent)
    served = adopted(path, prepared, outputs_alone=True)
    proofs += prove(reference, served, real, EIGHT_BIT)
    return proofs, (*EIGHT_BIT, *(dataclasses.replace(one, stage="onnx-fp32") for one in exact)), precisions


def _doubt(prepared: Prepared, request: AdoptRequest, run: Run) -> None:
    """Say what is odd about real samples, and by name what neither a proof nor they can tell."""
    for doubt in suspicions(prepared, request.samples, run) if request.samples else ():
        request.report(f"suspicion: {doubt}")
    for line in unknowns(prepared, samples=bool(request.samples), labelled=bool(request.labelled)):
        request.report(line)


def _evaluation(prepared: Prepared, request: AdoptRequest, run: Run, path: Path) -> tuple[Evaluation, ...]:
    """Return the task metrics on labelled data, and say what they tell of other readings."""
    if not request.labelled:
        return ()
    for line in readings(prepared, request.labelled, run):
        request.report(line)
    what = "clips" if prepared.description.task == CLASSIFICATION else "frames"
    words = f"{len(request.labelled)} labelled {what}"
    return evaluate(prepared, request.labelled, run, adopted(path, prepared, outputs_alone=True), words)


def _origin(prepared: Prepared) -> TrainingRun:
    """Return what a contract says of where a network comes from: the file, and how it was described."""
    source = prepared.source
    config = {"file": source.path.name, "producer": source.producer, "description": to_plain(prepared.description)}
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return TrainingRun(ADOPTED, config, sha256_of(source.path), 0, "", versions)
