"""The exporter of clips: one graph for all modalities and one for each alone, each proven."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from crosswire.contract import Contract, Evaluation, Graph, Parity, TensorSpec, Tolerance, Variant
from crosswire.contract.wire_names import PROBABILITIES
from crosswire.export.graph_file import GRAPH, described, save, variant_graph
from crosswire.export.network_facts import network_facts
from crosswire.export.onnx_graph import check, example, exported
from crosswire.export.parity import Runner, onnx_runner, prove, torch_runner
from crosswire.export.samples import SIZES, in_batches, noise
from crosswire.export.tasks.audio_video.servable import (
    INPUTS,
    ClipServable,
    FrozenClipServable,
    input_specs,
    output_specs,
)
from crosswire.export.tasks.exporter import MISSING_MODALITY, SIZE, ExportRequest
from crosswire.media.palettes import spread_palette
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.run_folder import read_metrics
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.data import as_tensors, clips
from crosswire.training.tasks.audio_video.evaluate import Run, missing_modality_cases, score
from crosswire.training.tasks.audio_video.metrics import score_clips

#: Served probabilities lie within this of PyTorch's.
TOLERANCE = Tolerance(PROBABILITIES, "max_abs", 1e-4)
PROOF_CLIPS = sum(SIZES)
EVALUATED_CLIPS = 64


class AudioVideoExporter:
    """The exporter of networks that classify clips, whose runs say all there is to say."""

    plural: ClassVar[str] = "clips"
    parts: ClassVar[Sequence[str]] = ("",)
    options: ClassVar[Sequence[str]] = ()
    precisions: ClassVar[Sequence[str]] = ("fp32",)
    targets: ClassVar[Sequence[str]] = ("cpu",)
    reasons: ClassVar[dict[str, str]] = {
        SIZE: "the run says how large its frames are",
        MISSING_MODALITY: "they have a graph for each modality alone as it is",
        "--target tensorrt": "they have one layout for all targets",
    }

    def check(self, config: AudioVideoConfig, request: ExportRequest) -> None:
        """Refuse data with other classes.

        Raises:
            ValueError: with both numbers.
        """
        check_classes(config, clips(config, "test"))

    def write(self, run: Run, request: ExportRequest, folder: Path) -> Contract:
        """Freeze a run, and write and prove its graphs.

        Raises:
            ContractError: a tolerance is exceeded.
        """
        network, max_batch = run.network.eval(), request.max_batch
        modalities = network.modalities
        specs = input_specs(run.config.network.clip, modalities)
        outputs = output_specs(run.config.network.classes)
        present = {"": modalities} | ({m: (m,) for m in modalities} if len(modalities) > 1 else {})
        graphs: dict[str, Graph] = {}
        proofs: list[Parity] = []
        samples = in_batches(_tensors(run, PROOF_CLIPS)[0], max_batch, f"{run.config.data.name}, test clips")
        for variant, names in present.items():
            chosen = [spec for spec, modality in zip(specs, modalities, strict=True) if modality in names]
            path = variant_graph(folder, INPUTS[variant] if variant else "")
            _write_graph(FrozenClipServable(network, names), chosen, outputs[:1], max_batch, path)
            graphs[variant] = described(path, folder)
            kept = [index for index, modality in enumerate(modalities) if modality in names]
            batches = {what: [[batch[i] for i in kept] for batch in some] for what, some in samples.items()}
            batches |= noise(chosen, max_batch)
            batches["darkness and silence"] = [[torch.zeros_like(x) for x in example(chosen, 1, seed=0)]]
            runners = {"frozen": torch_runner(FrozenClipServable(network, names)), "onnx": onnx_runner(path)}
            live = torch_runner(ClipServable(network, names))
            measured = prove(live, runners, batches, [outputs[0].name], (TOLERANCE,))
            proofs += [dataclasses.replace(one, variant=INPUTS[variant] if variant else "") for one in measured]
        source = clips(run.config, "test")
        live, frozen = ClipServable(network, modalities), FrozenClipServable(network, modalities)
        return Contract(
            name=request.name,
            task="classification",
            inputs=specs,
            outputs=outputs,
            classes=source.classes,
            palette=tuple(getattr(source, "palette", spread_palette(len(source.classes)))),
            max_batch_size=max_batch,
            precision="fp32",
            graph=graphs.pop(""),
            tolerances=(TOLERANCE,),
            parity=tuple(proofs),
            metrics=_metrics(run),
            evaluation=_evaluation(run, torch_runner(live), onnx_runner(folder / GRAPH)),
            variants=tuple(Variant((INPUTS[variant],), graph) for variant, graph in graphs.items()),
            **network_facts(run, live, frozen, specs),
        )


def _write_graph(
    servable: FrozenClipServable,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    max_batch: int,
    path: Path,
) -> None:
    """Write one graph and check it."""
    model = exported(servable, inputs, [spec.name for spec in outputs], max_batch)
    check(model, inputs, outputs)
    save(model, path)


def _evaluation(run: Run, live: Runner, served: Runner) -> tuple[Evaluation, ...]:
    """Score the live network and the graph on the same test clips."""
    tensors, labels = _tensors(run, EVALUATED_CLIPS)
    found: list[list[np.ndarray]] = [[], []]  # type: ignore[type-arg]
    for start in range(0, len(tensors), 8):
        group = tensors[start : start + 8]
        batch = [torch.cat(column) for column in zip(*group, strict=True)]
        for place, runner in enumerate((live, served)):
            found[place].append(runner(batch)[0])
    scores = [score_clips(np.concatenate(parts), np.asarray(labels)) for parts in found]
    inputs = f"{run.config.data.name}, {len(labels)} test clips"
    return (Evaluation(inputs, "accuracy", scores[0].accuracy, scores[1].accuracy),)


def _tensors(run: Run, count: int) -> tuple[list[list[Tensor]], list[int]]:
    """Return inputs, each with a batch axis of 1, and labels of the first test clips."""
    source = clips(run.config, "test")
    network = run.config.network
    inputs, labels = [], []
    for index in range(min(count, len(source))):
        clip, label = source[index]
        inputs.append([x[None] for x in as_tensors(clip, network.clip, network.modalities)])
        labels.append(label)
    return inputs, labels


def _metrics(run: Run) -> dict[str, float]:
    """Return the headline figures of a run, which is scored where it was not yet."""
    metrics = read_metrics(run.folder) or score(run, progress=False)
    every = list(missing_modality_cases(run.config.network.modalities))
    flat = {"clips": float(metrics["clips"])}
    for name in reversed(every):
        suffix = "" if name == every[-1] else f"_{name}"
        flat["accuracy" + suffix] = float(metrics["scores"][name]["accuracy"])
        if metrics["scores"][name]["auc"] is not None:
            flat["auc" + suffix] = float(metrics["scores"][name]["auc"])
    return flat
