"""HTTP, by `tritonclient.http`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gevent  # type: ignore[import-untyped]
import tritonclient.http as triton
from geventhttpclient.response import HTTPParseError
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from clients.address import Address
from clients.errors import PipelineUnknown, RequestRefused, ServerError, ServerOverloaded
from clients.transport.base import Tensors, collect, failed, late, one_line, unreachable

Answer = TypeVar("Answer")


class HttpTransport:
    """One connection per request: the library's connections belong to one thread and do not survive a deadline."""

    def __init__(self, address: Address) -> None:
        """Remember the address; nothing is sent yet."""
        self._address = address

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], deadline_s: float) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        sent = []
        for name, array in inputs.items():
            tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            sent.append(tensor.set_data_from_numpy(array, binary_data=True))
        wanted = [triton.InferRequestedOutput(name, binary_data=True) for name in outputs]

        def ask(client: Any) -> dict[str, NDArray[Any]]:
            return collect(client.infer(model, sent, outputs=wanted), outputs, self._address)

        return self._call(ask, deadline_s)

    def config(self, model: str, deadline_s: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        return self._call(lambda client: dict(client.get_model_config(model)), deadline_s)

    def models(self, deadline_s: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""

        def names(client: Any) -> tuple[str, ...]:
            return tuple(sorted({entry["name"] for entry in client.get_inference_statistics()["model_stats"]}))

        return self._call(names, deadline_s)

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""

    def _call(self, verb: Callable[[Any], Answer], deadline_s: float) -> Answer:
        """Connect, ask, read the whole answer and disconnect, all before the deadline."""
        client = triton.InferenceServerClient(self._address.target, connection_timeout=None, network_timeout=None)
        with contextlib.closing(client), gevent.Timeout(deadline_s) as alarm:
            try:
                return verb(client)
            except gevent.Timeout as error:
                if error is not alarm:
                    raise
                raise late(self._address, deadline_s) from error
            except InferenceServerException as error:
                raise self._translated(error, deadline_s) from error
            except OSError as error:
                raise unreachable(self._address, error.strerror or error) from error
            except HTTPParseError as error:
                raise unreachable(self._address, "its answer is no HTTP") from error
            except (ValueError, KeyError, TypeError) as error:
                raise failed(self._address, f"its answer cannot be read ({error})") from error

    def _translated(self, error: InferenceServerException, deadline_s: float) -> ServerError:
        """Return our error for an HTTP status."""
        said = one_line(error.message())
        match str(error.status()):
            case "400" | "401" | "403" | "413" | "415" | "422":
                return RequestRefused(f"the server at {self._address} refuses the request: {said}")
            case "404":
                return PipelineUnknown(f"the server at {self._address} says: {said}")
            case "408" | "504":
                return late(self._address, deadline_s)
            case "429" | "503":
                return ServerOverloaded(f"the server at {self._address} takes no request now: {said}; try again later")
            case "502":
                return unreachable(self._address, said)
        return failed(self._address, said)
