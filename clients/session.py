"""What a predictor says to its servers, sans-io: written once, without input or output, for threads and event loops.

A flow is a generator that yields one step at a time: a `Call` to a server, a `Pause`, or `Work` for a processor. Its
driver carries the step out, sends the outcome in (or throws the error in), and gets the next step; what the generator
returns is the result. `Predictor` blocks its thread in every step, `AsyncPredictor` awaits it, a test holds the clock:
which server is asked, how long, and when again is decided here alone. Why not an event loop in a thread:
`docs/architecture.md`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from crosswire.clients.address import Address
from crosswire.clients.balance import SAFE, Balance, Retries
from crosswire.clients.errors import AddressError, DeadlineExceeded, InputError, PipelineNotFoundError, ServerError
from crosswire.clients.pipelines import find_pipeline, read_pipeline
from crosswire.clients.transport.base import (
    FetchConfig,
    FetchStatistics,
    Infer,
    IsReady,
    ListModels,
    Operation,
    Tensors,
    late,
)
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CAMERA, DEPTH_IMAGE, IMAGE_SUFFIX, RGB_IMAGE

ResultT = TypeVar("ResultT")
LONGEST_TIMEOUT_S = 86_400
Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True)
class Call:
    """One operation on one server; the outcome sent in is what the transport returns.

    Attributes:
        server: index of the server.
        operation: what is asked.
        timeout: seconds that are left.
    """

    server: int
    operation: Operation
    timeout: float


@dataclass(frozen=True)
class Pause:
    """Waiting for so many seconds; the outcome sent in is None."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Something that keeps a processor busy for milliseconds; the outcome sent in is what it returns."""

    do: Callable[[], Any]


SessionStep: TypeAlias = Call | Pause | Work
SessionFlow: TypeAlias = Generator[SessionStep, Any, ResultT]


@dataclass(frozen=True)
class Limit:
    """How long one request may take.

    Attributes:
        seconds: all attempts together.
        end: when they are over, on the clock.
        clock: seconds that only grow.
    """

    seconds: float
    end: float
    clock: Clock

    @classmethod
    def of(cls, seconds: float, clock: Clock) -> Limit:
        """Start now."""
        return cls(seconds, clock() + seconds, clock)

    @property
    def left(self) -> float:
        """Seconds that are left, below 0 when they are over."""
        return self.end - self.clock()


@dataclass(frozen=True)
class Timings:
    """Where the time went, in milliseconds, as the client saw it.

    Attributes:
        prepare_ms: reading, checking and encoding the inputs.
        request_ms: from sending the request to having all that the server sent.
        read_ms: decoding it.
        total_ms: all of it, and asking the server about its pipelines if that was needed.
        attempts: how often the request was sent; more than 1 if a server was full or gone.
    """

    prepare_ms: float
    request_ms: float
    read_ms: float
    total_ms: float
    attempts: int = 1


@dataclass(frozen=True, eq=False)
class Request(Generic[ResultT]):
    """A request to one pipeline: what to send, what to ask for, and how the result is read.

    Attributes:
        task: what the pipeline must do.
        pipeline: its name, or None for the only one with this task.
        inputs: arrays by tensor name, batch axis included.
        needed: output tensors without which there is no result.
        wished: output tensors that are asked for where the pipeline has them; None for every one that it has.
        read: makes the result from the pipeline, the output tensors, and a function that returns the timings when
            everything is read.
        prepare_ms: how long the preparation took.
        direct: whether the inputs are those of the network itself, past the pipeline's steps.
        takes: where no pipeline is named, an input that the chosen one must have; empty for any pipeline with the task.
    """

    task: str
    pipeline: str | None
    inputs: Tensors
    needed: tuple[str, ...]
    wished: tuple[str, ...] | None
    read: Callable[[PipelineDescription, Tensors, Callable[[], Timings]], ResultT]
    prepare_ms: float
    direct: bool = False
    takes: str = ""

    def outputs(self, pipeline: PipelineDescription) -> tuple[str, ...]:
        """Return the tensors to ask a pipeline for.

        Raises:
            InputError: the pipeline has no such input, or cannot do without one that was not given.
            PipelineNotFoundError: it lacks an output that is needed.
        """
        if not self.direct:
            check_inputs(pipeline, self.inputs)
        for tensor in () if self.direct else pipeline.inputs:
            if not tensor.optional and tensor.name not in self.inputs:
                name = tensor.name.removesuffix(IMAGE_SUFFIX)
                raise InputError(
                    f"{name}: pipeline {pipeline.name!r} cannot do without; send it, or name a pipeline whose network "
                    "was trained with it missing"
                )
        offered = {tensor.name for tensor in pipeline.outputs}
        if lacking := [name for name in self.needed if name not in offered]:
            raise PipelineNotFoundError(
                f"pipeline {pipeline.name!r} does not answer with {lacking[0]!r}; name another one"
            )
        wished = offered - set(self.needed) if self.wished is None else self.wished
        return (*self.needed, *(name for name in sorted(wished) if name in offered))


def check_inputs(pipeline: PipelineDescription, names: Iterable[str]) -> None:
    """Raise `InputError` unless a pipeline has all of some inputs, named by tensor or domain: `rgb_image` or `rgb`."""
    files = [tensor.name.removesuffix(IMAGE_SUFFIX) for tensor in pipeline.files]
    known = {*_inputs(pipeline), *files}
    for name in names:
        if name == CAMERA and name not in known:
            raise InputError(f"pipeline {pipeline.name!r} takes no camera{_no_camera(pipeline)}")
        if name not in known:
            given = name.removesuffix(IMAGE_SUFFIX)
            raise InputError(
                f"pipeline {pipeline.name!r} has no input {given!r}; it has: {', '.join(files or _inputs(pipeline))}"
            )


def _inputs(pipeline: PipelineDescription) -> list[str]:
    """Return the names of a pipeline's input tensors."""
    return [tensor.name for tensor in pipeline.inputs]


def _no_camera(pipeline: PipelineDescription) -> str:
    """Say why a pipeline takes no camera, and what to do."""
    if pipeline.geometry is not None and not pipeline.geometry.metric:
        return f": it takes {pipeline.geometry.quantity}, of which lenses say nothing; register the pair before sending"
    names = {tensor.name for tensor in pipeline.inputs}
    if not {RGB_IMAGE, DEPTH_IMAGE} <= names:
        return ": it does not take both rgb and depth; leave camera out"
    return "; register depth to colour before sending, or update the server"


def check_timeout(seconds: float) -> None:
    """Raise `InputError` for a timeout that makes no sense: none, an endless one or one of more than a day."""
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise InputError(f"timeout is {seconds} s; send a number of seconds above 0, at most {LONGEST_TIMEOUT_S}")


class Session:
    """The flows of one predictor, and what it knows of its servers; may be shared between threads."""

    def __init__(
        self,
        url: str | Sequence[str],
        timeout: float,
        retries: Retries | None,
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Remember the servers.

        Args:
            url: one address, or several.
            timeout: seconds that one request may take, all attempts together.
            retries: how patient to be; None takes the defaults.
            clock: seconds that only grow.
            chance: numbers drawn evenly from 0..1.

        Raises:
            AddressError: an address cannot be understood.
            InputError: the timeout makes no sense, or no address came.
        """
        check_timeout(timeout)
        urls = [one.strip() for one in url.split(",")] if isinstance(url, str) else list(url)
        if not urls:
            raise InputError("no address came; send one or more, for example grpc://127.0.0.1:8001")
        if len(urls) > 1 and "" in urls:
            raise AddressError(f"address {urls.index('') + 1} of {len(urls)} in {url!r} is empty; take out its comma")
        self.addresses = tuple(Address.parse(one) for one in urls)
        self._timeout, self._clock = timeout, clock
        self._balance = Balance(len(urls), retries, clock, chance)
        self._known: dict[tuple[str | None, str, str], PipelineDescription] = {}

    @property
    def place(self) -> str:
        """The servers as errors name them."""
        return " or ".join(map(str, self.addresses))

    def health(self) -> SessionFlow[dict[str, bool]]:
        """Ask every server whether it is ready."""
        found = {}
        for index, address in enumerate(self.addresses):
            found[str(address)] = bool((yield Call(index, IsReady(), self._timeout)))
        return found

    def pipelines(self, limit: Limit | None = None) -> SessionFlow[tuple[PipelineDescription, ...]]:
        """Ask for every pipeline, sorted by name, within a limit or the predictor's timeout."""
        limit = limit or self._limit()
        names, _ = yield from self._send(ListModels(), limit)
        configs = []
        for name in names:
            config, _ = yield from self._send(FetchConfig(name), limit)
            configs.append(config)
        return tuple(found for config in configs if (found := find_pipeline(config)))

    def pipeline(
        self, name: str | None, task: str, limit: Limit | None = None, takes: str = ""
    ) -> SessionFlow[PipelineDescription]:
        """Ask for one pipeline, once, within a limit or the predictor's timeout; `takes` as in `Request`."""
        known = self._known.get((name, task, takes))
        if known is None:
            known = yield from self._find(name, task, limit or self._limit(), takes)
            if known.task != task:
                raise PipelineNotFoundError(f"pipeline {known.name!r} is for {known.task}; name one for {task}")
            self._known[name, task, takes] = known
        return known

    def named_pipeline(self, name: str | None) -> SessionFlow[PipelineDescription]:
        """Ask for the pipeline with a name, or for the only one, whatever its task."""
        offered = yield from self.pipelines()
        fitting = [pipeline for pipeline in offered if name in (None, pipeline.name)]
        if len(fitting) == 1:
            return fitting[0]
        offer = ", ".join(pipeline.name for pipeline in offered) or "none"
        if name is None and offered:
            raise PipelineNotFoundError(f"the server at {self.place} has several pipelines: {offer}; name one")
        asked = "pipeline" if name is None else f"pipeline {name!r}"
        raise PipelineNotFoundError(f"the server at {self.place} has no {asked}; it has: {offer}")

    def statistics(self) -> SessionFlow[list[dict[str, Any]]]:
        """Ask one server for Triton's statistics of all models."""
        found, _ = yield from self._send(FetchStatistics(), self._limit())
        return list(found)

    def ask(self, request: Request[ResultT], timeout: float | None = None) -> SessionFlow[ResultT]:
        """Send a request: find the pipeline, send, send again where that is safe, read the result.

        Args:
            request: what to send.
            timeout: seconds that all of it may take, or None for the predictor's.
        """
        started = time.perf_counter()
        limit = self._limit(timeout)
        pipeline = yield from self.pipeline(request.pipeline, request.task, limit, request.takes)
        sent = time.perf_counter()
        model = pipeline.network if request.direct else pipeline.name
        infer = Infer(model, request.inputs, request.outputs(pipeline))
        tensors, attempts = yield from self._send(infer, limit)
        received = time.perf_counter()

        def timings() -> Timings:
            done = time.perf_counter()
            return Timings(
                prepare_ms=request.prepare_ms,
                request_ms=1e3 * (received - sent),
                read_ms=1e3 * (done - received),
                total_ms=request.prepare_ms + 1e3 * (done - started),
                attempts=attempts,
            )

        result: ResultT = yield Work(lambda: request.read(pipeline, tensors, timings))
        return result

    def _limit(self, timeout: float | None = None) -> Limit:
        """Return the limit of a request that begins now.

        Raises:
            InputError: the timeout makes no sense.
        """
        if timeout is not None:
            check_timeout(timeout)
        return Limit.of(self._timeout if timeout is None else timeout, self._clock)

    def _send(self, operation: Operation, limit: Limit) -> SessionFlow[tuple[Any, int]]:
        """Ask one server after the other until one answers; returns what it said and how often was asked."""
        attempt, server = 0, 0
        refusal: ServerError | None = None
        while True:
            attempt += 1
            if limit.left <= 0:  # a pause that took longer than asked for ends with what was known before it
                raise refusal or late(self.addresses[server], limit.seconds)
            try:
                with self._balance.request() as server:
                    outcome = yield Call(server, operation, limit.left)
                return outcome, attempt
            except SAFE as error:
                pause, refusal = self._balance.pause_s(attempt), error
                if pause is None or pause >= limit.left:
                    raise
            except DeadlineExceeded as error:  # the last attempt had less time than all together
                raise late(self.addresses[server], limit.seconds) from error
            if pause:
                yield Pause(pause)

    def _find(self, name: str | None, task: str, limit: Limit, takes: str) -> SessionFlow[PipelineDescription]:
        """Ask for the named pipeline, or for the only one with a task that takes an input."""
        if name is not None:
            names, _ = yield from self._send(ListModels(), limit)
            if name in names:
                config, _ = yield from self._send(FetchConfig(name), limit)
                return read_pipeline(config)
        offered = yield from self.pipelines(limit)
        fitting = [pipeline for pipeline in offered if pipeline.task == task and takes in ("", *_inputs(pipeline))]
        offer = ", ".join(pipeline.name for pipeline in fitting)
        if not fitting:
            which = f" that takes {takes}" if takes else ""
            raise PipelineNotFoundError(
                f"the server at {self.place} offers no {task} pipeline{which}; start it with one"
            )
        if name is not None:
            raise PipelineNotFoundError(
                f"the server at {self.place} has no pipeline {name!r}; for {task} it has: {offer}"
            )
        if len(fitting) > 1:
            raise PipelineNotFoundError(f"the server at {self.place} has several {task} pipelines: {offer}; name one")
        return fitting[0]
