"""What can be asked of a server, what both protocols promise, and the errors that they share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.address import Address
from crosswire.clients.errors import DeadlineExceeded, InternalServerError, ServerUnreachable

Tensors = Mapping[str, NDArray[Any]]
Send = Callable[[], Awaitable[object]]
PROBE_S: Final = 2.0
"""Longest wait for an answer to whether a server is ready."""


@dataclass(frozen=True, eq=False)
class Infer:
    """Running a model; see `Transport.infer`."""

    model: str
    inputs: Tensors
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class FetchConfig:
    """Asking for a model's configuration; see `Transport.config`."""

    model: str


@dataclass(frozen=True)
class ListModels:
    """Asking for the names of all ready models; see `Transport.models`."""


@dataclass(frozen=True)
class FetchStatistics:
    """Asking for the statistics of all models; see `Transport.statistics`."""


@dataclass(frozen=True)
class IsReady:
    """Asking whether a server is ready; see `Transport.ready`."""


Operation: TypeAlias = Infer | FetchConfig | ListModels | FetchStatistics | IsReady


class Transport(Protocol):
    """Carries tensors to a server that speaks KServe v2 and brings those of its response back.

    Every method but `ready` and `close` raises a subclass of `crosswire.clients.errors.ServerError`, never an error of
    the library below, and may be called from several threads.
    """

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> dict[str, NDArray[Any]]:
        """Run a model.

        Args:
            model: name of the model.
            inputs: arrays by tensor name, batch axis included; dtype `object` holding `bytes` travels as BYTES.
            outputs: the tensors wanted.
            timeout: seconds until the response must be here.
        """

    def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's Triton configuration, fields named as in `config.pbtxt`."""

    def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all models that are ready, sorted.

        They are read from the statistics, because the repository index shares its lock with loading and unloading.
        """

    def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics, one entry per model, numbers as `int`; or those of one model or step."""

    def ready(self, timeout: float) -> bool:
        """Say whether the server answers and calls itself ready; never raises."""

    def close(self) -> None:
        """Give back all connections; requests under way fail."""


class AsyncTransport(Protocol):
    """The same for an event loop; cancelling a call cancels the request."""

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""

    def repeated(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> Send:
        """Return a function that runs a model on the same inputs at every call, for measurements.

        The request is packed once, and a response is received whole but not unpacked: what the client does to either
        would take from a server on the same cores. It raises like `infer`.
        """

    async def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""

    async def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""

    async def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Transport.statistics`."""

    async def ready(self, timeout: float) -> bool:
        """Say whether the server is ready; see `Transport.ready`."""

    async def close(self) -> None:
        """Give back all connections."""


def names_of(statistics: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the models in Triton's statistics, sorted."""
    return tuple(sorted({str(entry["name"]) for entry in statistics}))


def with_numbers(value: Any) -> Any:
    """Return statistics with numbers as `int`: the JSON form of protobuf writes 64-bit integers as text."""
    if isinstance(value, Mapping):
        return {key: entry if key in ("name", "version") else with_numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_numbers(entry) for entry in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def unreachable(address: Address, reason: object) -> ServerUnreachable:
    """Return the error for a server that nobody hears."""
    other = "HTTP" if address.is_grpc else "gRPC"
    return ServerUnreachable(
        f"no server answers at {address} ({one_line(reason)}); check that it runs, that the port is not its "
        f"{other} port, and whether it speaks TLS"
    )


def late(address: Address, timeout: float) -> DeadlineExceeded:
    """Return the error for a response that did not come in time."""
    return DeadlineExceeded(
        f"the server at {address} gave no response within {timeout:.3g} s; allow more time or look at its load"
    )


def failed(address: Address, reason: object) -> InternalServerError:
    """Return the error for a server that broke on the request."""
    return InternalServerError(f"the server at {address} failed: {one_line(reason)}; its log says more")


def collect(result: Any, outputs: Sequence[str], address: Address) -> dict[str, NDArray[Any]]:
    """Take the wanted tensors from a result of either library.

    Raises:
        InternalServerError: one of them is missing.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in outputs:
        array = result.as_numpy(name)
        if array is None:
            raise failed(address, f"the response lacks the tensor {name!r}")
        arrays[name] = np.asarray(array)
    return arrays


def one_line(text: object) -> str:
    """Return a text without line breaks and without the full stop at its end."""
    return " ".join(str(text).split()).rstrip(".")
