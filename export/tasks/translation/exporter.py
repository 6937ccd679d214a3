"""The exporter of translations: one graph, in fp32 or fp16."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import torch
from torch import Tensor

from crosswire.contract import TARGETS, Contract, Evaluation, TensorSpec, Tolerance
from crosswire.contract.wire_names import PREDICTED
from crosswire.export.freeze import freeze
from crosswire.export.graph_file import GRAPH, described
from crosswire.export.network_facts import network_facts
from crosswire.export.onnx_graph import write_onnx
from crosswire.export.parity import Runner, onnx_runner, prove, torch_runner
from crosswire.export.quantization.layers import convolutions, layer_name
from crosswire.export.quantization.precision import FULL_STAGES, Precision
from crosswire.export.samples import in_batches, noise
from crosswire.export.tasks.exporter import MISSING_MODALITY, SIZE, ExportRequest
from crosswire.export.tasks.translation.servable import TranslationServable, input_specs, output_specs
from crosswire.media.confusion import confusion_matrix
from crosswire.media.resize import nearest
from crosswire.training.engine.run_folder import read_metrics
from crosswire.training.tasks.segmentation.metrics import scores
from crosswire.training.tasks.translation.config import TranslationConfig, check_size
from crosswire.training.tasks.translation.domains import Codec, codecs
from crosswire.training.tasks.translation.evaluate import TranslationRun, score
from crosswire.training.tasks.translation.images import TRUE, images, label_names

#: Test views that the metrics of network and graph are compared on.
EVALUATED = 32

View = tuple[list[Tensor], list[np.ndarray]]  # type: ignore[type-arg]


class TranslationExporter:
    """The exporter of generators, which are trained with every input present."""

    plural: ClassVar[str] = "translations"
    parts: ClassVar[Sequence[str]] = ("",)
    options: ClassVar[Sequence[str]] = (SIZE,)
    precisions: ClassVar[Sequence[str]] = ("fp32", "fp16")
    targets: ClassVar[Sequence[str]] = TARGETS
    reasons: ClassVar[dict[str, str]] = {
        MISSING_MODALITY: "they are trained with every input present, and have no graph without",
        "--precision int8": "half of a U-Net is transposed convolutions, which ONNX Runtime computes in float alone",
    }

    def check(self, config: TranslationConfig, request: ExportRequest) -> None:
        """Refuse a size that the network cannot halve often enough.

        Raises:
            UsageError: with the sizes that it can.
        """
        check_size(config.network, request.image_size())

    def write(self, run: TranslationRun, request: ExportRequest, folder: Path) -> Contract:
        """Freeze a run, and write and prove its graph.

        Raises:
            FreezeError: weights that are not finite.
            ContractError: a tolerance is exceeded.
        """
        network, path, precision = run.config.network, folder / GRAPH, request.precision
        size, max_batch = request.image_size(), request.max_batch
        inputs, outputs = input_specs(network, size), output_specs(network, size)
        live = TranslationServable(run.network.eval(), network).eval()
        frozen = TranslationServable(freeze(run.network), network).eval()
        views = samples_of(run, inputs, EVALUATED)
        shown = in_batches([raw for raw, _ in views], max_batch, _described(run, views))
        samples = noise(inputs, max_batch) | shown
        runners = {"frozen": torch_runner(frozen)}
        write_onnx(frozen, inputs, outputs, max_batch, path)
        if precision.name != "fp32":
            runners["onnx-fp32"] = onnx_runner(path)
            half = TranslationServable(copy.deepcopy(frozen.network).half(), network, torch.float16).eval()
            write_onnx(half, inputs, outputs, max_batch, path)
        runners["onnx"] = onnx_runner(path)
        tolerances = tolerances_of(outputs, precision)
        proofs = prove(torch_runner(live), runners, samples, [spec.name for spec in outputs], tolerances)
        classes, palette = label_names(run.config.data, network)
        return Contract(
            name=request.name,
            task="translation",
            inputs=inputs,
            outputs=outputs,
            classes=classes,
            palette=palette,
            max_batch_size=max_batch,
            precision=precision.name,
            graph=described(path, folder),
            tolerances=tolerances,
            parity=proofs,
            metrics=_metrics(run),
            target=precision.target,
            precisions=_precisions(path, precision),
            evaluation=_evaluation(run, views, torch_runner(live), runners["onnx"]),
            **network_facts(run, live, frozen, inputs),
        )


def tolerances_of(outputs: Sequence[TensorSpec], precision: Precision) -> tuple[Tolerance, ...]:
    """Return how far the outputs of a graph may lie from live PyTorch, and those of the stages before it."""
    exact = [Tolerance(spec.name, *bound) for spec in outputs for bound in _bounds(spec, half=False)]
    if precision.name == "fp32":
        return tuple(exact)
    own = (Tolerance(spec.name, *bound) for spec in outputs for bound in _bounds(spec, half=True))
    return (*own, *(dataclasses.replace(one, stage=stage) for stage in FULL_STAGES for one in exact))


def _bounds(spec: TensorSpec, *, half: bool) -> tuple[tuple[str, float], ...]:
    """Return measures of an output with their bounds: rounding errors alone, which may turn a byte or a class over."""
    if spec.dtype == "FP32":
        return (("relative", 2e-2 if half else 1e-3),)
    if len(spec.shape) == 2:  # labels
        return (("agreement", 0.99 if half else 0.999),)
    return (("mean_abs", 1.0),) if half else (("max_abs", 1.0), ("agreement", 0.99))


def _precisions(path: Path, precision: Precision) -> dict[str, str]:
    """Return the arithmetic of every convolution by its name; nothing where all of it is fp32."""
    if precision.name == "fp32":
        return {}
    graph = onnx.load(path, load_external_data=False).graph
    return {layer_name(node): precision.name for node in convolutions(graph)}


def samples_of(run: TranslationRun, inputs: Sequence[TensorSpec], count: int) -> list[View]:
    """Return test views, spread over all there are, at the size of a graph.

    Args:
        run: says which views.
        inputs: of the graph.
        count: how many at most.

    Returns:
        per view the raw inputs, each with a batch axis of 1, and the raw truths.
    """
    network, size = run.config.network, (inputs[0].shape[0], inputs[0].shape[1])
    source = images(run.config.data, network, "test")
    count = min(count, len(source))
    views = []
    for index in (place * len(source) // count for place in range(count)):
        view = {name: nearest(picture, *size) for name, picture in source[index].items()}
        raw = [torch.from_numpy(view[name])[None] for name in network.inputs]
        views.append((raw, [view[f"{TRUE}{name}"] for name in network.outputs]))
    return views


def _described(run: TranslationRun, views: Sequence[View]) -> str:
    """Return in words what test views of a run are."""
    return f"{run.config.data.name}, {len(views)} test views"


def _evaluation(run: TranslationRun, views: Sequence[View], live: Runner, served: Runner) -> tuple[Evaluation, ...]:
    """Return the task metric of every output, of live network and graph."""
    if not views:
        return ()
    inputs = _described(run, views)
    codes = codecs(run.config.network.outputs, run.config.network)
    pairs = zip(_scores(live, views, codes).items(), _scores(served, views, codes).values(), strict=True)
    return tuple(Evaluation(inputs, metric, one, other) for (metric, one), other in pairs)


def _scores(runner: Runner, views: Sequence[View], codes: Sequence[Codec]) -> dict[str, float]:
    """Return the mean absolute error of every output in its unit on the wire, and the mean IoU of classes."""
    answers = [[picture[0] for picture in runner(raw)] for raw, _ in views]
    found = {}
    for index, code in enumerate(codes):
        name = f"{PREDICTED}{code.domain.name}"
        pairs = [(answer[index], truths[index]) for answer, (_, truths) in zip(answers, views, strict=True)]
        if code.domain.is_painted:
            pairs = [(made, _classes_in(true, code)) for made, true in pairs]
        if code.domain.is_labels or code.domain.is_painted:
            matrix = sum(confusion_matrix(true, made, code.classes) for made, true in pairs)
            found[f"mean_iou of {name}"] = scores(torch.as_tensor(matrix)).mean_iou
        else:
            errors = [np.abs(made.astype(np.float64) - true.astype(np.float64)).mean() for made, true in pairs]
            found[f"mae of {name}"] = float(np.mean(errors))
    return found


def _classes_in(raw: np.ndarray, code: Codec) -> np.ndarray:  # type: ignore[type-arg]
    """Return the classes of a raw image in their colours, uint8 [H, W]."""
    return code.labels_of(torch.from_numpy(code.encode(raw))[None])[0].numpy().astype(np.uint8)


def _metrics(run: TranslationRun) -> dict[str, float]:
    """Return the headline figures of a run, which is scored where it was not yet."""
    metrics = read_metrics(run.folder)
    if not metrics and len(images(run.config.data, run.config.network, "test")):
        metrics = score(run, progress=False)
    if not metrics:
        return {}
    flat = {"scenes": float(metrics["scenes"]), "exchanged_share": float(metrics["exchanged_share"])}
    for output in run.config.network.outputs:
        for key, value in metrics["scores"][output].items():
            flat[f"{key}_{output}"] = float(value)
    return flat
