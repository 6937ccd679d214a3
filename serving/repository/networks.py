"""Finding the exported networks of a source repository and checking that they are what their contracts say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import FILE_NAME, Contract, ContractError, TensorSpec
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.graphs import ServedGraph, graphs_of
from crosswire.serving.repository.pipelines import PipelineSpec, network_inputs, pipeline_of

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class ServedNetwork:
    """One exported network whose graphs match its contract, and all that serving derives from it.

    It is made once, when the source repository is read; whoever writes, probes or examines takes it from here.

    Attributes:
        contract: what the network promises.
        inputs: the input tensors of its own model.
        graphs: the graph that takes every input, then those of the variants, in the contract's order.
        facade: whether the container needs a python model before the graphs: an input may be absent, or strings come
            out.
        pipeline: the pipeline that it is served through; None where it takes and gives numbers, and its own model is
            all there is.
    """

    contract: Contract
    inputs: tuple[TensorSpec, ...]
    graphs: tuple[ServedGraph, ...]
    facade: bool
    pipeline: PipelineSpec | None

    @classmethod
    def of(cls, contract: Contract, folder: Path) -> ServedNetwork:
        """Derive it from a contract and the folder that holds it and its graphs.

        Raises:
            ServingError: the network's tensors do not fit the pipeline of its task.
        """
        facade = bool(contract.variants) or len(contract.computed_outputs) < len(contract.outputs)
        graphs = graphs_of(contract, folder, facade=facade)
        return cls(contract, network_inputs(contract), graphs, facade, pipeline_of(contract))

    @property
    def name(self) -> str:
        """Its name, which is also that of its own model."""
        return self.contract.name

    @property
    def offered(self) -> str:
        """Name of the model that clients ask: its pipeline's, or its own where it has none."""
        return self.name if self.pipeline is None else self.pipeline.name

    @property
    def models(self) -> frozenset[str]:
        """Names of all Triton models that it may have, in whichever runtime."""
        pipeline = self.pipeline
        around = () if pipeline is None else (*pipeline.steps, pipeline.name, pipeline.in_process)
        return frozenset((self.name, *around, *(graph.model for graph in self.graphs)))


def find_networks(repository: Path, only: Sequence[str] = ()) -> tuple[ServedNetwork, ...]:
    """Return the verified networks of a source repository, ordered by name.

    Args:
        repository: folder with one sub-folder per network, each holding a contract and its graph.
        only: names to pick; all networks if empty.

    Raises:
        ServingError: the folder is missing or holds no such network, a graph is not what its contract says, or the
            tensors of one do not fit its pipeline.
    """
    if not repository.is_dir():
        raise ServingError(f"--repository {repository} is not a folder; export a run first: crosswire export")
    names = sorted(path.parent.name for path in repository.glob(f"[!.]*/{FILE_NAME}"))
    if unknown := sorted(set(only) - set(names)):
        raise ServingError(
            f"{repository} holds no network {', '.join(unknown)}; it holds {', '.join(names) or 'none at all'}"
        )
    if not names:
        raise ServingError(f"{repository} holds no <network>/{FILE_NAME}; export a run into it: crosswire export")
    return tuple(_load(repository / name) for name in only or names)


def _load(folder: Path) -> ServedNetwork:
    """Load and verify the network in one folder."""
    try:
        contract = Contract.load(folder)
        contract.verify(folder)
    except ContractError as error:
        raise ServingError(f"network {folder.name!r} is refused: {error}") from error
    except OSError as error:
        raise ServingError(f"network {folder.name!r} cannot be read: {error}; let this user read its files") from error
    if contract.name != folder.name:
        raise ServingError(
            f"network {folder.name!r} is refused: its contract names it {contract.name!r}; rename the folder"
        )
    if not _NAME.fullmatch(contract.name):
        raise ServingError(
            f"network {contract.name!r} is refused: a name is a letter and then at most 63 letters, digits or _"
        )
    return ServedNetwork.of(contract, folder)
