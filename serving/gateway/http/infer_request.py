"""From the body of `POST /v2/models/NAME/infer` to a checked gRPC request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tritonclient.grpc.service_pb2 import ModelInferRequest

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import bad
from crosswire.serving.gateway.http.json_text import is_text, parse_object
from crosswire.serving.gateway.model_wire import ModelWire
from crosswire.serving.gateway.tensors.classification import CLASSIFICATION, check_classifiable
from crosswire.serving.gateway.tensors.elements import DTYPES, checked_shape, from_binary, from_list
from crosswire.serving.wire import RawTensor, infer_request, pack_bytes

HEADER_LENGTH = "Inference-Header-Content-Length"
_RAW = "0"  # a body without a JSON part
_SHARED_MEMORY = "shared_memory_region"


@dataclass(frozen=True)
class Inference:
    """A request that Triton can be given.

    Attributes:
        request: the gRPC request.
        binary_outputs: names of the outputs that are answered in the binary form.
        classes: names of the outputs of which only the largest values are answered, and how many of these.
    """

    request: ModelInferRequest
    binary_outputs: frozenset[str]
    classes: Mapping[str, int] = field(default_factory=dict)


def parse_inference(
    body: bytes, header_length: str | None, wire: ModelWire, version: str, limits: RequestLimits
) -> Inference:
    """Parse and check a body: JSON, JSON followed by binary tensors, or nothing but the one input of a model.

    Args:
        body: the whole body.
        header_length: value of the `Inference-Header-Content-Length` header, or None.
        wire: what the model takes and gives.
        version: the model version asked for, or an empty string.
        limits: what is allowed.

    Raises:
        WireError: anything about it is not as the model or the protocol needs it.
    """
    if header_length == _RAW:
        return _raw_inference(body, wire, version)
    text, binary = _split(body, header_length)
    data = parse_object(text, limits)
    request_id = _given(data, "id", "")
    if not isinstance(request_id, str) or len(request_id) > limits.name_characters or not is_text(request_id):
        raise bad(f"'id' must be a text of at most {limits.name_characters} characters")
    parameters = _parameters(data, "the request", limits)
    tensors = _inputs(data, binary, wire, limits)
    wire.check_together(tensors)
    outputs = _outputs(data, _flag(parameters, "binary_data_output", "the request"), wire, limits)
    parameters.pop("binary_data_output", None)
    request = infer_request(wire.name, tensors, outputs, version, request_id)
    for key, value in parameters.items():
        _set_parameter(request, key, value)
    binary_outputs = frozenset(name for name, is_binary in outputs.items() if is_binary)
    return Inference(request, binary_outputs, _classes(data, wire, limits))


def _raw_inference(body: bytes, wire: ModelWire, version: str) -> Inference:
    """Return the request of a body that is one sample of a model's only input; every output is answered as binary.

    Raises:
        WireError: the model has more inputs, or the body is not as long as one sample.
    """
    if len(wire.inputs) != 1:
        raise bad(
            f"{HEADER_LENGTH} is 0, so the body is all of the input; got model {wire.name!r} with the inputs "
            f"{', '.join(wire.inputs)}, expected one with one input, try JSON and its byte count"
        )
    ((name, takes),) = wire.inputs.items()
    data = pack_bytes([body]) if takes.dtype == "BYTES" else body
    tensor = from_binary(data, name, takes.dtype, (1, *takes.dims))
    wire.check_values(tensor)
    return Inference(infer_request(wire.name, [tensor], wire.outputs, version), frozenset(wire.outputs))


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """Split a body into its JSON part and its binary part."""
    if header_length is None:
        return body, b""
    if not header_length.isascii() or not header_length.isdecimal() or len(header_length) > 18:
        raise bad(f"{HEADER_LENGTH} is {header_length[:40]!r}; send the byte count of the JSON part")
    length = int(header_length)
    if not 0 < length <= len(body):
        raise bad(f"{HEADER_LENGTH} is {length}, the body has {len(body)} bytes; send the byte count of the JSON part")
    return body[:length], body[length:]


def _inputs(data: Mapping[str, Any], binary: bytes, wire: ModelWire, limits: RequestLimits) -> list[RawTensor]:
    """Return the input tensors, taking binary data in their order."""
    tensors, position = [], 0
    for entry in _entries(data, "inputs", limits):
        tensor = _declared(entry, limits)
        name = tensor.name
        parameters = _parameters(entry, f"input {name!r}", limits)
        size = parameters.get("binary_data_size")
        if size is None:
            if _given(entry, "data") is None:
                raise bad(f"input {name!r} has no data; send 'data', or 'binary_data_size' in its parameters")
            tensors.append(from_list(entry["data"], name, tensor.dtype, tensor.shape))
            wire.check_input(tensor)
            wire.check_values(tensors[-1])
            continue
        if _given(entry, "data") is not None:
            raise bad(f"input {name!r} has both 'data' and 'binary_data_size'; send one of them")
        if type(size) is not int or not 0 <= size <= len(binary) - position:
            raise bad(
                f"input {name!r} has the binary_data_size {str(size)[:40]}, but {len(binary) - position} binary bytes "
                f"are left; they follow the JSON part, whose length stands in {HEADER_LENGTH}"
            )
        wire.check_input(tensor)
        tensors.append(from_binary(binary[position : position + size], name, tensor.dtype, tensor.shape))
        wire.check_values(tensors[-1])
        position += size
    if position != len(binary):
        raise bad(f"{len(binary) - position} bytes of binary data are left over; the inputs name {position} bytes")
    return tensors


def _declared(entry: Mapping[str, Any], limits: RequestLimits) -> RawTensor:
    """Return an input as it is described, without its data."""
    name, dtype = _name(entry, "input", limits), entry.get("datatype")
    if dtype not in DTYPES:
        raise bad(f"input {name!r} has the datatype {str(dtype)[:40]!r}; allowed are {', '.join(DTYPES)}")
    return RawTensor(name, dtype, checked_shape(entry.get("shape"), name), b"")


def _outputs(data: Mapping[str, Any], default: bool, wire: ModelWire, limits: RequestLimits) -> dict[str, bool]:
    """Return the requested outputs and whether each is answered in the binary form.

    Where none is named these are all outputs, in the form that `default` says; it says nothing about one that is named.
    """
    outputs: dict[str, bool] = {}
    for entry in _entries(data, "outputs", limits) if data.get("outputs") else ():
        name = _name(entry, "output", limits)
        parameters = _parameters(entry, f"output {name!r}", limits)
        if name in outputs:
            raise bad(f"output {name!r} is asked for twice; name it once")
        outputs[name] = _flag(parameters, "binary_data", f"output {name!r}")
    wire.check_outputs(outputs)
    return outputs or dict.fromkeys(wire.outputs, default)


def _classes(data: Mapping[str, Any], wire: ModelWire, limits: RequestLimits) -> dict[str, int]:
    """Return how many of the largest values are asked for of which outputs, after `_outputs` has checked these."""
    counts: dict[str, int] = {}
    for entry in data.get("outputs") or ():
        name = entry["name"]
        count = _parameters(entry, f"output {name!r}", limits).get(CLASSIFICATION, 0)
        if type(count) is not int or count < 0:
            raise bad(f"{CLASSIFICATION!r} of output {name!r} is {str(count)[:40]!r}; send how many classes, from 1")
        if count:
            check_classifiable(wire, name)
            counts[name] = count
    return counts


def _entries(data: Mapping[str, Any], key: str, limits: RequestLimits) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects."""
    entries = data.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad(f"{key!r} must be a list of objects with 'name', 'datatype' and 'shape'")
    if not 1 <= len(entries) <= limits.tensors:
        raise bad(f"{key!r} has {len(entries)} entries; allowed are 1 to {limits.tensors}")
    return entries


def _name(entry: Mapping[str, Any], kind: str, limits: RequestLimits) -> str:
    """Return a tensor's name."""
    name = entry.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= limits.name_characters:
        raise bad(
            f"an {kind} has the name {str(name)[:40]!r}; send a string of 1 to {limits.name_characters} characters"
        )
    return name


def _parameters(entry: Mapping[str, Any], where: str, limits: RequestLimits) -> dict[str, Any]:
    """Return the parameters of a request or tensor."""
    parameters = _given(entry, "parameters", {})
    if not isinstance(parameters, dict) or len(parameters) > limits.parameters:
        raise bad(f"the parameters of {where} must be an object of at most {limits.parameters} entries")
    parameters = {key: value for key, value in parameters.items() if value is not None}
    for key, value in parameters.items():
        if len(key) > limits.name_characters or not is_text(key) or not isinstance(value, (str, int, float)):
            raise bad(f"parameter {key[:40]!r} of {where} must be a string, a number, true or false")
    if _SHARED_MEMORY in parameters:
        raise bad(f"{where} names a shared memory region, which this server does not take; send the data itself")
    return parameters


def _flag(parameters: Mapping[str, Any], key: str, where: str) -> bool:
    """Return a parameter that is true or false, and false if it is left out."""
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise bad(f"parameter {key!r} of {where} is {str(value)[:40]!r}; send true or false")
    return value


def _given(entry: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return an optional field; KServe's own client writes null for every one that it leaves out."""
    value = entry.get(key)
    return default if value is None else value


def _set_parameter(request: ModelInferRequest, key: str, value: str | int | float) -> None:
    """Hand a parameter on to Triton."""
    parameter = request.parameters[key]
    try:
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = value
        elif isinstance(value, float):
            parameter.double_param = value
        else:
            parameter.string_param = value
    except ValueError as error:
        raise bad(f"parameter {key[:40]!r} cannot be handed on: {error}") from None
