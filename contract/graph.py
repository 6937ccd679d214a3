"""The files that hold a network, and where its weights come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.contract.errors import ContractError
from crosswire.contract.plain import from_plain

#: What the files of engines end in, by the library that builds and runs them; they lie beside their graphs.
ENGINE_SUFFIXES = {"tensorrt": ".plan", "tensorrt_rtx": ".engine"}
#: Release of CUDA that TensorRT-RTX is installed for: its builder, and the provider of ONNX Runtime that runs engines.
RTX_CUDA = 12
#: Preset of a `TrainingRun` whose network was not trained here: a graph that came as it is.
ADOPTED = "adopted"


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
class EngineManifest:
    """What an engine was built from, with what and for what: a JSON file beside the engine.

    An engine built again is not the same bytes: what makes it the engine of a graph is the graph's hash, and these
    settings.

    Attributes:
        sha256: hash of the engine's file, hexadecimal.
        onnx_sha256: hash of the graph that it was built from.
        runtime: what loads it, a key of `ENGINE_SUFFIXES`.
        version: of the runtime.
        compute_capabilities: what it runs on, for example `("8.9", "12.0")`.
        precision: arithmetic of the graph.
        profile: smallest, usual and largest shape of every input.
        version_compatible: whether newer versions of the runtime load it, too.
        context_sha256: hash of the file by which ONNX Runtime's provider finds the engine, see `context_of`; empty
            where there is none.
    """

    sha256: str
    onnx_sha256: str
    runtime: str
    version: str
    compute_capabilities: tuple[str, ...]
    precision: str
    profile: dict[str, tuple[tuple[int, ...], ...]]
    version_compatible: bool = False
    context_sha256: str = ""

    @classmethod
    def load(cls, engine: Path) -> EngineManifest:
        """Read the manifest of an engine.

        Raises:
            ContractError: it is missing or damaged.
        """
        path = manifest_of(engine)
        try:
            return from_plain(cls, json.loads(path.read_text(encoding="utf-8")), path.name, error=ContractError)
        except (OSError, ValueError) as error:
            raise ContractError(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error

    def faults(self, engine: Path, graph_sha256: str) -> list[str]:
        """Return why a file is not the engine of a graph; nothing if it is.

        Args:
            engine: the file.
            graph_sha256: the graph's hash.
        """
        found = []
        if sha256_of(engine) != self.sha256:
            found.append("the engine is not the one that its manifest names")
        if self.onnx_sha256 != graph_sha256:
            found.append("it was built from another graph than the one beside it")
        context = context_of(engine)
        if self.context_sha256 and (not context.is_file() or sha256_of(context) != self.context_sha256):
            found.append(f"{context.name} is missing, or not the one that its manifest names")
        return found


def manifest_of(engine: Path) -> Path:
    """Return where the manifest of an engine lies."""
    return engine.with_name(f"{engine.name}.json")


def context_of(engine: Path) -> Path:
    """Return where the graph of one node lies by which ONNX Runtime's provider runs an engine."""
    return engine.with_name(f"{engine.name}.context")


def engine_faults(
    engine: Path, graph_sha256: str, libraries: Mapping[str, str], compute_capability: str | None
) -> list[str]:
    """Return what is wrong with an engine beside a graph; nothing if it may be used.

    Args:
        engine: the engine's file.
        graph_sha256: hash of the graph that it should have been built from.
        libraries: versions of the libraries of engines that are here; one that is not here is not compared.
        compute_capability: of the GPU that is to run it, for example `9.0`; None if it is not to be compared.
    """
    try:
        manifest = EngineManifest.load(engine)
    except ContractError as error:
        return [str(error)]
    found = manifest.faults(engine, graph_sha256)
    here = libraries.get(manifest.runtime)
    if here is not None and not manifest.version_compatible and not _same(here, manifest.version):
        found.append(f"it was built with {manifest.runtime} {manifest.version}, here is {here}")
    if compute_capability not in (None, *manifest.compute_capabilities):
        built_for = ", ".join(manifest.compute_capabilities)
        found.append(f"it was built for compute capability {built_for}, here is {compute_capability}")
    return found


def _same(one: str, other: str) -> bool:
    """Say whether two versions are the same as far as both are told: a package says 10.13.3, its library 10.13.3.9."""
    return all(a == b for a, b in zip(one.split("."), other.split("."), strict=False))


def engines_beside(graph: Path) -> list[Path]:
    """Return the engines that lie beside a graph's file."""
    files = [graph.with_suffix(suffix) for suffix in ENGINE_SUFFIXES.values()]
    return [file for file in files if file.is_file()]


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
        preset: name of the training preset, or `ADOPTED`.
        config: the whole training configuration; of an adopted graph its file, and how it was described.
        weights_sha256: hash of the weights file, or of the graph that was adopted, hexadecimal.
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
