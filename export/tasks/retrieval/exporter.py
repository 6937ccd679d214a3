"""The exporter of retrieval: a network for each of its two embedders, proven and scored on the test features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosswire.contract import Contract, Evaluation, Tolerance
from crosswire.contract.wire_names import EMBEDDING
from crosswire.export.graph_file import GRAPH, described
from crosswire.export.network_facts import network_facts
from crosswire.export.onnx_graph import write_onnx
from crosswire.export.parity import onnx_runner, prove, torch_runner
from crosswire.export.samples import SIZES, in_batches, noise
from crosswire.export.tasks.exporter import (
    CALIBRATION,
    CALIBRATION_FRAMES,
    CLASS_INDICES,
    FRAMES,
    MAX_DROP,
    MISSING_MODALITY,
    SIZE,
    ExportRequest,
)
from crosswire.export.tasks.retrieval.servable import INPUTS, EmbedderServable, FrozenEmbedder, input_spec, output_spec
from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import read_metrics
from crosswire.training.models.count import parameters
from crosswire.training.tasks.audio_video.metrics import mean_average_precision
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.data import Features, features
from crosswire.training.tasks.retrieval.evaluate import Run
from crosswire.training.tasks.retrieval.module import score_retrieval

#: Parts of a served vector, whose length is 1, lie within this of PyTorch's.
TOLERANCE = Tolerance(EMBEDDING, "max_abs", 1e-5)
#: The n of the mAP@n that live and served vectors are compared by, and the most videos that are searched for it.
EVALUATED, EVALUATED_VIDEOS = 10, 512
_UNLABELLED = "it answers with vectors, not with labels"
_ONE_MATRIX = "frozen, an embedder is one matrix in fp32"

Embed = Callable[[NDArray[np.float32]], NDArray[np.generic]]


class RetrievalExporter:
    """The exporter of networks that embed features, whose runs say all there is to say."""

    plural: ClassVar[str] = "retrievals"
    parts: ClassVar[Sequence[str]] = tuple(INPUTS)
    options: ClassVar[Sequence[str]] = ()
    precisions: ClassVar[Sequence[str]] = ("fp32",)
    targets: ClassVar[Sequence[str]] = ("cpu",)
    reasons: ClassVar[dict[str, str]] = {
        SIZE: "features have no height and width, and the run says how many there are",
        FRAMES: "all of them are scored on the test features",
        MISSING_MODALITY: "each embedder takes one modality as it is",
        CLASS_INDICES: _UNLABELLED,
        CALIBRATION: _ONE_MATRIX,
        CALIBRATION_FRAMES: _ONE_MATRIX,
        MAX_DROP: _ONE_MATRIX,
        **{f"--precision {name}": _ONE_MATRIX for name in ("fp16", "int8", "bf16", "fp8")},
        "--target tensorrt": "they have one layout for all targets",
    }

    def check(self, config: RetrievalConfig, request: ExportRequest) -> None:
        """Refuse a run whose test features are nowhere; whether they fit is seen when they are read.

        Raises:
            ConfigError: with where they should be.
        """
        if not config.data.path or not Path(config.data.path).is_dir():
            raise ConfigError(
                f"parity is measured on the run's test features, and there is no folder {config.data.path!r}; put them "
                "back there, or set data.path in the run's config.json to where they are"
            )

    def write(self, run: Run, request: ExportRequest, folder: Path) -> Contract:
        """Freeze the embedder that a request names, and write and prove its graph.

        Raises:
            ConfigError: the features are not readable, or have other sizes than the network's.
            ContractError: the tolerance is exceeded.
        """
        source = features(run.config, "test")
        live = EmbedderServable(run.network.eval(), request.part).eval()
        frozen = FrozenEmbedder(live).eval()
        inputs = (input_spec(request.part, getattr(run.config.network, request.part)),)
        outputs = (output_spec(frozen.layer.out_features),)
        write_onnx(frozen, inputs, outputs, request.max_batch, folder / GRAPH)
        served = onnx_runner(folder / GRAPH)
        samples = in_batches(
            _samples(source, request.part), request.max_batch, f"{run.config.data.name}, test {request.part}s"
        )
        proofs = prove(
            torch_runner(live),
            {"frozen": torch_runner(frozen), "onnx": served},
            {**samples, **noise(inputs, request.max_batch)},
            [EMBEDDING],
            (TOLERANCE,),
        )
        scores = read_metrics(run.folder).get("scores") or score_retrieval(run.network, source)
        return Contract(
            name=request.name,
            task="retrieval",
            inputs=inputs,
            outputs=outputs,
            classes=(),
            palette=(),
            max_batch_size=request.max_batch,
            precision="fp32",
            graph=described(folder / GRAPH, folder),
            tolerances=(TOLERANCE,),
            parity=proofs,
            metrics={name: float(value) for name, value in scores.items()},
            evaluation=_evaluation(run, source, request.part, lambda given: served([given])[0]),
            **{**network_facts(run, live, frozen, inputs), "parameters": parameters(live)},
        )


def _samples(source: Features, embedder: str) -> list[list[Tensor]]:
    """Return the first test features that an embedder takes, each with a batch axis of 1."""
    given = source.videos if embedder == "video" else np.concatenate(source.images[: sum(SIZES)])
    return [[torch.from_numpy(one[None])] for one in given[: sum(SIZES)]]


def _evaluation(run: Run, source: Features, embedder: str, served: Embed) -> tuple[Evaluation, ...]:
    """Score the retrieval live, and with the served vectors of one embedder beside the live ones of the other."""
    count = min(len(source), EVALUATED_VIDEOS)
    given = {"video": source.videos[:count], "image": np.concatenate(source.images[:count])}
    with torch.inference_mode():
        live = {
            name: run.network.embed(place, torch.from_numpy(given[name])).numpy() for place, name in enumerate(INPUTS)
        }
    replaced = {**live, embedder: served(given[embedder])}
    labels = source.labels[:count]
    relevant = np.repeat(labels, [len(images) for images in source.images[:count]])[:, None] == labels
    scores = [
        mean_average_precision(found["image"] @ found["video"].T, relevant, EVALUATED) for found in (live, replaced)
    ]
    inputs = f"{run.config.data.name}, {count} test videos by {len(given['image'])} images"
    return (Evaluation(inputs, f"mAP@{EVALUATED}", *scores),)
