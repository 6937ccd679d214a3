"""What both protocols promise, and the errors that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clients.address import Address
from clients.errors import DeadlineExceeded, ServerFailed, ServerUnreachable

Tensors = Mapping[str, NDArray[Any]]


class Transport(Protocol):
    """Carries tensors to a server that speaks KServe v2 and brings answers back.

    Every method raises a subclass of `clients.errors.ServerError`, never an error of the library below, and may be
    called from several threads.
    """

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], deadline_s: float) -> dict[str, NDArray[Any]]:
        """Run a model.

        Args:
            model: name of the model.
            inputs: arrays by tensor name, batch axis included; dtype `object` holding `bytes` travels as BYTES.
            outputs: the tensors wanted.
            deadline_s: seconds until the answer must be here.
        """
        ...

    def config(self, model: str, deadline_s: float) -> dict[str, Any]:
        """Return a model's Triton configuration, fields named as in `config.pbtxt`."""
        ...

    def models(self, deadline_s: float) -> tuple[str, ...]:
        """Return the names of all models that are ready, sorted.

        They are read from the statistics, because the repository index shares its lock with loading and unloading.
        """
        ...

    def close(self) -> None:
        """Give back all connections."""
        ...


def unreachable(address: Address, reason: object) -> ServerUnreachable:
    """Return the error for a server that nobody hears."""
    other = "HTTP" if address.scheme == "grpc" else "gRPC"
    return ServerUnreachable(
        f"no server answers at {address} ({one_line(reason)}); check that it runs and that the port is not its "
        f"{other} port"
    )


def late(address: Address, deadline_s: float) -> DeadlineExceeded:
    """Return the error for an answer that did not come in time."""
    return DeadlineExceeded(
        f"the server at {address} gave no answer within {deadline_s:g} s; allow more time or look at its load"
    )


def failed(address: Address, reason: object) -> ServerFailed:
    """Return the error for a server that broke on the request."""
    return ServerFailed(f"the server at {address} failed: {one_line(reason)}; its log says more")


def collect(result: Any, outputs: Sequence[str], address: Address) -> dict[str, NDArray[Any]]:
    """Take the wanted tensors from a result of either library.

    Raises:
        ServerFailed: one of them is missing.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in outputs:
        array = result.as_numpy(name)
        if array is None:
            raise failed(address, f"the answer lacks the tensor {name!r}")
        arrays[name] = np.asarray(array)
    return arrays


def one_line(text: object) -> str:
    """Return a text without line breaks and without the full stop at its end."""
    return " ".join(str(text).split()).rstrip(".")
