"""Checking a gRPC inference request before Triton sees it, by the same rules as HTTP."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tritonclient.grpc.service_pb2 import InferTensorContents, ModelInferRequest

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import bad
from crosswire.serving.gateway.grpc.message_size import decoded_size
from crosswire.serving.gateway.model_wire import CHECKED_DTYPES, ModelWire
from crosswire.serving.gateway.tensors.classification import CLASSIFICATION, check_classifiable
from crosswire.serving.gateway.tensors.elements import DTYPES, checked_shape, from_binary
from crosswire.serving.wire import RawTensor, pack_bytes

Message = TypeVar("Message")
_MODEL_NAME, _REQUEST_ID = 1, 3  # numbers of fields of `ModelInferRequest`
_LENGTH_DELIMITED = 2  # how protobuf encodes a text
_SHARED_MEMORY = "shared_memory_region"
_CONTENT_FIELDS = tuple(field.name for field in InferTensorContents.DESCRIPTOR.fields)


def parse(data: bytes, kind: type[Message], most: int) -> Message:
    """Return the message of a kind, for example `ModelInferRequest`, in `data`.

    Raises:
        WireError: 400, the bytes are no such message, or one that would take far more memory than they do.
    """
    decoded_size(data, kind, most)
    try:
        return kind.FromString(data)  # type: ignore[attr-defined, no-any-return]
    except DecodeError as error:
        raise bad(f"{len(data)} bytes are no {kind.__name__}: {error}; send the whole message") from None


def model_named(data: bytes, most: int) -> str:
    """Return the name of a model that a message begins with, an empty text if it does not; reads nothing else.

    It is field 1 of every message that names a model, and protobuf writes fields in their order.

    Args:
        data: the encoded message, whatever is wrong with it.
        most: longest name in characters; a longer one is cut off.
    """
    return _text_field(data, _MODEL_NAME, most)


def request_ident(data: bytes, most: int) -> str:
    """Return the id of an encoded `ModelInferRequest`, an empty text if it has none before its tensors.

    Args:
        data: the encoded message, whatever is wrong with it.
        most: longest id in characters; a longer one is cut off.
    """
    return _text_field(data, _REQUEST_ID, most)


def _text_field(data: bytes, wanted: int, most: int) -> str:
    """Return a text field that comes after none but other texts of lower numbers, cut off at `most` characters."""
    position = 0
    while position < len(data) and data[position] & 7 == _LENGTH_DELIMITED and data[position] >> 3 <= wanted:
        number, length, position = data[position] >> 3, 0, position + 1
        for shift in range(0, 35, 7):
            byte = data[position] if position < len(data) else 0
            length, position = length | (byte & 0x7F) << shift, position + 1
            if not byte & 0x80:
                break
        if number == wanted:
            return data[position : position + min(length, 4 * most)].decode("utf-8", "replace")[:most]
        position += length
    return ""


def check_infer(request: ModelInferRequest, wire: ModelWire, limits: RequestLimits) -> None:
    """Raise `WireError` unless a request is what its model takes.

    Args:
        request: the message.
        wire: what the model takes and gives.
        limits: what is allowed.
    """
    for what, count, most in (
        ("inputs", len(request.inputs), limits.tensors),
        ("outputs", len(request.outputs), limits.tensors),
        ("parameters", len(request.parameters), limits.parameters),
        ("characters in its id", len(request.id), limits.name_characters),
    ):
        if count > most:
            raise bad(f"the request has {count} {what}; allowed are {most}")
    if request.raw_input_contents and len(request.raw_input_contents) != len(request.inputs):
        raise bad(
            f"the request has {len(request.inputs)} inputs but {len(request.raw_input_contents)} raw_input_contents; "
            "send one per input, in their order"
        )
    tensors = [_declared(tensor) for tensor in request.inputs]
    for index, tensor in enumerate(tensors):
        wire.check_input(tensor)
        _check_data(request, index, tensor)
        if tensor.dtype in CHECKED_DTYPES:
            wire.check_values(_with_data(request, index, tensor))
    wire.check_together(tensors)
    names = [output.name for output in request.outputs]
    if len(set(names)) != len(names):
        raise bad(f"an output is asked for twice in {', '.join(names)[:200]!r}; name each once")
    wire.check_outputs(names)
    for tensor in (*request.inputs, *request.outputs):
        if _SHARED_MEMORY in tensor.parameters:
            raise bad(f"{tensor.name!r} names a shared memory region, which this server does not take; send the data")


def take_classes(request: ModelInferRequest, wire: ModelWire) -> dict[str, int]:
    """Take out of a checked request how many of the largest values it asks for of which outputs.

    Raises:
        WireError: a number makes no sense, or an output holds no numbers.
    """
    counts: dict[str, int] = {}
    for output in request.outputs:
        if CLASSIFICATION in output.parameters:
            value = output.parameters[CLASSIFICATION]
            if value.WhichOneof("parameter_choice") != "int64_param" or value.int64_param < 1:
                raise bad(
                    f"{CLASSIFICATION!r} of output {output.name!r} is no whole number from 1; send an int64_param"
                )
            check_classifiable(wire, output.name)
            counts[output.name] = value.int64_param
            del output.parameters[CLASSIFICATION]
    return counts


def _declared(given: ModelInferRequest.InferInputTensor) -> RawTensor:
    """Return an input as it is described, without its data."""
    if given.datatype not in DTYPES:
        raise bad(
            f"input {given.name[:60]!r} has the datatype {given.datatype[:40]!r}; allowed are {', '.join(DTYPES)}"
        )
    return RawTensor(given.name, given.datatype, checked_shape(list(given.shape), given.name[:60]), b"")


def _check_data(request: ModelInferRequest, index: int, tensor: RawTensor) -> None:
    """Check the amount of an input's data against its description."""
    given, (name, shape) = request.inputs[index], (tensor.name, tensor.shape)
    if index < len(request.raw_input_contents):
        if given.HasField("contents"):
            raise bad(f"input {name!r} has both contents and raw_input_contents; send one of them")
        from_binary(request.raw_input_contents[index], name, tensor.dtype, shape)
        return
    count = sum(len(getattr(given.contents, field)) for field in _CONTENT_FIELDS)
    if count != math.prod(shape):
        raise bad(f"input {name!r} has {count} elements, its shape {list(shape)} needs {math.prod(shape)}")


def _with_data(request: ModelInferRequest, index: int, tensor: RawTensor) -> RawTensor:
    """Return an input of one of `CHECKED_DTYPES` with its data; numbers in `contents` are copied, raw ones are not.

    Raises:
        WireError: the numbers stand in the field of another type.
    """
    name, dtype, shape = tensor.name, tensor.dtype, tensor.shape
    if index < len(request.raw_input_contents):
        return RawTensor(name, dtype, shape, request.raw_input_contents[index])
    if dtype == "BYTES":
        return RawTensor(name, dtype, shape, pack_bytes(request.inputs[index].contents.bytes_contents))
    numbers = request.inputs[index].contents.fp32_contents
    if len(numbers) != math.prod(tensor.shape):
        raise bad(f"input {tensor.name!r} is FP32 but its contents are not; send them as fp32_contents")
    return RawTensor(name, dtype, shape, np.array(numbers, "<f4").tobytes())
