"""The classification extension: of an output only its largest values, as texts `value:index` or `value:index:label`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tritonclient.grpc.service_pb2 import ModelInferResponse

from crosswire.serving.gateway.errors import bad
from crosswire.serving.gateway.model_wire import ModelWire
from crosswire.serving.wire import RawTensor, pack_bytes

CLASSIFICATION = "classification"
_NUMPY = {
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP32": "<f4",
    "FP64": "<f8",
}


def check_classifiable(wire: ModelWire, name: str) -> None:
    """Raise `WireError` unless an output of a model holds numbers; Triton 2.51 itself dies of one that holds texts."""
    dtype = wire.outputs[name].dtype
    if dtype not in _NUMPY:
        raise bad(
            f"output {name!r} of model {wire.name!r} asks for {CLASSIFICATION!r}: got {dtype}, expected numbers, try "
            "the whole output"
        )


def classify(answer: ModelInferResponse, counts: Mapping[str, int], wire: ModelWire) -> None:
    """Put the largest values of some outputs of an answer in the place of these outputs.

    Args:
        answer: Triton's, its data in raw form.
        counts: how many of each output, by name; more than it has means all of them.
        wire: the model's wire, which knows labels.
    """
    for index, output in enumerate(answer.outputs):
        if output.name in counts:
            whole = RawTensor(output.name, output.datatype, tuple(output.shape), answer.raw_output_contents[index])
            largest = largest_values(whole, counts[output.name], wire.outputs[output.name].labels)
            output.datatype, output.shape[:] = largest.dtype, largest.shape
            answer.raw_output_contents[index] = largest.data


def largest_values(tensor: RawTensor, count: int, labels: tuple[str, ...] = ()) -> RawTensor:
    """Return the largest values of every sample, the largest first, and of equal ones that of the lowest index.

    Args:
        tensor: numbers, [N, ...].
        count: how many.
        labels: names of the indices, or none.

    Returns:
        BYTES [N, K], K at most the elements of a sample.
    """
    values = np.frombuffer(tensor.data, _NUMPY[tensor.dtype]).reshape(tensor.shape[0], -1)
    size = values.shape[1]
    order = size - 1 - np.argsort(values[:, ::-1], axis=1, kind="stable")[:, : -count - 1 : -1]
    form = "{:f}:{}" if tensor.dtype.startswith("FP") else "{}:{}"
    texts = [
        form.format(value, index) + (f":{labels[index]}" if labels else "")
        for sample, indices in zip(values, order.tolist(), strict=True)
        for value, index in zip(sample[indices].tolist(), indices, strict=True)
    ]
    return RawTensor(tensor.name, "BYTES", order.shape, pack_bytes(text.encode() for text in texts))
