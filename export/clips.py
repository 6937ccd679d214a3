"""Writing an audio-video run into a network's folder: one graph per availability, each proven."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.clip_servable import INPUTS, ClipServable, FrozenClipServable, input_specs, output_specs
from export.contract import Contract, Evaluation, Graph, Parity, TensorSpec, Tolerance, Variant
from export.cost import macs
from export.identity import identity_of
from export.onnx_graph import check, described, example, exported, save
from export.parity import Runner, onnx_runner, prove, torch_runner
from training.audio_video.data import as_tensors, clips
from training.audio_video.evaluate import Run, availabilities, score
from training.audio_video.metrics import score_clips
from training.datasets.no_frames import distinct_colours
from training.run_folder import read_metrics

#: Served probabilities lie within this of PyTorch's.
TOLERANCE = Tolerance("probabilities", "max_abs", 1e-4)
PROOF_CLIPS = 8
EVALUATED_CLIPS = 64

Batches = list[list[Tensor]]


def write_clips(run: Run, name: str, folder: Path, max_batch: int) -> Contract:
    """Write the graphs of a run into a folder, and make the contract from what is measured on them."""
    network = run.network.eval()
    modalities = network.modalities
    specs = input_specs(run.config.network.clip, modalities)
    outputs = output_specs(run.config.network.classes)
    present = {"": modalities} | ({m: (m,) for m in modalities} if len(modalities) > 1 else {})
    graphs: dict[str, Graph] = {}
    proofs: list[Parity] = []
    samples = _samples(run, max_batch)
    for variant, names in present.items():
        chosen = [spec for spec, modality in zip(specs, modalities, strict=True) if modality in names]
        path = folder / "1" / (f"model.{INPUTS[variant]}.onnx" if variant else "model.onnx")
        _write_graph(FrozenClipServable(network, names), chosen, outputs[:1], max_batch, path)
        graphs[variant] = described(path, folder)
        kept = [index for index, modality in enumerate(modalities) if modality in names]
        batches = {what: [[batch[i] for i in kept] for batch in some] for what, some in samples.items()}
        noise = [example(chosen, n, seed=n) for n in (1, 2, 3) if n <= max_batch]
        batches["noise, batches of 1, 2, 3"] = noise
        batches["darkness and silence"] = [[torch.zeros_like(x) for x in noise[0]]]
        runners = {"frozen": torch_runner(FrozenClipServable(network, names)), "onnx": onnx_runner(path)}
        live = torch_runner(ClipServable(network, names))
        measured = prove(live, runners, batches, [outputs[0].name], (TOLERANCE,))
        proofs += [dataclasses.replace(one, variant=INPUTS[variant] if variant else "") for one in measured]
    source = clips(run.config, "test")
    live, frozen = ClipServable(network, modalities), FrozenClipServable(network, modalities)
    return Contract(
        name=name,
        task="classification",
        inputs=specs,
        outputs=outputs,
        classes=source.classes,
        palette=tuple(getattr(source, "palette", distinct_colours(len(source.classes)))),
        max_batch_size=max_batch,
        precision="fp32",
        graph=graphs.pop(""),
        tolerances=(TOLERANCE,),
        parity=tuple(proofs),
        exchange=(),
        parameters=sum(p.numel() for p in network.parameters()),
        macs_live=macs(live, specs),
        macs_frozen=macs(frozen, specs),
        metrics=_metrics(run),
        run=identity_of(run),
        evaluation=_evaluation(run, torch_runner(live), onnx_runner(folder / "1" / "model.onnx")),
        variants=tuple(Variant((INPUTS[variant],), graph) for variant, graph in graphs.items()),
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


def _samples(run: Run, max_batch: int) -> dict[str, Batches]:
    """Return some test clips in batches of 1, 2, 3 and 2, by a description; nothing where there is none."""
    shown = _tensors(run, PROOF_CLIPS)[0]
    batches, rest = [], shown
    for size in (1, 2, 3, 2):
        group, rest = rest[: min(size, max_batch)], rest[min(size, max_batch) :]
        if group:
            batches.append([torch.stack(column) for column in zip(*group, strict=True)])
    return {f"{sum(len(b[0]) for b in batches)} of {run.config.data.name}, test clips": batches} if batches else {}


def _evaluation(run: Run, live: Runner, served: Runner) -> tuple[Evaluation, ...]:
    """Score the live network and the graph on the same test clips."""
    tensors, labels = _tensors(run, EVALUATED_CLIPS)
    found: list[list[np.ndarray]] = [[], []]  # type: ignore[type-arg]
    for start in range(0, len(tensors), 8):
        group = tensors[start : start + 8]
        batch = [torch.stack(column) for column in zip(*group, strict=True)]
        for place, runner in enumerate((live, served)):
            found[place].append(runner(batch)[0])
    scores = [score_clips(np.concatenate(parts), np.asarray(labels)) for parts in found]
    inputs = f"{run.config.data.name}, {len(labels)} test clips"
    return (Evaluation(inputs, "accuracy", scores[0].accuracy, scores[1].accuracy),)


def _tensors(run: Run, count: int) -> tuple[list[list[Tensor]], list[int]]:
    """Return inputs and labels of the first test clips."""
    source = clips(run.config, "test")
    network = run.config.network
    inputs, labels = [], []
    for index in range(min(count, len(source))):
        clip, label = source[index]
        inputs.append(as_tensors(clip, network.clip, network.modalities))
        labels.append(label)
    return inputs, labels


def _metrics(run: Run) -> dict[str, float]:
    """Return the headline figures of a run, which is scored where it was not yet."""
    metrics = read_metrics(run.folder) or score(run, progress=False)
    every = list(availabilities(run.config.network.modalities))
    flat = {"clips": float(metrics["clips"])}
    for name in reversed(every):
        suffix = "" if name == every[-1] else f"_{name}"
        flat["accuracy" + suffix] = float(metrics["scores"][name]["accuracy"])
        if metrics["scores"][name]["auc"] is not None:
            flat["auc" + suffix] = float(metrics["scores"][name]["auc"])
    return flat
