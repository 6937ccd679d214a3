"""Finding the exported networks of a source repository and checking that they are what their contracts say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import FILE_NAME, Contract, ContractError
from crosswire.serving.errors import ServingError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Network:
    """One exported network whose graphs match its contract.

    Attributes:
        contract: what the network promises.
        graph: absolute path of the file of the graph that takes every input.
        variants: absolute paths of the variants' graph files, in the contract's order.
    """

    contract: Contract
    graph: Path
    variants: tuple[Path, ...] = ()


def find_networks(repository: Path, only: Sequence[str] = ()) -> tuple[Network, ...]:
    """Return the verified networks of a source repository, ordered by name.

    Args:
        repository: folder with one sub-folder per network, each holding a contract and its graph.
        only: names to pick; all networks if empty.

    Raises:
        ServingError: the folder is missing or holds no such network, or a graph is not what its contract says.
    """
    if not repository.is_dir():
        raise ServingError(f"--repository {repository} is not a folder; export a run first: crosswire export")
    names = sorted(path.parent.name for path in repository.glob(f"*/{FILE_NAME}"))
    if unknown := sorted(set(only) - set(names)):
        raise ServingError(
            f"{repository} holds no network {', '.join(unknown)}; it holds {', '.join(names) or 'none at all'}"
        )
    if not names:
        raise ServingError(f"{repository} holds no <network>/{FILE_NAME}; export a run into it: crosswire export")
    return tuple(_load(repository / name) for name in only or names)


def _load(folder: Path) -> Network:
    """Load and verify the network in one folder."""
    try:
        contract = Contract.load(folder)
        graph = contract.verify(folder)
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
    variants = tuple((folder / variant.graph.file).resolve() for variant in contract.variants)
    return Network(contract, graph.resolve(), variants)
