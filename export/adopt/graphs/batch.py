"""Fixed sizes and an open batch axis: a graph as a server runs it, tried on batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS
from crosswire.export.adopt.proof.sessions import Arrays, runner_of
from crosswire.export.tensorrt.operators import LARGEST_FILE

BATCH = "batch"
#: How far the answers to samples in a batch may lie from those to each alone, relative to the largest; of 16 bits.
_APART = {False: 1e-3, True: 1e-2}
_BATCH = 3

_NUMPY = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64, "BOOL": np.bool_}


def sized(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], batch: int | None) -> onnx.ModelProto:
    """Return a copy of a graph whose inputs have fixed sizes, with the shapes that follow from them.

    Args:
        model: the graph.
        shapes: sizes of every input, without its batch axis.
        batch: size of the batch axis; None leaves it open.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in (batch, *shapes[value.name]):
            dims.add(**({"dim_param": BATCH} if size is None else {"dim_value": size}))
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    return inferred(fixed)


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph with the shapes inside it as far as they can be told; as it is where it is too large for that."""
    if model.ByteSize() > LARGEST_FILE:
        return model
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def batched(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], *, half: bool = False
) -> onnx.ModelProto | None:
    """Return a graph that answers batches as it answers each sample alone.

    A batch of 1 that the exporter wrote into the shapes of `Reshape` nodes is taken out where that is enough.

    Args:
        model: the graph.
        shapes: sizes of every input, without its batch axis.
        half: whether it has numbers of 16 bits.

    Returns:
        the graph with an open batch axis; None where its batch is fixed by more than that.

    Raises:
        AdoptError: it does not run at these sizes at all.
    """
    feed = noise(model, shapes, _BATCH)
    alone = runner_of(sized(model, shapes, 1))
    expected = [alone({name: array[place : place + 1] for name, array in feed.items()}) for place in range(_BATCH)]
    for candidate in (sized(model, shapes, None), _reshaped(sized(model, shapes, None))):
        try:
            found = runner_of(candidate)(feed)
        except AdoptError:
            continue
        if all(_agree(name, array, expected, _APART[half]) for name, array in found.items()):
            return candidate
    return None


def noise(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], batch: int) -> Arrays:
    """Return seeded noise for the inputs of a graph: normal numbers, or bytes."""
    generator = np.random.default_rng(0)
    feed: Arrays = {}
    for value in model.graph.input:
        shape, code = (batch, *shapes[value.name]), value.type.tensor_type.elem_type
        dtype = onnx.TensorProto.DataType.Name(code)
        if dtype in WHOLE_NUMBERS:
            numbers = generator.integers(0, 128 if dtype == "INT8" else 256, shape)
            feed[value.name] = numbers.astype(onnx.helper.tensor_dtype_to_np_dtype(code))
        else:
            feed[value.name] = generator.normal(size=shape).astype(_NUMPY[dtype])
    return feed


def _agree(name: str, found: np.ndarray, expected: Sequence[Arrays], apart: float) -> bool:  # type: ignore[type-arg]
    """Say whether a batch's answers are those to its samples; whole numbers may differ where two classes tie."""
    if found.ndim == 0 or found.shape[0] != len(expected):
        return False
    whole = np.concatenate([one[name] for one in expected])
    if whole.shape != found.shape:
        return False
    if found.dtype.kind in "iub":
        return bool((whole == found).mean() > 1 - apart)
    largest = max(float(np.abs(whole).max(initial=0)), 1e-12)
    return bool(np.abs(whole.astype(np.float64) - found).max(initial=0) <= apart * largest)


def _reshaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph in which a leading 1 in the shapes of reshapes stands for the batch, whatever it is.

    Where the shape has no -1, it becomes one; where it has, the 1 becomes a 0: as many as the input has there.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for place, node in enumerate(changed.graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.size < 2 or shape[0] != 1:
            continue
        free = np.concatenate([[0 if (shape == -1).any() else -1], shape[1:]]).astype(np.int64)
        name = f"batched_{place}"
        changed.graph.initializer.append(numpy_helper.from_array(free, name))
        node.input[1] = name
    return inferred(_without_shapes(changed))


def _without_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Forget the shapes inside a graph and of its outputs, in place."""
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model
