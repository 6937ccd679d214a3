"""gRPC, by `tritonclient.grpc`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import tritonclient.grpc as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from clients.address import Address
from clients.errors import PipelineUnknown, RequestRefused, ServerError, ServerOverloaded
from clients.transport.base import Tensors, collect, failed, late, one_line, unreachable

_CHANNEL: Final = (
    ("grpc.max_send_message_length", triton.MAX_GRPC_MESSAGE_SIZE),  # pictures are larger than gRPC's 4 MB
    ("grpc.max_receive_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.initial_reconnect_backoff_ms", 100),  # a restarted server is found again soon
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),  # as over HTTP: the address is meant as it is written
)
_PROBE_S: Final = 2.0


class GrpcTransport:
    """One channel to one server; safe to share between threads."""

    def __init__(self, address: Address) -> None:
        """Prepare the channel; it connects with the first request."""
        self._address = address
        self._client = triton.InferenceServerClient(address.target, channel_args=list(_CHANNEL))

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], deadline_s: float) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        sent = []
        for name, array in inputs.items():
            tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            sent.append(tensor.set_data_from_numpy(array))
        wanted = [triton.InferRequestedOutput(name) for name in outputs]
        result = self._call(self._client.infer, deadline_s, model_name=model, inputs=sent, outputs=wanted)
        return collect(result, outputs, self._address)

    def config(self, model: str, deadline_s: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        answer = self._call(self._client.get_model_config, deadline_s, model_name=model, as_json=True)
        config: dict[str, Any] = answer["config"]
        return config

    def models(self, deadline_s: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""
        answer = self._call(self._client.get_inference_statistics, deadline_s, as_json=True)
        return tuple(sorted({entry["name"] for entry in answer.get("model_stats", ())}))

    def close(self) -> None:
        """Close the channel."""
        self._client.close()

    def _call(self, verb: Callable[..., Any], deadline_s: float, **arguments: Any) -> Any:
        try:
            return verb(client_timeout=deadline_s, **arguments)
        except InferenceServerException as error:
            raise self._translated(error, deadline_s) from error

    def _translated(self, error: InferenceServerException, deadline_s: float) -> ServerError:
        """Return our error for a gRPC status."""
        said = one_line(error.message())
        match str(error.status()).removeprefix("StatusCode."):
            case grpc.StatusCode.DEADLINE_EXCEEDED.name:
                return late(self._address, deadline_s)
            case grpc.StatusCode.NOT_FOUND.name:
                return PipelineUnknown(f"the server at {self._address} says: {said}")
            case (
                grpc.StatusCode.INVALID_ARGUMENT.name
                | grpc.StatusCode.PERMISSION_DENIED.name
                | grpc.StatusCode.UNAUTHENTICATED.name
            ):
                return RequestRefused(f"the server at {self._address} refuses the request: {said}")
            case grpc.StatusCode.UNAVAILABLE.name if not self._answers():
                return unreachable(self._address, said)
            case grpc.StatusCode.RESOURCE_EXHAUSTED.name | grpc.StatusCode.UNAVAILABLE.name:
                return ServerOverloaded(f"the server at {self._address} takes no request now: {said}; try again later")
        return failed(self._address, said)

    def _answers(self) -> bool:
        """Say whether the server is alive: both a full queue and a closed port come back as UNAVAILABLE."""
        try:
            return bool(self._client.is_server_live(client_timeout=_PROBE_S))
        except InferenceServerException:
            return False
