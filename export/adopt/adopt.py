"""From somebody else's graph to a network's folder: describe, wrap, prove, put in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnxruntime

from crosswire.contract import Contract, TrainingRun, sha256_of
from crosswire.contract.plain import to_plain
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.batch import sized
from crosswire.export.adopt.graphs.convert import opset_of
from crosswire.export.adopt.graphs.count import macs, parameters
from crosswire.export.adopt.prepare import Prepared
from crosswire.export.adopt.proof.prove import adopted, noise_batches, original, prove, reference_of, tolerances_of
from crosswire.export.adopt.proof.sessions import Array
from crosswire.export.graph_file import GRAPH, described, save
from crosswire.export.place import check_target, placed
from crosswire.export.tensorrt.lint import lint

#: Preset of a contract whose network was not trained here.
ADOPTED = "adopted"
Samples = Mapping[str, Sequence[Mapping[str, Array]]]


def silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class AdoptRequest:
    """How a graph is adopted.

    Attributes:
        name: of the network's folder and of its Triton model.
        max_batch: largest batch that a server may form.
        target: what the graph is laid out for, one of `crosswire.contract.TARGETS`.
        samples: real inputs for the proof, in batches, by their description.
        report: is told what is done, and what a person should know.
    """

    name: str
    max_batch: int = 8
    target: str = "cpu"
    samples: Samples = field(default_factory=dict)
    report: Callable[[str], None] = silent


def adopt(prepared: Prepared, request: AdoptRequest, to: Path) -> Contract:
    """Write an adopted network into the folder of its name in `to`, all of it or nothing.

    Args:
        prepared: the graph and its description.
        request: what is wanted.
        to: the model repository.

    Raises:
        AdoptError: the proof fails, or TensorRT would refuse the graph.
        UsageError: name, batch or folder are not allowed.
    """
    check_target(request.name, request.max_batch, to)
    with placed(to, request.name, GRAPH) as folder:
        contract = _write(prepared, request, folder)
        contract.save(folder)
        contract.verify(folder)
    return contract


def _write(prepared: Prepared, request: AdoptRequest, folder: Path) -> Contract:
    """Write and prove the graph, and make its contract."""
    source, answer, path = prepared.source, prepared.answer, folder / GRAPH
    max_batch = request.max_batch if prepared.open_batch else 1
    if not prepared.open_batch and request.max_batch > 1:
        request.report("the graph has a batch of 1 in its nodes: batches are not formed (max_batch 1)")
    model = prepared.graph(request.name, cpu=request.target == "cpu")
    if request.target == "tensorrt" and (faults := lint(model)):
        raise AdoptError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}; leave out --target tensorrt")
    save(model, path)
    run = original(source, prepared, request.report)
    tolerances = tolerances_of(prepared)
    samples = {**noise_batches(prepared, max_batch), **request.samples}
    proofs = prove(lambda raw: reference_of(prepared, run, raw), adopted(path, prepared), samples, tolerances)
    cost = macs(sized(prepared.core, prepared.shapes, 1))
    return Contract(
        name=request.name,
        task=str(prepared.description.task),
        inputs=prepared.inputs,
        outputs=answer.outputs,
        classes=answer.classes,
        palette=answer.palette,
        max_batch_size=max_batch,
        precision="fp32",
        graph=described(path, folder, opset=opset_of(model)),
        tolerances=tolerances,
        parity=proofs,
        exchange=(),
        parameters=parameters(prepared.core),
        macs_live=cost,
        macs_frozen=cost,
        metrics={},
        run=_origin(prepared),
        target=request.target,
    )


def _origin(prepared: Prepared) -> TrainingRun:
    """Return what a contract says of where a network comes from: the file, and how it was described."""
    source = prepared.source
    config = {"file": source.path.name, "producer": source.producer, "description": to_plain(prepared.description)}
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return TrainingRun(ADOPTED, config, sha256_of(source.path), 0, "", versions)
