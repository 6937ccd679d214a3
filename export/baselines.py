"""A served graph against what it replaces, timed here: eager PyTorch and a naive ONNX export of the live network.

Both are rebuilt from the configuration in the contract with fresh weights, on which no time depends.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from crosswire.contract import Contract
from crosswire.export.graph_file import save
from crosswire.export.onnx_graph import example, exported
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.tasks.audio_video.servable import ClipServable
from crosswire.export.tasks.retrieval.servable import EmbedderServable, embedder_of
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.training.modalities import modalities
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.registry import config_from_plain, network_family_of
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.translation.config import TranslationConfig


def compare_latency(contract: Contract, graph: Path, repeats: int) -> dict[str, float]:
    """Time a graph, eager PyTorch and a naive export in turn, on noise of batch 1; milliseconds.

    Args:
        contract: of the graph.
        graph: its file.
        repeats: counted rounds.
    """
    live = _live(contract).eval()
    sample = example(contract.inputs, 1, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        naive = Path(folder) / "naive.onnx"
        save(exported(live, contract.inputs, [spec.name for spec in contract.computed_outputs], None), naive)
        runners = {
            "eager PyTorch fp32": torch_runner(live),
            "naive ONNX fp32": onnx_runner(naive),
            f"served {contract.precision}": onnx_runner(graph),
        }
        return interleaved({name: partial(run, sample) for name, run in runners.items()}, repeats)


def interleaved(runners: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Call every runner in turn, `repeats` rounds after one that is not counted.

    Args:
        runners: what is timed, by name.
        repeats: counted rounds, at least 1.

    Returns:
        median of the wall times of every runner, milliseconds.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats + 1):
        for name, runner in runners.items():
            start = time.perf_counter()
            runner()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(all_[1:]) for name, all_ in times.items()}


def _live(contract: Contract) -> nn.Module:
    """Rebuild the live network of a contract with fresh weights, with its wire around it."""
    config = config_from_plain(contract.run.config)
    network: Any = network_family_of(config).build_network(config.network)
    if isinstance(config, AudioVideoConfig):
        return ClipServable(network, config.network.modalities)
    if isinstance(config, RetrievalConfig):
        return EmbedderServable(network, embedder_of(contract.inputs[0].name))
    if isinstance(config, TranslationConfig):
        return TranslationServable(network, config.network)
    return SegmentationServable(network, modalities(config.network))
