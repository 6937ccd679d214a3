"""What an export is asked for, and the exporter of every task: one protocol, one table, options checked by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
        part: which of several networks is to be written, one of `Exporter.parts`.
    """

    name: str
    size: tuple[int, int] | None = None
    max_batch: int = 8
    precision: Precision = FP32
    missing_modality: bool = False
    report: Report = silent
    class_indices: bool = False
    part: str = ""

    def of_part(self, part: str) -> ExportRequest:
        """Return the request for one of the networks that a run becomes, which its name ends in."""
        return replace(self, name=f"{self.name}_{part}", part=part) if part else self

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
    parts: ClassVar[Sequence[str]]
    """The networks that a run becomes, by the endings of their names; a single one has the name as it is, `("",)`."""
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
        """Write the graphs of a network into a folder, and make the contract from what is measured on them.

        Args:
            run: the trained network.
            request: one that was checked, of one part.
            folder: has a folder `1` for the graphs, and nothing else.

        Raises:
            ValueError: the network cannot be exported.
            ContractError: a tolerance is exceeded.
        """


#: Module and class of the exporter of every task.
EXPORTERS = {
    SEGMENTATION: ("crosswire.export.tasks.segmentation.exporter", "SegmentationExporter"),
    TRANSLATION: ("crosswire.export.tasks.translation.exporter", "TranslationExporter"),
    AUDIO_VIDEO: ("crosswire.export.tasks.audio_video.exporter", "AudioVideoExporter"),
    RETRIEVAL: ("crosswire.export.tasks.retrieval.exporter", "RetrievalExporter"),
}


def exporter_of(config: RunConfig) -> Exporter:
    """Return the exporter of a run by the name of its task, importing it."""
    module, kind = EXPORTERS[task_name(config)]
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
