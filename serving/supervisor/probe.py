"""Probe inferences: Triton's own health endpoints do not notice a dead python stub, an inference does."""

from __future__ import annotations

import http.client
import io
import math
import os
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from PIL import Image
from tritonclient.grpc.service_pb2 import (
    ModelInferRequest,
    ModelStatisticsRequest,
    RepositoryModelLoadRequest,
    RepositoryModelUnloadRequest,
    ServerReadyRequest,
)
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import CAMERA, CLIP, DEFAULT_UNITS_PER_METRE, DEPTH_UNITS
from crosswire.serving.repository.assemble import Assembled
from crosswire.serving.supervisor.probe_clip import probe_clip
from crosswire.serving.wire import CHANNEL_OPTIONS, ELEMENT_BYTES, RawTensor, infer_request, pack_bytes, unpack_bytes

_SIZE = (16, 12)
_TUNING = (DEPTH_UNITS, CAMERA)
_PNG_START = b"\x89PNG"


@dataclass(frozen=True)
class ProbeInference:
    """One small request that a healthy server answers.

    Attributes:
        model: the model that it tries.
        request: the request.
    """

    model: str
    request: ModelInferRequest


def probe_inferences_of(assembled: Assembled) -> tuple[ProbeInference, ...]:
    """Return one probe per network (zeros) and one per pipeline (tiny files), networks first."""
    networks = [
        ProbeInference(contract.name, infer_request(contract.name, [_zeros(spec) for spec in contract.inputs]))
        for contract in (network.contract for network in assembled.networks)
    ]
    pipelines = [
        ProbeInference(
            pipeline.name,
            infer_request(pipeline.name, [_sample(spec) for spec in pipeline.inputs if spec.name not in _TUNING]),
        )
        for pipeline in assembled.pipelines
    ]
    return (*networks, *pipelines)


class Probe:
    """A probe on its way."""

    def __init__(self, probe_inference: ProbeInference, call: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember what was sent and when."""
        self.probe_inference = probe_inference
        self._call, self._clock = call, clock
        self._sent = clock()
        self._seconds: float | None = None
        call.add_done_callback(self._finish)

    def _finish(self, _: Any) -> None:
        """Note when the answer came."""
        self._seconds = self._clock() - self._sent

    def done(self) -> bool:
        """Say whether it was answered or refused."""
        return self._seconds is not None

    @property
    def seconds(self) -> float:
        """How long it took, or has been on its way so far."""
        return self._clock() - self._sent if self._seconds is None else self._seconds

    @property
    def error(self) -> grpc.RpcError | None:
        """Why it failed, or None; only of a probe that is done."""
        error: grpc.RpcError | None = self._call.exception()
        return error


class TritonLink:
    """The supervisor's gRPC connection to Triton."""

    def __init__(self, target: str) -> None:
        """Open a channel; it connects when Triton does."""
        self._channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._stub = GRPCInferenceServiceStub(self._channel)

    def ready(self) -> bool:
        """Say whether Triton calls itself ready."""
        try:
            return bool(self._stub.ServerReady(ServerReadyRequest(), timeout=1).ready)
        except grpc.RpcError:
            return False

    def probe(self, probe_inference: ProbeInference) -> Probe:
        """Send a probe without waiting for its answer, and without a time limit: see `Upstream.infer`."""
        return Probe(probe_inference, self._stub.ModelInfer.future(_salted(probe_inference.request)))

    def load(self, model: str) -> Any:
        """Ask Triton to load a model, or to put its new files in the place of its old ones; returns a future."""
        return self._stub.RepositoryModelLoad.future(RepositoryModelLoadRequest(model_name=model))

    def unload(self, model: str) -> Any:
        """Ask Triton to unload a model; returns a future."""
        return self._stub.RepositoryModelUnload.future(RepositoryModelUnloadRequest(model_name=model))

    def successes(self, model: str) -> int:
        """Return how many inferences of a model succeeded so far, or -1 if Triton does not say."""
        try:
            answer = self._stub.ModelStatistics(ModelStatisticsRequest(name=model), timeout=1)
        except grpc.RpcError:
            return -1
        return sum(version.inference_stats.success.count for version in answer.model_stats)

    def close(self) -> None:
        """Close the channel and cancel what is on its way."""
        self._channel.close()


def responds_over_http(target: str, tls: bool, seconds: float = 1.0) -> bool:
    """Say whether the gateway at `host:port` answers in time; whose certificate it shows is no matter here."""
    connection = (
        http.client.HTTPSConnection(target, timeout=seconds, context=_any_certificate())
        if tls
        else http.client.HTTPConnection(target, timeout=seconds)
    )
    try:
        connection.request("GET", "/v2/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _salted(request: ModelInferRequest) -> ModelInferRequest:
    """Return a request with random bytes behind the end of its PNG images, where no decoder looks.

    A response cache knows requests by their bytes: it must not answer for the models that a probe is there to try.
    """
    salted = ModelInferRequest()
    salted.CopyFrom(request)
    for index, tensor in enumerate(request.inputs):
        if tensor.datatype == "BYTES":
            items = unpack_bytes(request.raw_input_contents[index])
            salt = os.urandom(8)
            salted.raw_input_contents[index] = pack_bytes(
                item + salt if item.startswith(_PNG_START) else item for item in items
            )
    return salted


def _any_certificate() -> ssl.SSLContext:
    """Return a TLS context that checks nothing, for a connection to this very machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _zeros(spec: TensorSpec) -> RawTensor:
    """Return one sample of zeros."""
    return RawTensor(spec.name, spec.dtype, (1, *spec.shape), bytes(math.prod(spec.shape) * ELEMENT_BYTES[spec.dtype]))


def _sample(spec: TensorSpec) -> RawTensor:
    """Return one small file for an input of a pipeline."""
    if spec.name == CLIP:
        data = probe_clip()
    elif spec.unit.startswith("16-bit"):
        data = _png("I;16", int(2 * DEFAULT_UNITS_PER_METRE))
    else:
        data = _png("RGB", (90, 120, 150))
    return RawTensor(spec.name, spec.dtype, (1, 1), pack_bytes([data]))


def _png(mode: str, value: Any) -> bytes:
    """Return a tiny one-colour PNG file."""
    if mode == "I;16":
        image = Image.frombytes(mode, _SIZE, struct.pack("<H", value) * (_SIZE[0] * _SIZE[1]))
    else:
        image = Image.new(mode, _SIZE, value)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
