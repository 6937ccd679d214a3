"""Pipelines that an offline batch asks: the exported graph in this very process, or servers at given addresses.

Both are described by a small value that travels to workers on other machines, and opened there.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from crosswire.clients.balance import Retries
from crosswire.clients.batch.work import ItemResult
from crosswire.clients.errors import InternalServerError, RequestRejectedError
from crosswire.clients.pipelines import check_takes_files
from crosswire.clients.session import Request, Timings
from crosswire.clients.sync_client import TIMEOUT_S, Predictor
from crosswire.contract import PipelineDescription

_PATIENT = Retries(attempts=1_000_000, first_pause_s=0.2, longest_pause_s=2.0)  # until the timeout


class Pipeline(Protocol):
    """A pipeline that is ready for requests; safe to use from several threads."""

    @property
    def at_once(self) -> int:
        """How many requests to ask at a time."""

    def ask(self, request: Request[ItemResult]) -> ItemResult:
        """Return the result of one request.

        Raises:
            CrosswireError: there is none.
        """

    def close(self) -> None:
        """End what it started."""


class PipelineSource(Protocol):
    """What a worker needs to open a pipeline, small enough to travel and known to pickle."""

    @property
    def description(self) -> PipelineDescription:
        """What the pipeline says of itself."""

    def open(self) -> Pipeline:
        """Load or connect it; this is what a worker does once.

        Raises:
            CrosswireError: it cannot be used.
        """


@dataclass(frozen=True)
class ServedPipeline:
    """A pipeline of one server or of several that serve the same.

    Attributes:
        description: what it says of itself.
        url: addresses, with commas between them.
        window: most requests of one worker in flight.
        timeout: seconds that one item may take, all attempts together.
        api_key: see `Predictor`.
        ca: see `Predictor`; a path on every machine.
    """

    description: PipelineDescription
    url: str
    window: int = 8
    timeout: float = TIMEOUT_S
    api_key: str | None = None
    ca: str | None = None

    def open(self) -> Pipeline:
        """Connect."""
        predictor = Predictor(self.url, timeout=self.timeout, retries=_PATIENT, api_key=self.api_key, ca=self.ca)
        return _Asked(predictor, self.window)


class _Asked:
    """Servers that are asked."""

    def __init__(self, predictor: Predictor, window: int) -> None:
        self._predictor, self.at_once = predictor, window

    def ask(self, request: Request[ItemResult]) -> ItemResult:
        """Return what a server makes of a request."""
        return self._predictor.ask(request)

    def close(self) -> None:
        """Give the connections back."""
        self._predictor.close()


@dataclass(frozen=True)
class ExportedPipeline:
    """A pipeline with its network's files, which run in the process that opens it.

    Attributes:
        description: what it says of itself, as a server would.
        network: name of the network.
        files: contents of the network's contract, graphs and weights, by name.
    """

    description: PipelineDescription
    network: str
    files: dict[str, bytes]

    @property
    def identity(self) -> str:
        """Hash of all files: results of two exports do not belong into one table."""
        told = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            told.update(f"{name}\n{hashlib.sha256(data).hexdigest()}\n".encode())
        return told.hexdigest()[:16]

    def open(self) -> Pipeline:
        """Write the files down and load them; their hashes are checked against the contract's."""
        return _Loaded(self)


class _Loaded:
    """The steps of a pipeline in this process: the code of the server's steps, without a server."""

    def __init__(self, source: ExportedPipeline) -> None:
        """Load the graphs and start the decoders."""
        from crosswire.offline.exported import load

        self._description = source.description
        with tempfile.TemporaryDirectory(prefix="crosswire-offline-") as folder:  # a killed worker leaves none behind
            for name, data in source.files.items():
                path = Path(folder) / source.network / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._steps = load(Path(folder), source.network)
        self.at_once = self._steps.at_once()

    def ask(self, request: Request[ItemResult]) -> ItemResult:
        """Run the steps on a request."""
        from crosswire.serving.steps.decode.sandbox import MediaError
        from crosswire.serving.steps.runtime.step import StepRequest

        began = time.perf_counter()
        wanted = request.outputs(self._description)
        with ExitStack() as held:
            try:
                arrays = self._steps.run(StepRequest(request.inputs.get, frozenset(wanted), held))
            except MediaError as error:
                raise RequestRejectedError(str(error)) from error
            except Exception as error:  # as a server has it: this item fails, with its trace in the log
                traceback.print_exc()
                raise InternalServerError(f"the pipeline failed: {type(error).__name__}: {error}") from error
        received = time.perf_counter()

        def timings() -> Timings:
            done = time.perf_counter()
            asked, read = 1e3 * (received - began), 1e3 * (done - received)
            return Timings(request.prepare_ms, asked, read, request.prepare_ms + asked + read)

        return request.read(self._description, {name: arrays[name] for name in wanted}, timings)

    def close(self) -> None:
        """End the decoders."""
        self._steps.close()


def served(
    url: str | Sequence[str],
    pipeline: str | None = None,
    *,
    window: int = 8,
    timeout: float = TIMEOUT_S,
    api_key: str | None = None,
    ca: str | None = None,
) -> ServedPipeline:
    """Ask servers for a pipeline.

    Args:
        url: one address or several, see `Predictor`.
        pipeline: its name, or None for the only one.
        window: most requests of one worker in flight.
        timeout: seconds that one item may take.
        api_key: see `Predictor`.
        ca: see `Predictor`.

    Raises:
        ServerError: they cannot be asked, or have no such pipeline.
    """
    place = url if isinstance(url, str) else ",".join(url)
    with Predictor(place, timeout=timeout, api_key=api_key, ca=ca) as once:
        found = once.named_pipeline(pipeline)
    check_takes_files(found)
    return replace(ServedPipeline(found, place), window=window, timeout=timeout, api_key=api_key, ca=ca)
