"""What runs every graph, told by the processes that run them to the supervisor: one file for each process and graph."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract.atomic_write import write_bytes
from crosswire.contract.errors import CrosswireError
from crosswire.contract.plain import from_plain, to_plain
from crosswire.serving.steps.runtime.providers.names import CPU, LABELS, RTX

#: Environment variable with the folder that the files are written into; without it nothing is.
RUNS_VARIABLE = "CROSSWIRE_GRAPH_RUNS"
GRAPH, COMPILED, ENGINE = "graph", "compiled", "engine"
_ARTEFACTS = {GRAPH: "graph", COMPILED: "what it compiled itself of graph", ENGINE: "engine built ahead of graph"}


@dataclass(frozen=True)
class GraphRun:
    """What runs one graph of a network.

    Attributes:
        network: name of the network.
        inputs: what the graph takes, joined by `+`.
        provider: one of `names.PROVIDERS`.
        device: index of the GPU; None for the processor.
        artefact: what is run: the `GRAPH`, what the provider `COMPILED` of it, or the `ENGINE` that was built ahead;
            an engine's manifest names the graph that it was built of, and is held against it.
        graph_sha256: hash of the graph, as its contract has it.
        warnings: what would have been better, and why it does not run.
        agreement: on a GPU, by output how far its answers to noise are those of the processor, on which the contract's
            proof was measured; 1 if they are the same.
    """

    network: str
    inputs: str
    provider: str
    device: int | None
    artefact: str
    graph_sha256: str
    warnings: tuple[str, ...] = ()
    agreement: tuple[tuple[str, float], ...] = ()

    @property
    def text(self) -> str:
        """All of it but the warnings, for people."""
        where = "" if self.device is None else f" on GPU {self.device}"
        what = f"{_ARTEFACTS[self.artefact]} {self.graph_sha256[:12]}"
        agreed = ", ".join(f"{name} {share:g}" for name, share in self.agreement)
        beside = f"; as the processor: {agreed}" if agreed else ""
        return f"{self.network} ({self.inputs}): {LABELS[self.provider]}{where}, {what}{beside}"


def artefact_of(provider: str, *, engine: bool) -> str:
    """Return what a provider runs."""
    return ENGINE if engine else COMPILED if provider == RTX else GRAPH


def tell(run: GraphRun) -> None:
    """Write down what runs a graph in this process, if anybody asked for it."""
    if folder := os.environ.get(RUNS_VARIABLE):
        name = f"{os.getpid()}.{run.network}.{run.inputs}.json"
        write_bytes(Path(folder) / name, json.dumps(to_plain(run)).encode(), mode=0o600)


def told(folder: Path, living: Iterable[int]) -> tuple[GraphRun, ...]:
    """Return what processes that still run have told, each once, and forget the others.

    Args:
        folder: that they write into.
        living: ids of the processes.
    """
    ids, found = set(living), dict[GraphRun, None]()
    for file in sorted(folder.glob("*.json")):
        if int(file.name.partition(".")[0]) not in ids:
            file.unlink(missing_ok=True)
            continue
        try:
            found[from_plain(GraphRun, json.loads(file.read_text(encoding="utf-8")))] = None
        except (OSError, ValueError, CrosswireError):  # it is being replaced
            continue
    return tuple(sorted(found, key=lambda run: (run.network, run.inputs, run.device is not None, run.device or 0)))


def warnings_of(runs: Iterable[GraphRun]) -> list[str]:
    """Return what falls short, one line for each reason, with the networks that it is of."""
    of = dict[str, list[str]]()
    for run in runs:
        for warning in run.warnings:
            networks = of.setdefault(f"{warning}; it runs on {LABELS[run.provider]}", [])
            if run.network not in networks:
                networks.append(run.network)
    return [f"{', '.join(networks)}: {warning}" for warning, networks in of.items()]


def on_gpu(runs: Iterable[GraphRun]) -> bool:
    """Say whether anything runs on a GPU."""
    return any(run.provider != CPU for run in runs)
