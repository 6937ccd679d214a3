"""What a predictor says to its servers, written once for the blocking and the asynchronous one.

A talk is a generator: it yields a `Call`, a `Pause` or `Work`, gets the result sent in or the error thrown in, and
returns the answer. Who drives it decides whether a step blocks a thread or is awaited.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from crosswire.clients.address import Address
from crosswire.clients.balance import SAFE, Balance, Retries
from crosswire.clients.errors import AddressError, DeadlineExceeded, InputError, PipelineNotFoundError
from crosswire.clients.pipelines import find_pipeline, read_pipeline
from crosswire.clients.tasks.request import Request
from crosswire.clients.tasks.segmentation import Timings
from crosswire.clients.transport.base import late
from crosswire.contract import PipelineDescription

Result = TypeVar("Result")
LONGEST_DEADLINE_S = 86_400
Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True)
class Call:
    """One question to one server.

    Attributes:
        server: index of the server.
        verb: method of its transport.
        arguments: for the method, without the deadline.
        timeout: seconds that are left, passed as the last argument.
    """

    server: int
    verb: str
    arguments: tuple[Any, ...]
    timeout: float


@dataclass(frozen=True)
class Pause:
    """Waiting for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Something that keeps a processor busy for milliseconds."""

    do: Callable[[], Any]


@dataclass(frozen=True)
class Limit:
    """How long one question may take.

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


SessionStep: TypeAlias = "Call | Pause | Work"
SessionFlow: TypeAlias = Generator[SessionStep, Any, Result]


def check_timeout(seconds: float) -> None:
    """Raise `InputError` for a deadline that makes no sense: none, an endless one or one of more than a day."""
    if not 0 < seconds <= LONGEST_DEADLINE_S:
        raise InputError(f"deadline is {seconds} s; send a number of seconds above 0, at most {LONGEST_DEADLINE_S}")


class Session:
    """The talks of one predictor; may be shared between threads."""

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
            timeout: seconds that one question may take, all attempts together.
            retries: how patient to be; None takes the defaults.
            clock: seconds that only grow.
            chance: numbers drawn evenly from 0..1.

        Raises:
            AddressError: an address cannot be understood.
            InputError: the deadline makes no sense, or no address came.
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
        self._known: dict[tuple[str | None, str], PipelineDescription] = {}

    @property
    def place(self) -> str:
        """The servers as errors name them."""
        return " or ".join(map(str, self.addresses))

    def health(self) -> SessionFlow[dict[str, bool]]:
        """Ask every server whether it is ready."""
        found = {}
        for index, address in enumerate(self.addresses):
            found[str(address)] = bool((yield Call(index, "ready", (), self._timeout)))
        return found

    def pipelines(self, limit: Limit | None = None) -> SessionFlow[tuple[PipelineDescription, ...]]:
        """Ask for every pipeline, sorted by name, within a limit or the predictor's deadline."""
        limit = limit or self._limit()
        names, _ = yield from self._send("models", (), limit)
        configs = []
        for name in names:
            config, _ = yield from self._send("config", (name,), limit)
            configs.append(config)
        return tuple(found for config in configs if (found := find_pipeline(config)))

    def pipeline(self, name: str | None, task: str, limit: Limit | None = None) -> SessionFlow[PipelineDescription]:
        """Ask for one pipeline, once, within a limit or the predictor's deadline."""
        known = self._known.get((name, task))
        if known is None:
            known = yield from self._find(name, task, limit or self._limit())
            if known.task != task:
                raise PipelineNotFoundError(f"pipeline {known.name!r} is for {known.task}; name one for {task}")
            self._known[name, task] = known
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
        found, _ = yield from self._send("statistics", (), self._limit())
        return list(found)

    def ask(self, question: Request[Result], timeout: float | None = None) -> SessionFlow[Result]:
        """Ask a question: find the pipeline, send, send again where that is safe, read the answer.

        Args:
            question: what to ask.
            timeout: seconds that all of it may take, or None for the predictor's.
        """
        started = time.perf_counter()
        limit = self._limit(timeout)
        chosen = yield from self.pipeline(question.pipeline, question.task, limit)
        asked = time.perf_counter()
        outputs = question.outputs(chosen)
        model = chosen.network if question.direct else chosen.name
        tensors, attempts = yield from self._send("infer", (model, question.inputs, outputs), limit)
        answered = time.perf_counter()

        def timings() -> Timings:
            done = time.perf_counter()
            return Timings(
                prepare_ms=question.prepare_ms,
                request_ms=1e3 * (answered - asked),
                read_ms=1e3 * (done - answered),
                total_ms=question.prepare_ms + 1e3 * (done - started),
                attempts=attempts,
            )

        answer: Result = yield Work(lambda: question.read(chosen, tensors, timings))
        return answer

    def _limit(self, timeout: float | None = None) -> Limit:
        """Return the limit of a question that is asked now.

        Raises:
            InputError: the deadline makes no sense.
        """
        if timeout is not None:
            check_timeout(timeout)
        return Limit.of(self._timeout if timeout is None else timeout, self._clock)

    def _send(self, verb: str, arguments: tuple[Any, ...], limit: Limit) -> SessionFlow[tuple[Any, int]]:
        """Ask one server after the other until one answers; returns the answer and how often was asked."""
        attempt, server = 0, 0
        while True:
            attempt += 1
            try:
                if limit.left <= 0:
                    raise late(self.addresses[server], limit.seconds)
                with self._balance.request() as server:
                    answer = yield Call(server, verb, arguments, limit.left)
                return answer, attempt
            except SAFE:
                pause = self._balance.pause_s(attempt)
                if pause is None or pause >= limit.left:
                    raise
            except DeadlineExceeded as error:  # the last attempt had less time than all together
                raise late(self.addresses[server], limit.seconds) from error
            if pause:
                yield Pause(pause)

    def _find(self, name: str | None, task: str, limit: Limit) -> SessionFlow[PipelineDescription]:
        """Ask for the named pipeline, or for the only one with a task."""
        if name is not None:
            names, _ = yield from self._send("models", (), limit)
            if name in names:
                config, _ = yield from self._send("config", (name,), limit)
                return read_pipeline(config)
        offered = yield from self.pipelines(limit)
        fitting = [pipeline for pipeline in offered if pipeline.task == task]
        offer = ", ".join(pipeline.name for pipeline in fitting)
        if not fitting:
            raise PipelineNotFoundError(f"the server at {self.place} offers no {task} pipeline; start it with one")
        if name is not None:
            raise PipelineNotFoundError(
                f"the server at {self.place} has no pipeline {name!r}; for {task} it has: {offer}"
            )
        if len(fitting) > 1:
            raise PipelineNotFoundError(f"the server at {self.place} has several {task} pipelines: {offer}; name one")
        return fitting[0]
