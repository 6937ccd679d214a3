"""Writing the nodes of a graph one after the other, each by the names of what it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: Beginning of the names of everything that stands around an adopted network, and of everything inside it.
AROUND, INSIDE = "around.", "network."


class Nodes:
    """Nodes and constants in the order in which they are written.

    Args:
        part: of the graph, in the names of what is written.
    """

    def __init__(self, part: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._part = f"{AROUND}{part}"

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Write a node with one output; returns the output's name.

        Args:
            kind: the operator.
            *inputs: names of tensors.
            output: name of the output; one is made up if empty.
            **attributes: of the operator.
        """
        name = f"{self._part}.{len(self.nodes)}.{kind}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output or name], name=name, **attributes))
        return output or name

    def constant(self, values: NDArray[Any]) -> str:
        """Write a constant; returns its name."""
        name = f"{self._part}.constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def number(self, value: float) -> str:
        """Write a constant float without dimensions; returns its name."""
        return self.constant(np.asarray(value, np.float32))

    def whole(self, *values: int) -> str:
        """Write a constant list of whole numbers, a shape or axes; returns its name."""
        return self.constant(np.asarray(values, np.int64))

    def cast(self, tensor: str, dtype: str, output: str = "") -> str:
        """Write a cast to an element type by ONNX's name of it; returns the output's name."""
        return self.add("Cast", tensor, output=output, to=TensorProto.DataType.Value(dtype))

    def reshape(self, tensor: str, *shape: int, output: str = "") -> str:
        """Write a reshape in which 0 keeps an axis; returns the output's name."""
        return self.add("Reshape", tensor, self.whole(*shape), output=output)

    def resize(self, tensor: str, size: tuple[int, int], wanted: tuple[int, int], **attributes: Any) -> str:
        """Write a change of height and width of a tensor [N, C, h, w]; returns the output's name.

        Factors rather than sizes, which would need the batch. A factor that no float holds exactly could lose a row or
        a column to rounding down, so it is taken a little larger then.
        """
        factors = np.asarray([1, 1, wanted[0] / size[0], wanted[1] / size[1]], np.float32)
        for axis, (small, large) in enumerate(zip(size, wanted, strict=True), start=2):
            while np.floor(np.float32(small) * factors[axis]) < large:
                factors[axis] = np.nextafter(factors[axis], np.float32(np.inf))
        return self.add("Resize", tensor, "", self.constant(factors), **attributes)
