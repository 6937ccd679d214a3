"""Handing an inference on to Triton for as long as somebody waits for its answer."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelInferResponse

from crosswire.serving.gateway.admission import Slot
from crosswire.serving.gateway.upstream import Upstream


async def infer_unless_gone(
    upstream: Upstream, request: Request, inference: ModelInferRequest, seconds: float, slot: Slot
) -> ModelInferResponse:
    """Return Triton's answer, or raise `ClientDisconnect` as soon as nobody waits for it any more.

    Args:
        upstream: the connection to Triton.
        request: the HTTP request, its body read.
        inference: what to ask Triton.
        seconds: longest time for the answer; the request's own `timeout` may shorten it.
        slot: the request's place.
    """
    answer = asyncio.ensure_future(upstream.infer(inference, seconds, slot))
    gone = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return ModelInferResponse.FromString(answer.result())
    finally:
        gone.cancel()
        answer.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
