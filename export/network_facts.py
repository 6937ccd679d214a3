"""What a contract says of a network beside its graph: where its weights come from, what it costs and exchanges."""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from crosswire.contract import ExchangedLayer, TensorSpec, TrainingRun, sha256_of
from crosswire.contract.plain import to_plain
from crosswire.export.onnx_graph import example
from crosswire.training.engine.run_folder import WEIGHTS, RunOf, exchange_to_plain
from crosswire.training.models.count import parameters


def network_facts(
    run: RunOf[Any, Any], live: nn.Module, frozen: nn.Module, inputs: tuple[TensorSpec, ...]
) -> dict[str, Any]:
    """Return the fields of a `Contract` that are the same for the networks of all tasks.

    Args:
        run: the trained network.
        live: the network as it is served.
        frozen: the same after freezing.
        inputs: of both.
    """
    return {
        "exchange": exchanged_layers(run.network),
        "parameters": parameters(run.network),
        "macs_live": macs(live, inputs),
        "macs_frozen": macs(frozen, inputs),
        "run": provenance_of(run),
    }


def exchanged_layers(network: nn.Module) -> tuple[ExchangedLayer, ...]:
    """Return per exchanging layer of a network how many channels each stream may exchange and does exchange."""
    return tuple(
        ExchangedLayer(entry["layer"], entry["channels"], tuple(entry["penalised"]), tuple(entry["exchanged"]))
        for entry in exchange_to_plain(network)
    )


def macs(servable: nn.Module, inputs: tuple[TensorSpec, ...]) -> int:
    """Count the multiply-accumulates of convolutions and matrix products for one sample."""
    # Without gradients the counter of PyTorch 2.13 fails on a view of a parameter that a module is called with, as
    # latents of attention are (findings/flop-counter-needs-gradients-for-parameters.sh).
    learnt = [parameter.requires_grad_(False) for parameter in servable.parameters() if parameter.requires_grad]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            servable(*example(inputs, 1, seed=0))
    finally:
        for parameter in learnt:
            parameter.requires_grad_()
    return int(counter.get_total_flops()) // 2


def provenance_of(run: RunOf[Any, Any]) -> TrainingRun:
    """Return what a contract says of a run of any kind."""
    return TrainingRun(
        preset=run.config.preset,
        config=to_plain(run.config),
        weights_sha256=sha256_of(run.folder / WEIGHTS),
        steps=run.config.steps,
        data=run.config.data.name,
        versions={"torch": torch.__version__, "onnx": onnx.__version__},
    )
