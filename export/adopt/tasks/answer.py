"""What a task makes of the outputs of a graph: the wire, the nodes and the reference, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from crosswire.contract import TensorSpec, Tolerance
from crosswire.export.adopt.description import OutputDescription
from crosswire.export.adopt.graphs.nodes import Nodes

Array = NDArray[Any]


class Answer(Protocol):
    """The end of one adopted network."""

    described: tuple[OutputDescription, ...]
    """Its outputs with every field that applies."""
    outputs: tuple[TensorSpec, ...]
    """Of the adopted graph."""
    classes: tuple[str, ...]
    """Names of the classes; empty where the task has none."""
    palette: tuple[tuple[int, int, int], ...]
    """Their colours."""
    taps: tuple[str, ...]
    """Tensors inside the adopted graph that are proven, too."""
    tolerances: tuple[Tolerance, ...]
    """How far outputs and taps may lie from the reference."""
    remarks: tuple[str, ...]
    """What a person should know of it."""

    def nodes(self, *, cpu: bool) -> tuple[Nodes, ...]:
        """Return the nodes behind the network, for a CPU or for TensorRT."""

    def reference(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Return what outputs and taps have to be.

        Args:
            found: what the original graph gave, by its own names.
        """
