"""What an export is asked for, and the exporter of every task: one protocol, one table, options checked by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from crosswire.contract import Contract
from crosswire.export.place import BuildError
from crosswire.export.quantization.precision import CALIBRATED, FP32, Precision
from crosswire.training.config import RunConfig
from crosswire.training.engine.run_folder import RunOf
from crosswire.training.tasks.registry import AUDIO_VIDEO, RETRIEVAL, SEGMENTATION, TRANSLATION, task_name

SIZE = "--size"
FRAMES = "--frames"
MISSING_MODALITY = "--missing-modality"
CALIBRATION = "--calibration"
CALIBRATION_FRAMES = "--calibration-frames"
MAX_DROP = "--max-drop"
CLASS_INDICES = "--class-indices"
#: Options of int8 and fp8.
INT8_OPTIONS = (CALIBRATION, CALIBRATION_FRAMES, MAX_DROP)
#: Every option that some task does not take.
OPTIONS = (SIZE, FRAMES, MISSING_MODALITY, CLASS_INDICES, *INT8_OPTIONS)

Report = Callable[[str], None]


def silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class ExportRequest:
    """What an export is asked for.

    Attributes:
        name: of the network's folder and of its Triton model.
        size: height and width of the images that the graph takes; None where the run says it.
        max_batch: largest batch that a server may form.
        precision: arithmetic of the graph.
        missing_modality: also write a graph per stream, which answers when that stream alone is present.
        report: is told what is being measured.
        class_indices: label images hold class indices, however the data number their labels.
    """

    name: str
    size: tuple[int, int] | None = None
    max_batch: int = 8
    precision: Precision = FP32
    missing_modality: bool = False
    report: Report = silent
    class_indices: bool = False

    def image_size(self) -> tuple[int, int]:
        """Return height and width of the images.

        Raises:
            BuildError: no size was given, or an impossible one.
        """
        if self.size is None:
            raise BuildError("got no size of the images; add one, for example --size 128x160")
        height, width = self.size
        if min(height, width) < 32 or max(height, width) > 4096:
            raise BuildError(f"size {height}x{width} is not allowed; height and width are 32 to 4096")
        return height, width

    def given(self) -> list[str]:
        """Return those of `OPTIONS` that were given, even with the value that is the default."""
        values = {
            SIZE: self.size,
            FRAMES: self.precision.frames,
            MISSING_MODALITY: self.missing_modality or None,
            CLASS_INDICES: self.class_indices or None,
            CALIBRATION: self.precision.calibration,
            CALIBRATION_FRAMES: self.precision.calibration_frames,
            MAX_DROP: self.precision.max_drop,
        }
        return [option for option in OPTIONS if values[option] is not None]


class Exporter(Protocol):
    """How the runs of one task become a network's folder; `crosswire.export.build` does what is the same for all."""

    plural: ClassVar[str]
    """What its runs are called in messages."""
    options: ClassVar[Collection[str]]
    """Those of `OPTIONS` that it takes."""
    precisions: ClassVar[Collection[str]]
    """Those of `crosswire.contract.PRECISIONS` that it takes."""
    targets: ClassVar[Collection[str]]
    """Those of `crosswire.contract.TARGETS` that it takes."""
    reasons: ClassVar[Mapping[str, str]]
    """Why it does not take an option, or a value such as `--precision int8`, where it is worth a word."""

    def check(self, config: Any, request: ExportRequest) -> None:
        """Refuse what cannot be exported, as far as a run's configuration shows it.

        Raises:
            ValueError: with what to do instead.
        """

    def write(self, run: RunOf[Any, Any], request: ExportRequest, folder: Path) -> Contract:
        """Write the graphs of a run into a folder, and make the contract from what is measured on them.

        Args:
            run: the trained network.
            request: one that was checked.
            folder: has a folder `1` for the graphs, and nothing else.

        Raises:
            ValueError: the network cannot be exported.
            ContractError: a tolerance is exceeded.
        """


#: Module and class of the exporter of every task that has one.
EXPORTERS = {
    SEGMENTATION: ("crosswire.export.tasks.segmentation.exporter", "SegmentationExporter"),
    TRANSLATION: ("crosswire.export.tasks.translation.exporter", "TranslationExporter"),
    AUDIO_VIDEO: ("crosswire.export.tasks.audio_video.exporter", "AudioVideoExporter"),
}
#: What the runs of the other tasks are used with.
INSTEAD = {RETRIEVAL: "crosswire infer {run} --tensors features.npz --out embeddings.npz"}


def exporter_of(config: RunConfig, folder: Path) -> Exporter:
    """Return the exporter of a run by the name of its task, importing it.

    Args:
        config: of the run.
        folder: of the run, for the message.

    Raises:
        BuildError: runs of its task are not exported.
    """
    name = task_name(config)
    if name not in EXPORTERS:
        instead = INSTEAD.get(name, "crosswire infer {run}").format(run=folder)
        raise BuildError(f"{name} runs are not exported; use this one with: {instead}")
    module, kind = EXPORTERS[name]
    exporter: Exporter = getattr(importlib.import_module(module), kind)()
    return exporter


def check_options(exporter: Exporter, request: ExportRequest) -> None:
    """Refuse every option that a task, or the precision that was asked for, does not take.

    Raises:
        BuildError: with the option by name.
    """
    for option in request.given():
        if option not in exporter.options:
            raise _untaken(exporter, option)
    precision, target = request.precision.name, request.precision.target
    for option, value, taken in (
        ("--precision", precision, exporter.precisions),
        ("--target", target, exporter.targets),
    ):
        if value not in taken:
            raise _untaken(exporter, f"{option} {value}", f", or use {option} {' or '.join(taken)}")
    for option in request.given():
        if option in INT8_OPTIONS and precision not in CALIBRATED:
            raise BuildError(
                f"got {option}, which --precision {precision} does not take; leave it out, or use --precision int8"
            )


def _untaken(exporter: Exporter, option: str, instead: str = "") -> BuildError:
    """Return the error of an option that a task does not take."""
    why = exporter.reasons.get(option)
    reason = f" ({why})" if why else ""
    return BuildError(f"got {option}, which {exporter.plural} do not take; leave it out{instead}{reason}")
