"""Writing a translation run into a network's folder: freeze, write the graph, prove it, describe it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.contract import Contract, Evaluation, ExchangedLayer, TensorSpec, Tolerance
from export.cost import macs
from export.frames import resized
from export.freeze import freeze
from export.identity import identity_of
from export.onnx_graph import described, example, write_onnx
from export.parity import Runner, onnx_runner, prove, torch_runner
from export.picture_servable import PREDICTED, PictureServable, input_specs, output_specs
from training.run_folder import exchange_to_plain, read_metrics
from training.translation.config import check_size
from training.translation.evaluate import TranslationRun, score
from training.translation.pictures import TRUE, pictures

GRAPH = "1/model.onnx"
#: Views that parity is measured on, in batches of these sizes.
PROOF_BATCHES = (1, 2, 3, 2)
EVALUATED = 32

Batches = list[list[Tensor]]
View = tuple[list[Tensor], list[np.ndarray]]  # type: ignore[type-arg]


def write_pictures(run: TranslationRun, name: str, size: tuple[int, int], folder: Path, max_batch: int) -> Contract:
    """Write the graph of a run into a folder, and make the contract from what is measured on it.

    Raises:
        ValueError: a size that the network cannot halve often enough, or weights that are not finite.
    """
    network, path = run.config.network, folder / GRAPH
    check_size(network, size)
    inputs, outputs = input_specs(network, size), output_specs(network, size)
    live = PictureServable(run.network.eval(), network).eval()
    frozen = PictureServable(freeze(run.network), network).eval()
    write_onnx(frozen, inputs, outputs, max_batch, path)
    views = views_of(run, inputs, EVALUATED)
    noise = [example(inputs, n, seed=n) for n in (1, 2, 3) if n <= max_batch]
    samples = {"noise, batches of 1, 2, 3": noise} | _proof(run, views, max_batch)
    runners = {"frozen": torch_runner(frozen), "onnx": onnx_runner(path)}
    tolerances = [tolerance for spec in outputs for tolerance in _tolerances(spec)]
    proofs = prove(torch_runner(live), runners, samples, [spec.name for spec in outputs], tolerances)
    return Contract(
        name=name,
        task="translation",
        inputs=inputs,
        outputs=outputs,
        classes=(),
        palette=(),
        max_batch_size=max_batch,
        precision="fp32",
        graph=described(path, folder),
        tolerances=tuple(tolerances),
        parity=proofs,
        exchange=tuple(
            ExchangedLayer(entry["layer"], entry["channels"], tuple(entry["penalised"]), tuple(entry["exchanged"]))
            for entry in exchange_to_plain(run.network)
        ),
        parameters=sum(p.numel() for p in run.network.parameters()),
        macs_live=macs(live, inputs),
        macs_frozen=macs(frozen, inputs),
        metrics=_metrics(run),
        run=identity_of(run),
        evaluation=_evaluation(run, views, torch_runner(live), onnx_runner(path)),
    )


def _tolerances(spec: TensorSpec) -> tuple[Tolerance, ...]:
    """Return how far an output may lie from live PyTorch: rounding errors alone, which may turn a byte over."""
    if spec.dtype == "FP32":
        return (Tolerance(spec.name, "relative", 1e-3),)
    return (Tolerance(spec.name, "max_abs", 1.0), Tolerance(spec.name, "agreement", 0.99))


def views_of(run: TranslationRun, inputs: Sequence[TensorSpec], count: int) -> list[View]:
    """Return test views, spread over all there are, at the size of a graph.

    Args:
        run: says which views.
        inputs: of the graph.
        count: how many at most.

    Returns:
        per view the raw inputs, each with a batch axis of 1, and the raw truths.
    """
    network, size = run.config.network, (inputs[0].shape[0], inputs[0].shape[1])
    source = pictures(run.config.data, network, "test")
    count = min(count, len(source))
    views = []
    for index in (place * len(source) // count for place in range(count)):
        view = {name: resized(picture, size) for name, picture in source[index].items()}
        raw = [torch.from_numpy(view[name])[None] for name in network.inputs]
        views.append((raw, [view[f"{TRUE}{name}"] for name in network.outputs]))
    return views


def _proof(run: TranslationRun, views: Sequence[View], max_batch: int) -> dict[str, Batches]:
    """Return some test views in batches of several sizes, by a description; nothing where there is none."""
    batches, rest = [], [raw for raw, _ in views[: sum(PROOF_BATCHES)]]
    for size in PROOF_BATCHES:
        group, rest = rest[: min(size, max_batch)], rest[min(size, max_batch) :]
        if group:
            batches.append([torch.cat(column) for column in zip(*group, strict=True)])
    shown = sum(len(batch[0]) for batch in batches)
    return {f"{shown} of {run.config.data.name}, {len(views)} test views": batches} if batches else {}


def _evaluation(run: TranslationRun, views: Sequence[View], live: Runner, served: Runner) -> tuple[Evaluation, ...]:
    """Return the mean absolute error of every output, in its unit on the wire, of live network and graph."""
    if not views:
        return ()
    found = {
        name: np.mean(
            [
                [_error(answer[0], true) for answer, true in zip(run_it(raw), truths, strict=True)]
                for raw, truths in views
            ],
            0,
        )
        for name, run_it in (("live", live), ("served", served))
    }
    inputs = f"{run.config.data.name}, {len(views)} test views"
    return tuple(
        Evaluation(inputs, f"mae of {PREDICTED}{output}", float(found["live"][index]), float(found["served"][index]))
        for index, output in enumerate(run.config.network.outputs)
    )


def _error(answer: np.ndarray, true: np.ndarray) -> float:  # type: ignore[type-arg]
    """Return the mean absolute error of one raw picture."""
    return float(np.abs(answer.astype(np.float64) - true.astype(np.float64)).mean())


def _metrics(run: TranslationRun) -> dict[str, float]:
    """Return the headline figures of a run, which is scored where it was not yet."""
    metrics = read_metrics(run.folder)
    if not metrics and len(pictures(run.config.data, run.config.network, "test")):
        metrics = score(run, progress=False)
    if not metrics:
        return {}
    flat = {"scenes": float(metrics["scenes"]), "exchanged_share": float(metrics["exchanged_share"])}
    for output in run.config.network.outputs:
        for key, value in metrics["scores"][output].items():
            flat[f"{key}_{output}"] = float(value)
    return flat
