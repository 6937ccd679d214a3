"""The exporter of segmentations: one graph, or one per stream that may be alone, each proven."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from crosswire.contract import PRECISIONS, TARGETS, Contract, Evaluation, Parity, Variant, used_spec
from crosswire.contract.errors import UsageError
from crosswire.export.frames import Frames
from crosswire.export.graph_file import GRAPH, LOGITS, OPSET, described, variant_graph
from crosswire.export.network_facts import network_facts
from crosswire.export.parity import onnx_runner, prove, torch_runner
from crosswire.export.quantization.precision import CALIBRATED
from crosswire.export.quantization.reduce import Reduced, reduce
from crosswire.export.quantization.runner import OPSETS, proof_runner, said
from crosswire.export.samples import Batches, in_batches, noise
from crosswire.export.tasks.exporter import FRAMES, MAX_DROP, OPTIONS, ExportRequest
from crosswire.export.tasks.segmentation.score import compare, score
from crosswire.export.tasks.segmentation.single_export import SegmentationExport, prepare_export, single_stream_exports
from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.run_folder import Run, read_metrics
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.evaluate import score as score_run

#: Where the graph lies before its precision is reduced, while it is made.
FULL_GRAPH = "fp32/model.onnx"


class SegmentationExporter:
    """The exporter of networks that label every pixel; it takes every option."""

    plural: ClassVar[str] = "segmentations"
    parts: ClassVar[Sequence[str]] = ("",)
    options: ClassVar[Sequence[str]] = OPTIONS
    precisions: ClassVar[Sequence[str]] = PRECISIONS
    targets: ClassVar[Sequence[str]] = TARGETS
    reasons: ClassVar[dict[str, str]] = {}

    def check(self, config: SegmentationConfig, request: ExportRequest) -> None:
        """Refuse data with other classes, and options that this run alone has no use for.

        Raises:
            UsageError: with what to do instead.
        """
        if request.missing_modality and not config.modality_dropout:
            raise UsageError(
                "the network was trained with every stream present, and would guess if one were absent; leave out "
                "--missing-modality, or train with --set modality_dropout=0.2"
            )
        if config.data.name == "none" and (idle := [x for x in request.given() if x in (FRAMES, MAX_DROP)]):
            raise UsageError(f"got {idle[0]}, which runs without data do not take; leave it out")
        check_classes(config, frames(config.data, "test"))

    def write(self, run: Run, request: ExportRequest, folder: Path) -> Contract:
        """Freeze a run, and write and prove its graphs.

        Raises:
            UsageError: it cannot be frozen or calibrated.
            ContractError: a tolerance is exceeded.
        """
        export = prepare_export(run, request.image_size(), request.max_batch, request.precision, request.report)
        lone = single_stream_exports(export) if request.missing_modality else ()
        contract = _write(export, lone, request.name, folder)
        return dataclasses.replace(contract, label_values=()) if request.class_indices else contract


def _write(export: SegmentationExport, lone: Sequence[SegmentationExport], name: str, folder: Path) -> Contract:
    """Write the graphs of a run into a folder, and make the contract from what is measured on them.

    Args:
        export: the whole network.
        lone: each of its streams alone, where the network shall answer with one absent.
        name: of the network.
        folder: to write into.
    """
    if export.precision.name in CALIBRATED:
        export.calibration()  # what cannot be calibrated is refused before its graph is made, which takes longest
    tested = export.labelled("test")
    proofs, reduced = _write_graph(export, folder / GRAPH, tested)
    contract = _contract(export, name, folder, proofs, reduced, tested)
    variants: list[Variant] = []
    evaluation = contract.evaluation
    for one in lone:
        inputs = tuple(spec.name for spec in one.inputs)
        path = variant_graph(folder, "+".join(inputs))
        seen = one.labelled("test")
        measured, _ = _write_graph(one, path, seen)
        variants.append(variant := Variant(inputs, described(path, folder, opset=contract.graph.opset)))
        proofs += tuple(dataclasses.replace(proof, variant=variant.name) for proof in measured)
        seen = dataclasses.replace(seen, description=f"{seen.description} with {variant.name} alone")
        evaluation += _evaluated(one, path, seen)
    if not variants:
        return contract
    return dataclasses.replace(
        contract,
        inputs=tuple(dataclasses.replace(spec, optional=True) for spec in contract.inputs),
        outputs=(*contract.outputs, used_spec()),
        variants=tuple(variants),
        parity=proofs,
        evaluation=evaluation,
    )


def _write_graph(export: SegmentationExport, path: Path, tested: Frames) -> tuple[tuple[Parity, ...], Reduced]:
    """Write one graph and prove it; returns the proofs, and what became of its precision."""
    full = path if export.precision.name == "fp32" else path.parents[1] / FULL_GRAPH
    full.parent.mkdir(exist_ok=True)
    export.write(full)
    live, frozen = export.live(), export.servable()
    outputs = [*(spec.name for spec in export.outputs), LOGITS]
    samples = noise(export.inputs, export.max_batch) | _shown(tested, export.max_batch)
    runners = {"frozen": torch_runner(frozen)}
    runners["onnx" if full == path else "onnx-fp32"] = onnx_runner(full, (LOGITS,))
    tolerances = export.precision.tolerances()
    proofs = prove(torch_runner(live), runners, samples, outputs, tolerances)
    reduced = Reduced()
    if full != path:
        reduced = reduce(export, full, path)
        shutil.rmtree(full.parent)
        shown = _shown(tested if tested.samples else export.calibration(), export.max_batch)
        precision = export.precision.name
        samples = {said(description, precision): batches for description, batches in shown.items()}
        runners = {"onnx": proof_runner(path, precision, (LOGITS,))}
        proofs += prove(torch_runner(live), runners, samples, outputs, tolerances)
    return proofs, reduced


def _contract(
    export: SegmentationExport, name: str, folder: Path, proofs: tuple[Parity, ...], reduced: Reduced, tested: Frames
) -> Contract:
    """Describe a graph that was written and proven."""
    run, path = export.run, folder / GRAPH
    source = frames(run.config.data, "test")
    live, frozen = export.live(), export.servable()
    return Contract(
        name=name,
        task="segmentation",
        inputs=export.inputs,
        outputs=export.outputs,
        classes=source.classes,
        palette=source.palette,
        label_values=source.form.label_values if isinstance(source, FileFrames) else (),
        max_batch_size=export.max_batch,
        precision=export.precision.name,
        graph=described(path, folder, opset=OPSETS.get(export.precision.name, OPSET)),
        tolerances=export.precision.tolerances(),
        parity=proofs,
        metrics=_metrics(run, source),
        target=export.precision.target,
        precisions=reduced.precisions,
        evaluation=_evaluated(export, path, tested),
        calibration=reduced.calibration,
        **network_facts(run, live, frozen, export.inputs),
    )


def _evaluated(export: SegmentationExport, path: Path, tested: Frames) -> tuple[Evaluation, ...]:
    """Return the task metrics of a live network and of its graph; none where there are no labelled frames."""
    if not tested.samples:
        return ()
    classes = export.run.config.network.classes
    precision = export.precision.name
    served = score(proof_runner(path, precision), tested, classes)
    named = dataclasses.replace(tested, description=said(tested.description, precision))
    return compare(score(torch_runner(export.live()), tested, classes), served, named)


def _shown(frames: Frames, max_batch: int) -> dict[str, Batches]:
    """Return some frames in batches, by a description."""
    return in_batches(frames.samples, max_batch, frames.description)


def _metrics(run: Run, source: FrameSource) -> dict[str, float]:
    """Return the headline figures of a run, which is scored where it was not yet."""
    if metrics := read_metrics(run.folder):
        return _flat(metrics)
    return _flat(score_run(run)) if len(source) else {}


def _flat(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the headline figures of a run's scores."""
    flat = {"scenes": float(metrics["scenes"]), "exchanged_share": float(metrics["exchanged_share"])}
    for name, scored in metrics["scores"].items():
        suffix = "" if name == "ensemble" else f"_{name}"
        for key in ("mean_iou", "mean_accuracy", "pixel_accuracy"):
            flat[key + suffix] = float(scored[key])
    return flat
