"""The files that hold a network, and where its weights come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.contract.errors import ContractError


@dataclass(frozen=True)
class Graph:
    """The file that holds the network.

    Attributes:
        file: path relative to the contract's folder.
        sha256: hash of the file, hexadecimal.
        opset: ONNX operator set.
        ir_version: ONNX file format version.
        weights: path of the file with the weights where they do not fit into `file`, else empty.
        weights_sha256: its hash, else empty.
    """

    file: str
    sha256: str
    opset: int
    ir_version: int
    weights: str = ""
    weights_sha256: str = ""

    def check(self, network: str, folder: Path) -> None:
        """Raise `ContractError` unless the files are there with the hashes that they were written with."""
        _check_file(f"{network}: the graph", folder / self.file, self.sha256)
        if self.weights:
            _check_file(f"{network}: the graph's weights", folder / self.weights, self.weights_sha256)


@dataclass(frozen=True)
class Variant:
    """A further graph, for requests that lack some inputs; it was trained for that.

    Attributes:
        inputs: names of the inputs that it takes, in the contract's order; it answers when exactly these are present.
        graph: its file.
    """

    inputs: tuple[str, ...]
    graph: Graph

    @property
    def name(self) -> str:
        """Names of its inputs joined by `+`: what `modalities` says when it answers."""
        return "+".join(self.inputs)


@dataclass(frozen=True)
class ExchangedLayer:
    """The exchange of one norm layer, read from the trained scaling factors.

    Attributes:
        layer: name of the layer in the network.
        channels: channels per stream.
        penalised: per stream, how many channels may be replaced (the sub-part with the L1 penalty).
        exchanged: per stream, how many are replaced.
    """

    layer: str
    channels: int
    penalised: tuple[int, ...]
    exchanged: tuple[int, ...]


@dataclass(frozen=True)
class TrainingRun:
    """Where the weights come from.

    Attributes:
        preset: name of the training preset.
        config: the whole training configuration.
        weights_sha256: hash of the weights file, hexadecimal.
        steps: optimiser steps that were taken.
        data: name of the data set, so that clients can say what is outside the training domain.
        versions: versions of the libraries that trained and exported.
    """

    preset: str
    config: dict[str, Any]
    weights_sha256: str
    steps: int
    data: str
    versions: dict[str, str]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_file(what: str, path: Path, sha256: str) -> None:
    """Raise `ContractError` unless a file is there with a hash."""
    if not path.is_file():
        raise ContractError(f"{what} {path} is missing; export the run again")
    if (found := sha256_of(path)) != sha256:
        raise ContractError(
            f"{what} {path} has sha256 {found[:12]}…, its contract says {sha256[:12]}…; one of them was changed by "
            "hand: export the run again"
        )
