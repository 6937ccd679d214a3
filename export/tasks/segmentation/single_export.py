"""What every step of one export needs to know."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import fx, nn

from crosswire.contract import TensorSpec
from crosswire.contract.errors import UsageError
from crosswire.export.frames import Frames, of_folder, of_source
from crosswire.export.freeze import freeze
from crosswire.export.onnx_graph import write_onnx
from crosswire.export.quantization.precision import CALIBRATION_FRAMES, FRAMES, Precision
from crosswire.export.tasks.exporter import Report
from crosswire.export.tasks.segmentation.argmax_head import by_residues, whole
from crosswire.export.tasks.segmentation.servable import SegmentationServable, input_spec, output_specs
from crosswire.training.engine.run_folder import Run
from crosswire.training.modalities import Modality, modalities
from crosswire.training.models import single_stream
from crosswire.training.tasks.segmentation.data import frames


@dataclass(frozen=True)
class SegmentationExport:
    """One graph to export.

    Attributes:
        run: the trained network.
        network: what becomes the graph: the run's network, or one of its streams alone.
        streams: its modalities.
        inputs: of the graph.
        outputs: of the graph.
        frozen: the frozen network, fp32.
        max_batch: largest batch that a server may form.
        precision: arithmetic of the graph.
        report: is told what is being measured.
    """

    run: Run
    network: nn.Module
    streams: tuple[Modality, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    frozen: fx.GraphModule
    max_batch: int
    precision: Precision
    report: Report

    def live(self) -> SegmentationServable:
        """Return the live network as it is served, with its logits."""
        return SegmentationServable(self.network, self.streams, tapped=True).eval()

    def servable(self, dtype: torch.dtype = torch.float32) -> SegmentationServable:
        """Return the frozen network as it is served, with its logits, in fp32 or fp16."""
        network = self.frozen if dtype is torch.float32 else copy.deepcopy(self.frozen).to(dtype)
        tail = by_residues if self.precision.target == "cpu" else whole
        return SegmentationServable(network, self.streams, tapped=True, dtype=dtype, tail=tail).eval()

    def write(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write the frozen network's graph, in fp32 or fp16."""
        write_onnx(self.servable(dtype), self.inputs, self.outputs, self.max_batch, path)

    def labelled(self, split: str) -> Frames:
        """Return frames of a split of the run's data; none where the data set has none."""
        config = self.run.config.data
        if config.name == "none":
            return Frames("no frames", ())
        what = {"train": "training", "val": "validation", "test": "test"}[split]
        count = self._calibration_frames() if split == "train" else self.precision.frames or FRAMES
        return of_source(frames(config, split), self.inputs, count, f"{config.name}, {{count}} {what} frames")

    def calibration(self) -> Frames:
        """Return what ranges are measured on: the folder that was named, or training frames of the run's own data.

        Raises:
            UsageError: there is neither.
        """
        if self.precision.calibration is not None:
            return of_folder(self.precision.calibration, self.inputs, self._calibration_frames())
        if not (found := self.labelled("train")).samples:
            raise UsageError("the run has no frames of its own; name real inputs with --calibration DIR")
        return found

    def _calibration_frames(self) -> int:
        """Return how many frames ranges are measured on, at most."""
        return self.precision.calibration_frames or CALIBRATION_FRAMES


def prepare_export(
    run: Run, size: tuple[int, int], max_batch: int, precision: Precision, report: Report
) -> SegmentationExport:
    """Freeze a run for images of a size (H, W).

    Raises:
        UsageError: the network cannot be frozen.
    """
    streams = modalities(run.config.network)
    return SegmentationExport(
        run=run,
        network=run.network,
        streams=streams,
        inputs=tuple(input_spec(stream, size) for stream in streams),
        outputs=output_specs(size, run.config.network.classes),
        frozen=freeze(run.network),
        max_batch=max_batch,
        precision=precision,
        report=report,
    )


def single_stream_exports(export: SegmentationExport) -> tuple[SegmentationExport, ...]:
    """Return one export per stream of a network that was trained to decide with that stream alone."""
    lone = []
    for place, (stream, spec) in enumerate(zip(export.streams, export.inputs, strict=True)):
        network = single_stream(export.run.network, place)
        frozen = freeze(network)
        lone.append(dataclasses.replace(export, network=network, streams=(stream,), inputs=(spec,), frozen=frozen))
    return tuple(lone)
