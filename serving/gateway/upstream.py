"""The gateway's connection to Triton."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import socket
import time
from collections.abc import Sequence

import grpc
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.grpc.service_pb2 import (
    ModelConfigRequest,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelStatisticsRequest,
    ModelStatisticsResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
)
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from crosswire.serving.gateway.admission import Slot
from crosswire.serving.gateway.errors import WireError, bad
from crosswire.serving.gateway.model_wire import ModelWire
from crosswire.serving.gateway.rest.forms import Form
from crosswire.serving.gateway.step_statistics import set_step_times, step_times, with_step_times
from crosswire.serving.gateway.tracing import NoTracing
from crosswire.serving.processes.run_state import ServerRun
from crosswire.serving.repository.published import ASKED, DEADLINE, TRACE
from crosswire.serving.wire import CHANNEL_OPTIONS, SERVICE, seconds_allowed

_QUICK_SECONDS = 5.0
_EXTENSIONS = ("classification", "binary_tensor_data", "parameters", "model_configuration", "statistics")
_VERSION = re.compile(r"[0-9]{1,18}")


class Upstream:
    """Calls to one Triton. What its models take and give is read once, until `renew`."""

    def __init__(self, run: ServerRun, tracing: NoTracing) -> None:
        """Prepare a connection; it is made with the first call."""
        self._channel = grpc.aio.insecure_channel(run.triton_target, options=CHANNEL_OPTIONS)
        self._infer = self._channel.unary_unary(
            f"/{SERVICE}/ModelInfer", request_serializer=ModelInferRequest.SerializeToString
        )
        self._stub = GRPCInferenceServiceStub(self._channel)
        self._tracing = tracing
        self._metrics_socket = run.metrics_socket
        self._models: dict[str, tuple[ModelConfig, ModelWire]] = {}

    def renew(self) -> None:
        """Read what the models take and give anew, because something has changed."""
        self._models = {}  # another one: an answer that is under way is about what was

    async def infer(self, request: ModelInferRequest, seconds: float, slot: Slot) -> bytes:
        """Run an inference; returns an encoded `ModelInferResponse`.

        Nothing is ever cancelled inside Triton 2.51: a request that is cancelled while it waits there keeps its place
        in the count of a bounded queue, until every further one is refused. So an answer that nobody waits for any
        more is thrown away when it comes, and the request keeps its place here until then. No step begins a
        request whose time is over, and where Triton has a batcher, its `timeout` parameter takes it out of the queue.

        Args:
            request: what to ask; its `timeout` parameter, in microseconds, is shortened to the time that is left.
            seconds: longest time for the answer.
            slot: the request's place.

        Raises:
            WireError: 504, no answer in time; 404, there is no such model; 400, its `timeout` makes no sense.
            grpc.RpcError: Triton refused it or does not answer.
        """
        config = await self.config(request.model_name, request.model_version)
        try:
            seconds = seconds_allowed(request, seconds)
        except ValueError as error:
            raise bad(str(error)) from None
        request.parameters["timeout"].int64_param = int(seconds * 1e6)
        request.parameters[DEADLINE].int64_param = int((time.monotonic() + seconds) * 1e6)
        chosen = _ask_for_all(request) if config.response_cache.enable else []
        request.parameters.pop(ASKED, None)
        if request.outputs:
            request.parameters[ASKED].string_param = ",".join(output.name for output in request.outputs)
        request.parameters.pop(TRACE, None)
        if carried := self._tracing.carried():
            request.parameters[TRACE].string_param = carried
        work = asyncio.ensure_future(self._ask_triton(request))
        slot.hold_until_done(work)
        done, _ = await asyncio.wait({work}, timeout=seconds)
        if not done:
            raise WireError(504, f"no answer within {seconds:g} s; send less at once or allow more time")
        answer = work.result()
        if isinstance(answer, grpc.RpcError):
            raise answer
        return only(answer, chosen) if chosen else answer

    async def _ask_triton(self, request: ModelInferRequest) -> bytes | grpc.RpcError:
        """Return Triton's answer or error."""
        try:
            answer: bytes = await self._infer(request)
            return answer
        except grpc.RpcError as error:
            return error

    async def raw(self, path: str, request: bytes, seconds: float) -> bytes:
        """Make any unary call with messages in their encoded form; `path` is `/SERVICE/METHOD`."""
        answer: bytes = await self._channel.unary_unary(path)(request, timeout=seconds)
        return answer

    async def config(self, name: str, version: str = "") -> ModelConfig:
        """Return a model's configuration.

        Raises:
            WireError: 404, there is no such model or version.
            grpc.RpcError: Triton does not answer.
        """
        return (await self._model(name, version))[0]

    async def wire(self, name: str, version: str = "") -> ModelWire:
        """Return what a model takes and gives; raises like `config`."""
        return (await self._model(name, version))[1]

    async def _model(self, name: str, version: str) -> tuple[ModelConfig, ModelWire]:
        """Return a model's configuration, and what it takes and gives; raises like `config`."""
        if version and not _VERSION.fullmatch(version):
            raise WireError(404, f"version {version[:40]!r} is no number of at most 18 digits")
        models, key = self._models, f"{name}:{int(version) if version else ''}"
        if key not in models:
            try:
                answer = await self._stub.ModelConfig(
                    ModelConfigRequest(name=name, version=version), timeout=_QUICK_SECONDS
                )
            except grpc.RpcError as error:
                served = {model.name: model.version for model in (await self.index(ready=True)).models}
                if name in served and version in ("", served[name]):
                    raise
                known = ", ".join(f"{model!r} (version {number})" for model, number in sorted(served.items()))
                asked = f"{name[:80]!r} version {version}" if version else f"{name[:80]!r}"
                raise WireError(404, f"there is no model {asked}; served are {known}") from error
            models[key] = answer.config, ModelWire.from_config(answer.config)
        return models[key]

    async def forms(self) -> list[Form]:
        """Return every pipeline that is ready, by name."""
        names = sorted({model.name for model in (await self.index(ready=True)).models})
        found = [Form.from_config(await self.config(name)) for name in names]
        return [form for form in found if form is not None]

    async def server_metadata(self) -> ServerMetadataResponse:
        """Return Triton's name and version, and those of its extensions that work through this gateway."""
        metadata = await self._stub.ServerMetadata(ServerMetadataRequest(), timeout=_QUICK_SECONDS)
        kept = [name for name in metadata.extensions if name in _EXTENSIONS]
        return ServerMetadataResponse(name=metadata.name, version=metadata.version, extensions=kept)

    async def server_ready(self) -> bool:
        """Say whether Triton calls itself ready."""
        try:
            return bool((await self._stub.ServerReady(ServerReadyRequest(), timeout=_QUICK_SECONDS)).ready)
        except grpc.RpcError:
            return False

    async def model_ready(self, name: str, version: str) -> bool:
        """Say whether Triton calls a model ready."""
        try:
            request = ModelReadyRequest(name=name, version=version)
            return bool((await self._stub.ModelReady(request, timeout=_QUICK_SECONDS)).ready)
        except grpc.RpcError:
            return False

    async def model_metadata(self, name: str, version: str) -> ModelMetadataResponse:
        """Return a model's tensors."""
        return await self._stub.ModelMetadata(ModelMetadataRequest(name=name, version=version), timeout=_QUICK_SECONDS)

    async def statistics(self, name: str, version: str) -> ModelStatisticsResponse:
        """Return the statistics of all models for an empty name, or of one model or step.

        A step that shares a process with others is no model of Triton's, but can be asked for by its name.

        Raises:
            WireError: 404, there is no such model, version or step.
            grpc.RpcError: Triton does not answer.
        """
        steps = step_times(await asyncio.to_thread(self._metrics))
        try:
            if name:
                await self.config(name, version)
            request = ModelStatisticsRequest(name=name, version=version)
            answer = await self._stub.ModelStatistics(request, timeout=_QUICK_SECONDS)
        except WireError:
            if name not in steps or version:
                raise
            answer = ModelStatisticsResponse()
            answer.model_stats.add(name=name, version="1")
        ensembles = await self._ensembles([model.name for model in answer.model_stats])
        for model in answer.model_stats:
            set_step_times(model, steps, ensembles)
        return answer

    async def _ensembles(self, names: Sequence[str]) -> set[str]:
        """Return those of some names that are ensembles' now."""
        found = set()
        for name in names:
            with contextlib.suppress(WireError):  # a step is no model of Triton's, and a model may have been unloaded
                if (await self.config(name)).platform == "ensemble":
                    found.add(name)
        return found

    async def index(self, ready: bool) -> RepositoryIndexResponse:
        """Return the models in the repository."""
        return await self._stub.RepositoryIndex(RepositoryIndexRequest(ready=ready), timeout=_QUICK_SECONDS)

    async def metrics(self) -> bytes:
        """Return Triton's Prometheus text with what steps tell themselves, or nothing while Triton does not answer."""
        text = await asyncio.to_thread(self._metrics)
        try:
            names = [model.name for model in (await self.index(ready=True)).models]
            return with_step_times(text, await self._ensembles(names))
        except grpc.RpcError:
            return b""

    def _metrics(self) -> bytes:
        """Return Triton's own Prometheus text, or nothing while Triton does not answer; blocks."""
        connection = _SocketConnection(self._metrics_socket)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        """Take the socket's path."""
        super().__init__("localhost", timeout=_QUICK_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _ask_for_all(request: ModelInferRequest) -> list[str]:
    """Ask a model with a response cache for every output; returns the names that were asked for, if any.

    Triton's cache does not know which outputs an answer of its was asked for: it gives the same few to everybody.
    """
    names = [output.name for output in request.outputs]
    del request.outputs[:]
    return names


def only(answer: bytes, names: list[str]) -> bytes:
    """Return an encoded `ModelInferResponse` with these outputs alone, in this order."""
    response = ModelInferResponse.FromString(answer)
    places = {output.name: index for index, output in enumerate(response.outputs)}
    outputs = [response.outputs[places[name]] for name in names]
    contents = [response.raw_output_contents[places[name]] for name in names]
    del response.outputs[:], response.raw_output_contents[:]
    response.outputs.extend(outputs)
    response.raw_output_contents.extend(contents)
    return bytes(response.SerializeToString())
