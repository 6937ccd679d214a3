"""From a run folder to a network's folder: freeze, write the graph, prove it, write the contract."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.contract import Contract, ContractError
from crosswire.contract.errors import CrosswireError
from crosswire.export.onnx_graph import GRAPH
from crosswire.export.quantization.precision import FP32, Precision
from crosswire.export.tasks.audio_video.exporter import write_clips
from crosswire.export.tasks.segmentation.exporter import write_segmentation
from crosswire.export.tasks.segmentation.job import Report, prepare_export, silent, single_stream_exports
from crosswire.export.tasks.translation.exporter import write_translation
from crosswire.training.config import ConfigError, TrainConfig
from crosswire.training.engine.classes import Classified, check_classes
from crosswire.training.engine.run_folder import RunOf
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.data import clips
from crosswire.training.tasks.registry import task_of
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.translation.config import TranslationConfig

__all__ = ["GRAPH", "BuildError", "build", "default_target"]


class BuildError(CrosswireError, ValueError):
    """An export that cannot be made; the message says what came and what is allowed."""


def build(
    run: RunOf[Any, Any],
    name: str,
    size: tuple[int, int] | None,
    to: Path,
    *,
    max_batch: int = 8,
    precision: Precision = FP32,
    missing_modality: bool = False,
    report: Report = silent,
) -> Contract:
    """Export a run into `to/name`, all of it or nothing.

    Args:
        run: the trained network: a segmentation, a translation or one on clips.
        name: of the network's folder and of its Triton model.
        size: height and width of the pictures that the graph takes; None for clips, whose size the run says.
        to: the model repository.
        max_batch: largest batch that a server may form.
        precision: arithmetic of the graph.
        missing_modality: also write a graph per stream, which answers when that stream alone is present; clips
            always have one per modality that they were trained with alone, translations never.
        report: is told what is being measured.

    Returns:
        The contract that was written.

    Raises:
        BuildError: a forbidden name or size, a kind of run that is not exported, an option that its kind does not
            take, a target that cannot be written, or weights that are not finite.
        ContractError: a tolerance is exceeded.
    """
    _check(name, max_batch, to)
    write = _writer(run, _Wanted(name, size, max_batch, precision, missing_modality, report))
    partial = to / f".{name}.{os.getpid()}.partial"
    try:
        (partial / GRAPH).parent.mkdir(parents=True)
    except OSError as error:
        raise BuildError(f"{to} cannot be written: {error}; choose another folder with --to") from error
    try:
        contract = write(partial)
        contract.save(partial)
        contract.verify(partial)
        _replace(partial, to / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return contract


def default_target(run: RunOf[Any, Any], *, plan: bool) -> str:
    """Return what the graph of a run is laid out for where nobody says it: TensorRT where a plan is built of it.

    Args:
        run: the trained network; clips have one layout for all targets, which is that for the CPU.
        plan: whether a TensorRT plan is built.
    """
    return "tensorrt" if plan and not isinstance(run.config, AudioVideoConfig) else "cpu"


@dataclass(frozen=True)
class _Wanted:
    """What is wanted of an export; see the arguments of `build`."""

    name: str
    size: tuple[int, int] | None
    max_batch: int
    precision: Precision
    missing_modality: bool
    report: Report

    def pictures(self) -> tuple[int, int]:
        """Return the size of the pictures, refusing an impossible one."""
        if self.size is None:
            raise BuildError("say how large the pictures are, for example --size 128x160")
        height, width = self.size
        if min(height, width) < 32 or max(height, width) > 4096:
            raise BuildError(f"size {height}x{width} is not allowed; height and width are 32 to 4096")
        return height, width


Writer = Callable[[Path], Contract]
"""Writes the graphs of a run into a folder and returns their contract."""


def _check(name: str, max_batch: int, to: Path) -> None:
    """Refuse what could only fail later."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BuildError(f"name {name!r} is not allowed; use small letters, digits and underscores: rooms_cen")
    if not 1 <= max_batch <= 256:
        raise BuildError(f"max batch {max_batch} is not allowed; it is 1 to 256")
    if to.exists() and not to.is_dir():
        raise BuildError(f"{to} is not a folder; choose another one with --to")


def _writer(run: RunOf[Any, Any], wanted: _Wanted) -> Writer:
    """Return what writes a run of its kind, after refusing what that kind does not take."""
    writers = {TrainConfig: _segmentation, TranslationConfig: _translation, AudioVideoConfig: _clips}
    if (writer := writers.get(type(run.config))) is None:
        instead = task_of(run.config).next_step(run.config, run.folder)
        raise BuildError(f"{run.folder} is a run of {run.config.kind}, which is not exported; use it with: {instead}")
    return writer(run, wanted)


def _segmentation(run: RunOf[Any, Any], wanted: _Wanted) -> Writer:
    """Return what writes a segmentation; an error in freezing it, or one of its streams alone, names the run."""
    size = wanted.pictures()
    _check_classes(run, frames(run.config.data, "test"))

    def write(folder: Path) -> Contract:
        try:
            whole = prepare_export(run, size, wanted.max_batch, wanted.precision, wanted.report)
            lone = single_stream_exports(whole) if wanted.missing_modality else ()
        except CrosswireError as error:
            raise BuildError(f"{run.folder}: {error}") from error
        return write_segmentation(whole, lone, wanted.name, folder)

    return write


def _translation(run: RunOf[Any, Any], wanted: _Wanted) -> Writer:
    """Return what writes a translation; its errors name the run."""
    size = wanted.pictures()
    if wanted.missing_modality:
        raise BuildError(
            "translations are trained with every input present, and have no graph without; leave out --missing-modality"
        )

    def write(folder: Path) -> Contract:
        try:
            return write_translation(run, wanted.name, size, folder, wanted.max_batch, wanted.precision)
        except ContractError:
            raise
        except CrosswireError as error:
            raise BuildError(f"{run.folder}: {error}") from error

    return write


def _clips(run: RunOf[Any, Any], wanted: _Wanted) -> Writer:
    """Return what writes a run on clips, which always has a graph per modality alone."""
    if wanted.size is not None:
        raise BuildError("the run says how large its frames are; leave out --size")
    if wanted.precision.name != "fp32":
        raise BuildError(f"clips are exported in fp32, not in {wanted.precision.name}; leave out --precision")
    if wanted.precision.target != "cpu":
        raise BuildError(
            f"clips have one layout for all targets, not one for {wanted.precision.target}; leave out --target"
        )
    _check_classes(run, clips(run.config, "test"))
    return lambda folder: write_clips(run, wanted.name, folder, wanted.max_batch)


def _check_classes(run: RunOf[Any, Any], source: Classified) -> None:
    """Refuse a run whose data set knows other classes than its network."""
    try:
        check_classes(run.config, source)
    except ConfigError as error:
        raise BuildError(f"{run.folder}: {error}") from error


def _replace(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
