"""`POST /v2/models/NAME[/versions/VERSION]/infer`."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from tritonclient.grpc.service_pb2 import ModelInferResponse

from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import CLIENT_GONE
from crosswire.serving.gateway.http.bodies import admit, check_room, read_body
from crosswire.serving.gateway.http.compression import compress
from crosswire.serving.gateway.http.forward import infer_unless_gone
from crosswire.serving.gateway.http.infer_request import HEADER_LENGTH, Inference, parse_inference
from crosswire.serving.gateway.http.infer_response import infer_response
from crosswire.serving.gateway.model_wire import ModelWire
from crosswire.serving.gateway.tensors.classification import classify
from crosswire.serving.gateway.upstream import Upstream


class InferEndpoint:
    """Reads, checks and forwards inference requests."""

    def __init__(self, upstream: Upstream, admission: Admission, arrivals: Arrivals) -> None:
        """Take the connection to Triton, the gate and what has not come whole."""
        self._upstream, self._admission, self._arrivals = upstream, admission, arrivals
        self._limits = admission.limits

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        name, version = request.path_params["name"], request.path_params.get("version", "")
        await check_room(self._admission, request)
        try:
            body = await read_body(request, self._limits, self._arrivals)
            slot = admit(self._admission, request, body)
            wire = await self._upstream.wire(name, version)
            inference = await run_in_threadpool(
                parse_inference, body, request.headers.get(HEADER_LENGTH), wire, version, self._limits
            )
            del body
            answer = await infer_unless_gone(
                self._upstream, request, inference.request, self._limits.infer_seconds, slot
            )
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        accept = request.headers.get("accept-encoding", "")
        return await run_in_threadpool(self._response, answer, inference, wire, accept)

    @staticmethod
    def _response(answer: ModelInferResponse, inference: Inference, wire: ModelWire, accept: str) -> Response:
        """Return what a request asked for of Triton's answer, in an encoding that it accepts."""
        classify(answer, inference.classes, wire)
        return compress(infer_response(answer, inference.binary_outputs), accept)
