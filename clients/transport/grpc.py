"""gRPC, by `tritonclient.grpc`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.errors import PipelineNotFoundError, RequestRejectedError, ServerError, ServerOverloaded
from crosswire.clients.transport.base import (
    PROBE_S,
    Send,
    Tensors,
    collect,
    failed,
    late,
    names_of,
    one_line,
    unreachable,
    with_numbers,
)

_CHANNEL: Final = (
    ("grpc.max_send_message_length", triton.MAX_GRPC_MESSAGE_SIZE),  # images are larger than gRPC's 4 MB
    ("grpc.max_receive_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.initial_reconnect_backoff_ms", 100),  # a restarted server is found again soon
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),  # as over HTTP: the address is meant as it is written
    ("grpc.keepalive_time_ms", 30_000),  # a peer that vanished without a word is noticed during a long request
    ("grpc.keepalive_timeout_ms", 10_000),
)


class GrpcTransport:
    """One channel to one server; safe to share between threads."""

    def __init__(self, address: Address, access: Access) -> None:
        """Prepare the channel; it connects with the first request."""
        self._address, self._headers = address, access.headers
        self._client = triton.InferenceServerClient(**_client_arguments(address, access))

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        result = self._call(self._client.infer, timeout, **_request(model, inputs, outputs))
        return collect(result, outputs, self._address)

    def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        response = self._call(self._client.get_model_config, timeout, model_name=model, as_json=True)
        config: dict[str, Any] = response["config"]
        return config

    def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""
        return names_of(self.statistics(timeout))

    def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Transport.statistics`."""
        response = self._call(self._client.get_inference_statistics, timeout, model_name=model, as_json=True)
        return list(with_numbers(response.get("model_stats", [])))

    def ready(self, timeout: float) -> bool:
        """Say whether the server is ready; see `Transport.ready`."""
        return self._yes(self._client.is_server_ready, min(timeout, PROBE_S))

    def close(self) -> None:
        """Close the channel."""
        self._client.close()

    def _call(self, verb: Callable[..., Any], timeout: float, **arguments: Any) -> Any:
        try:
            return verb(client_timeout=timeout, headers=self._headers, **arguments)
        except InferenceServerException as error:
            alive = not _may_be_gone(error) or self._yes(self._client.is_server_live, PROBE_S)
            raise _translated(error, self._address, timeout, alive) from error

    def _yes(self, verb: Callable[..., Any], seconds: float) -> bool:
        try:
            return bool(verb(client_timeout=seconds, headers=self._headers))
        except InferenceServerException:
            return False


class AsyncGrpcTransport:
    """One channel to one server, for one event loop."""

    def __init__(self, address: Address, access: Access) -> None:
        """Remember the address; the channel is made by the first request, in its event loop."""
        self._address, self._access, self._headers = address, access, access.headers
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = triton_aio.InferenceServerClient(**_client_arguments(self._address, self._access))
        return self._made

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        result = await self._call(self._client.infer, timeout, **_request(model, inputs, outputs))
        return collect(result, outputs, self._address)

    def repeated(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> Send:
        """Prepare a request; see `AsyncTransport.repeated`."""
        request = _request(model, inputs, outputs)
        return lambda: self._call(self._client.infer, timeout, **request)

    async def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        response = await self._call(self._client.get_model_config, timeout, model_name=model, as_json=True)
        config: dict[str, Any] = response["config"]
        return config

    async def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""
        return names_of(await self.statistics(timeout))

    async def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Transport.statistics`."""
        response = await self._call(self._client.get_inference_statistics, timeout, model_name=model, as_json=True)
        return list(with_numbers(response.get("model_stats", [])))

    async def ready(self, timeout: float) -> bool:
        """Say whether the server is ready; see `Transport.ready`."""
        return await self._yes(self._client.is_server_ready, min(timeout, PROBE_S))

    async def close(self) -> None:
        """Close the channel."""
        if self._made is not None:
            await self._made.close()
            self._made = None

    async def _call(self, verb: Callable[..., Any], timeout: float, **arguments: Any) -> Any:
        try:
            return await verb(client_timeout=timeout, headers=self._headers, **arguments)
        except InferenceServerException as error:
            alive = not _may_be_gone(error) or await self._yes(self._client.is_server_live, PROBE_S)
            raise _translated(error, self._address, timeout, alive) from error

    async def _yes(self, verb: Callable[..., Any], seconds: float) -> bool:
        try:
            return bool(await verb(client_timeout=seconds, headers=self._headers))
        except InferenceServerException:
            return False


def _client_arguments(address: Address, access: Access) -> dict[str, Any]:
    """Return the arguments of the library's clients."""
    arguments: dict[str, Any] = {"url": address.target, "channel_args": list(_CHANNEL)}
    if address.has_tls:
        arguments["ssl"] = True
        arguments["root_certificates"] = None if access.ca is None else str(access.ca)
    return arguments


def _request(model: str, inputs: Tensors, outputs: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of the library's `infer`."""
    sent = []
    for name, array in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        sent.append(tensor.set_data_from_numpy(array))
    return {"model_name": model, "inputs": sent, "outputs": [triton.InferRequestedOutput(name) for name in outputs]}


def _status(error: InferenceServerException) -> str:
    return str(error.status()).removeprefix("StatusCode.")


def _is_too_large(error: InferenceServerException) -> bool:
    """Say whether a message was too large; gRPC gives that the code of a full server, but it will never be taken."""
    return _status(error) == grpc.StatusCode.RESOURCE_EXHAUSTED.name and "message larger than max" in error.message()


def _may_be_gone(error: InferenceServerException) -> bool:
    """Say whether an error leaves open if the server lives: a full queue and a closed port are both UNAVAILABLE."""
    return bool(_status(error) == grpc.StatusCode.UNAVAILABLE.name)


def _translated(error: InferenceServerException, address: Address, timeout: float, alive: bool) -> ServerError:
    """Return our error for a gRPC status.

    Args:
        error: what the library raised.
        address: who was asked.
        timeout: how long it had.
        alive: whether the server answers at all.
    """
    said = one_line(error.message())
    match _status(error):
        case grpc.StatusCode.DEADLINE_EXCEEDED.name:
            return late(address, timeout)
        case grpc.StatusCode.NOT_FOUND.name:
            return PipelineNotFoundError(f"the server at {address} says: {said}")
        case (
            grpc.StatusCode.INVALID_ARGUMENT.name
            | grpc.StatusCode.PERMISSION_DENIED.name
            | grpc.StatusCode.UNAUTHENTICATED.name
        ):
            return RequestRejectedError(f"the server at {address} refuses the request: {said}")
        case grpc.StatusCode.RESOURCE_EXHAUSTED.name if _is_too_large(error):
            return RequestRejectedError(
                f"the server at {address} refuses the request: {said}; send smaller files, or raise limits.body_bytes "
                "in its configuration"
            )
        case grpc.StatusCode.UNAVAILABLE.name if not alive:
            return unreachable(address, said)
        case grpc.StatusCode.RESOURCE_EXHAUSTED.name | grpc.StatusCode.UNAVAILABLE.name:
            return ServerOverloaded(f"the server at {address} takes no request now: {said}; try again later")
    return failed(address, said)
