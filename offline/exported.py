"""Exported networks without a server: their files for workers elsewhere, and their steps in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crosswire.clients.errors import InputError
from crosswire.clients.pipelines import check_takes_files
from crosswire.contract import FILE_NAME, PipelineDescription
from crosswire.offline.pipelines import ExportedPipeline
from crosswire.serving.repository.assemble import place_graph
from crosswire.serving.repository.model_config import Runtime, as_json, in_process_configs, network_config
from crosswire.serving.repository.networks import ServedNetwork, find_networks
from crosswire.serving.repository.published import published
from crosswire.serving.steps.runtime.in_process import InProcessPipeline


class _Uncounted:
    """Counts nothing: there is no page of metrics without a server."""

    def __init__(self, step: str) -> None:
        """Take the name of the step."""

    def answered(self, samples: Sequence[int], seconds: float) -> None:
        """Count nothing."""

    def failed(self, seconds: float) -> None:
        """Count nothing."""


def exported(repository: Path, pipeline: str | None = None) -> ExportedPipeline:
    """Read a pipeline's network from a folder of exported networks.

    Args:
        repository: one sub-folder per network.
        pipeline: name of the pipeline, or None for the only one.

    Raises:
        ServingError: the folder holds no network, or one whose graph is not what its contract says.
        InputError: it has no such pipeline, several and none was named, or one that takes no files.
    """
    networks = find_networks(repository)
    fitting = [one for one in networks if pipeline in (None, one.offered)]
    offer = ", ".join(one.offered for one in networks)
    if not fitting:
        raise InputError(f"{repository} has no pipeline {pipeline!r}; it has: {offer}")
    if len(fitting) > 1:
        raise InputError(f"{repository} has several pipelines: {offer}; name one with --pipeline")
    (network,) = fitting
    description = _description(network)
    check_takes_files(description)
    return ExportedPipeline(description, network.name, _files(network, repository / network.name))


def load(repository: Path, name: str) -> InProcessPipeline:
    """Load the steps of a network's pipeline into this process.

    Args:
        repository: folder that holds the network's, to which links are added; it may be removed afterwards.
        name: of the network.

    Raises:
        ServingError: a graph is not what the contract says.
    """
    (network,) = find_networks(repository, [name])
    config, _, _ = in_process_configs(network, network_config(network, Runtime.EMBEDDED))
    version = repository / ".loaded" / name
    version.mkdir(parents=True)
    for graph in network.graphs:
        place_graph(graph, version / graph.file, copy=False)
    return InProcessPipeline(as_json(config), version, _Uncounted)


def _description(network: ServedNetwork) -> PipelineDescription:
    """Return what a server would say of a network's pipeline, or of the network where that is all there is."""
    contract, pipeline = network.contract, network.pipeline
    if pipeline is None:
        return published(contract, network.inputs, contract.outputs, contract.name, (contract.name,))
    return published(contract, pipeline.inputs, pipeline.outputs, pipeline.name, pipeline.steps)


def _files(network: ServedNetwork, folder: Path) -> dict[str, bytes]:
    """Return the contract, the graphs and their weights by their names in the network's folder."""
    paths = [folder.resolve() / FILE_NAME]
    for graph in network.graphs:
        paths += [graph.source, *([] if graph.weights is None else [graph.weights])]
    return {str(path.relative_to(folder.resolve())): path.read_bytes() for path in paths}
