"""From Triton's gRPC answer to the HTTP answer: JSON, or JSON followed by binary tensors."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from tritonclient.grpc.service_pb2 import ModelInferResponse

from crosswire.serving.gateway.http.infer_request import HEADER_LENGTH
from crosswire.serving.gateway.tensors.elements import to_list
from crosswire.serving.wire import RawTensor


def infer_response(answer: ModelInferResponse, binary: frozenset[str]) -> Response:
    """Return the HTTP answer.

    Args:
        answer: Triton's answer, its data in raw form.
        binary: names of the outputs that go into the binary part.

    Raises:
        WireError: an output that was asked for as JSON holds what JSON cannot hold.
    """
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for output, data in zip(answer.outputs, answer.raw_output_contents, strict=True):
        entry: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if output.name in binary:
            entry["parameters"] = {"binary_data_size": len(data)}
            blobs.append(data)
        else:
            entry["data"] = to_list(RawTensor(output.name, output.datatype, tuple(output.shape), data))
        outputs.append(entry)
    head: dict[str, Any] = {"model_name": answer.model_name, "model_version": answer.model_version}
    if answer.id:
        head["id"] = answer.id
    text = json.dumps({**head, "outputs": outputs}, ensure_ascii=False, separators=(",", ":")).encode()
    if not blobs:
        return Response(text, media_type="application/json")
    return Response(
        b"".join([text, *blobs]), media_type="application/octet-stream", headers={HEADER_LENGTH: str(len(text))}
    )
