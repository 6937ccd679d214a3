"""From a run folder to a network's folder: freeze, write the graph, prove it, write the contract."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.clips import write_clips
from export.contract import (
    Contract,
    ContractError,
    Evaluation,
    ExchangedLayer,
    Parity,
    Variant,
    used_spec,
)
from export.cost import macs
from export.frames import Frames
from export.identity import identity_of
from export.job import Job, Report, job, lone_jobs, silent
from export.onnx_graph import LOGITS, described, example
from export.parity import onnx_runner, prove, torch_runner
from export.pictures import write_pictures
from export.precision import FP32, Precision
from export.reduce import Reduced, reduce
from export.score import compare, score
from training.audio_video.config import AudioVideoConfig
from training.data import frames
from training.datasets.frames import FrameSource
from training.evaluate import score as score_run
from training.run_folder import Run, RunOf, exchange_to_plain, read_metrics
from training.translation.config import TranslationConfig

GRAPH = "1/model.onnx"
#: Where the graph lies before its precision is reduced, while it is made.
FULL_GRAPH = "fp32/model.onnx"
#: Frames that parity is measured on.
PROOF_FRAMES = 8


class BuildError(ValueError):
    """An export that cannot be made; the message says what came and what is allowed."""


def build(
    run: RunOf[Any, Any],
    name: str,
    size: tuple[int, int] | None,
    to: Path,
    *,
    max_batch: int = 8,
    precision: Precision = FP32,
    absence: bool = False,
    report: Report = silent,
) -> Contract:
    """Export a run into `to/name`, all of it or nothing.

    Args:
        run: the trained network.
        name: of the network's folder and of its Triton model.
        size: height and width of the pictures that the graph takes; None for clips, whose size the run says.
        to: the model repository.
        max_batch: largest batch that a server may form.
        precision: arithmetic of the graph.
        absence: also write a graph per stream, which answers when that stream alone is present; clips always have one
            per modality that they were trained with alone.
        report: is told what is being measured.

    Returns:
        The contract that was written.

    Raises:
        BuildError: a forbidden name or size, a target that cannot be written, or weights that are not finite.
        ContractError: a tolerance is exceeded.
    """
    _check(name, max_batch, to)
    if isinstance(run.config, AudioVideoConfig):
        _check_clips(size, precision)
    else:
        _check_size(size)
    partial = to / f".{name}.{os.getpid()}.partial"
    try:
        (partial / GRAPH).parent.mkdir(parents=True)
    except OSError as error:
        raise BuildError(f"{to} cannot be written: {error}; choose another folder with --to") from error
    try:
        if isinstance(run.config, AudioVideoConfig):
            contract = write_clips(run, name, partial, max_batch)
        elif isinstance(run.config, TranslationConfig):
            assert size is not None
            contract = _write_pictures(run, name, size, partial, max_batch, precision)
        else:
            assert size is not None
            whole, *lone = _jobs(run, size, max_batch, precision, absence, report)
            contract = _write(whole, lone, name, partial)
        contract.save(partial)
        contract.verify(partial)
        _replace(partial, to / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return contract


def _check_clips(size: tuple[int, int] | None, precision: Precision) -> None:
    """Refuse what clips do not take."""
    if size is not None:
        raise BuildError("the run says how large its frames are; leave out --size")
    if precision.name != "fp32":
        raise BuildError(f"clips are exported in fp32, not in {precision.name}; leave out --precision")


def _check_size(size: tuple[int, int] | None) -> None:
    """Refuse pictures of an impossible size."""
    if size is None:
        raise BuildError("say how large the pictures are, for example --size 128x160")
    if min(size) < 32 or max(size) > 4096:
        raise BuildError(f"size {size[0]}x{size[1]} is not allowed; height and width are 32 to 4096")


def _check(name: str, max_batch: int, to: Path) -> None:
    """Refuse what could only fail later."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BuildError(f"name {name!r} is not allowed; use small letters, digits and underscores: rooms_cen")
    if not 1 <= max_batch <= 256:
        raise BuildError(f"max batch {max_batch} is not allowed; it is 1 to 256")
    if to.exists() and not to.is_dir():
        raise BuildError(f"{to} is not a folder; choose another one with --to")


def _write_pictures(
    run: RunOf[Any, Any], name: str, size: tuple[int, int], folder: Path, max_batch: int, precision: Precision
) -> Contract:
    """Write a translation, with an error that names its run."""
    try:
        return write_pictures(run, name, size, folder, max_batch, precision)
    except ContractError:
        raise
    except ValueError as error:
        raise BuildError(f"{run.folder}: {error}") from error


def _jobs(
    run: Run, size: tuple[int, int], max_batch: int, precision: Precision, absence: bool, report: Report
) -> tuple[Job, ...]:
    """Freeze a run, and where it is wanted each of its streams alone, with an error that names it."""
    try:
        whole = job(run, size, max_batch, precision, report)
        return (whole, *(lone_jobs(whole) if absence else ()))
    except ValueError as error:
        raise BuildError(f"{run.folder}: {error}") from error


def _write(job: Job, lone: Sequence[Job], name: str, folder: Path) -> Contract:
    """Write the graphs into a folder, and make the contract from what is measured on them."""
    tested = job.labelled("test")
    proofs, reduced = _write_graph(job, folder / GRAPH, tested)
    contract = _contract(job, name, folder, proofs, reduced, tested)
    variants: list[Variant] = []
    evaluation = contract.evaluation
    for one in lone:
        inputs = tuple(spec.name for spec in one.inputs)
        path = (folder / GRAPH).with_suffix(f".{'+'.join(inputs)}.onnx")
        seen = one.labelled("test")
        measured, _ = _write_graph(one, path, seen)
        variants.append(variant := Variant(inputs, described(path, folder)))
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


def _write_graph(job: Job, path: Path, tested: Frames) -> tuple[tuple[Parity, ...], Reduced]:
    """Write one graph and prove it; returns the proofs, and what became of its precision."""
    full = path if job.precision.name == "fp32" else path.parents[1] / FULL_GRAPH
    full.parent.mkdir(exist_ok=True)
    job.write(full)
    live, frozen = job.live(), job.servable()
    outputs = [*(spec.name for spec in job.outputs), LOGITS]
    noise = {"noise, batches of 1, 2, 3": [example(job.inputs, n, seed=n) for n in (1, 2, 3) if n <= job.max_batch]}
    runners = {"frozen": torch_runner(frozen)}
    runners["onnx" if full == path else "onnx-fp32"] = onnx_runner(full, (LOGITS,))
    tolerances = job.precision.tolerances()
    proofs = prove(torch_runner(live), runners, noise | _proof(tested, job.max_batch), outputs, tolerances)
    reduced = Reduced()
    if full != path:
        reduced = reduce(job, full, path)
        shutil.rmtree(full.parent)
        samples = _proof(tested if tested.samples else job.calibration(), job.max_batch)
        runners = {"onnx": onnx_runner(path, (LOGITS,))}
        proofs += prove(torch_runner(live), runners, samples, outputs, tolerances)
    return proofs, reduced


def _contract(
    job: Job, name: str, folder: Path, proofs: tuple[Parity, ...], reduced: Reduced, tested: Frames
) -> Contract:
    """Describe a graph that was written and proven."""
    run, path = job.run, folder / GRAPH
    source = frames(run.config.data, "test")
    live, frozen = job.live(), job.servable()
    return Contract(
        name=name,
        task="segmentation",
        inputs=job.inputs,
        outputs=job.outputs,
        classes=source.classes,
        palette=source.palette,
        max_batch_size=job.max_batch,
        precision=job.precision.name,
        graph=described(path, folder),
        tolerances=job.precision.tolerances(),
        parity=proofs,
        exchange=tuple(
            ExchangedLayer(entry["layer"], entry["channels"], tuple(entry["penalised"]), tuple(entry["exchanged"]))
            for entry in exchange_to_plain(run.network)
        ),
        parameters=sum(p.numel() for p in run.network.parameters()),
        macs_live=macs(live, job.inputs),
        macs_frozen=macs(frozen, job.inputs),
        metrics=_metrics(run, source),
        run=identity_of(run),
        target=job.precision.target,
        precisions=reduced.precisions,
        evaluation=_evaluated(job, path, tested),
        calibration=reduced.calibration,
    )


def _evaluated(job: Job, path: Path, tested: Frames) -> tuple[Evaluation, ...]:
    """Return the task metrics of a live network and of its graph; none where there are no labelled frames."""
    if not tested.samples:
        return ()
    classes = job.run.config.network.classes
    return compare(score(torch_runner(job.live()), tested, classes), score(onnx_runner(path), tested, classes), tested)


def _proof(frames: Frames, max_batch: int) -> dict[str, list[list[Tensor]]]:
    """Return what parity is measured on besides noise: some frames in batches of 1, 2, 3 and 2, by a description."""
    batches, rest = [], frames.samples[:PROOF_FRAMES]
    for size in (1, 2, 3, 2):
        group, rest = rest[: min(size, max_batch)], rest[min(size, max_batch) :]
        if group:
            batches.append([torch.cat(column) for column in zip(*group, strict=True)])
    shown = sum(len(batch[0]) for batch in batches)
    return {f"{shown} of {frames.description}": batches} if batches else {}


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


def _replace(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
