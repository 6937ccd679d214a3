"""How many channels a network exchanges, as a contract says it."""

from __future__ import annotations

from torch import nn

from crosswire.contract import ExchangedLayer
from crosswire.training.engine.run_folder import exchange_to_plain


def exchanged_layers(network: nn.Module) -> tuple[ExchangedLayer, ...]:
    """Return per exchanging layer of a network how many channels each stream may exchange and does exchange."""
    return tuple(
        ExchangedLayer(entry["layer"], entry["channels"], tuple(entry["penalised"]), tuple(entry["exchanged"]))
        for entry in exchange_to_plain(network)
    )
