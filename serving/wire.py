"""The KServe v2 wire in protobuf: raw tensor bytes, and the calls to Triton's gRPC service."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tritonclient.grpc.service_pb2 import ModelInferRequest

# A channel within this machine: no proxy from the environment, no message limit, quick to notice a restarted server.
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 250),
)
SERVICE = "inference.GRPCInferenceService"
ELEMENT_BYTES = {"UINT8": 1, "INT32": 4, "FP32": 4}


@dataclass(frozen=True)
class RawTensor:
    """One tensor as it travels.

    Attributes:
        name: wire name.
        dtype: Triton's name of the element type.
        shape: all sizes, batch first.
        data: elements in row-major order, little endian; BYTES elements each after their length as uint32.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def pack_bytes(items: Iterable[bytes]) -> bytes:
    """Return BYTES elements in their raw form; the inverse of `unpack_bytes`."""
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def byte_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of every element of a raw BYTES tensor, without copying.

    Raises:
        ValueError: a length reaches past the end.
    """
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise ValueError(f"{len(data) - position} bytes are left where a 4-byte length should be")
        (length,) = struct.unpack_from("<I", data, position)
        start, position = position + 4, position + 4 + length
        if position > len(data):
            raise ValueError(f"an element claims {length} bytes, {len(data) - start} are left")
        yield start, position


def unpack_bytes(data: bytes) -> list[bytes]:
    """Return the elements of a raw BYTES tensor; raises like `byte_spans`."""
    return [data[start:end] for start, end in byte_spans(data)]


def seconds_allowed(request: ModelInferRequest, most: float) -> float:
    """Return how long an answer may take: the request's own `timeout` parameter, in microseconds, or `most` seconds.

    Raises:
        ValueError: the parameter is no whole number from 0; 0 is none.
    """
    if "timeout" not in request.parameters:
        return most
    asked = request.parameters["timeout"]
    if asked.WhichOneof("parameter_choice") != "int64_param" or asked.int64_param < 0:
        raise ValueError("the parameter 'timeout' must be a whole number of microseconds from 0, where 0 is none")
    return min(most, asked.int64_param / 1e6) if asked.int64_param else most


def infer_request(
    model: str, tensors: Sequence[RawTensor], outputs: Iterable[str] = (), version: str = "", request_id: str = ""
) -> ModelInferRequest:
    """Return an inference request; no outputs named means all of them."""
    return ModelInferRequest(
        model_name=model,
        model_version=version,
        id=request_id,
        inputs=[
            ModelInferRequest.InferInputTensor(name=tensor.name, datatype=tensor.dtype, shape=tensor.shape)
            for tensor in tensors
        ],
        outputs=[ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs],
        raw_input_contents=[tensor.data for tensor in tensors],
    )
