"""Frames arrive at their own pace, a few are on their way, results leave in order.

Frames are read in a thread, a few ahead of their moment; of those that have come no more is kept than what became of
them, so that a sequence may be of any length. Two ways to deal with frames that come faster than results: `queue` keeps
them all and lets the source wait when the queue is full; `drop` lets only the newest frame wait, so that a result is
never older than two requests take.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.errors import CrosswireError, InputError, ServerError, ServerUnreachable
from crosswire.clients.inputs.depth import check_units
from crosswire.clients.inputs.images import Source
from crosswire.clients.recorded.ahead import ReadAhead
from crosswire.clients.streaming.frames import Frame
from crosswire.clients.tasks.segmentation import Segmentation
from crosswire.media.recordings.recording import RecordingError


class Mode(str, Enum):
    """What happens to frames that come too fast."""

    QUEUE = "queue"
    DROP = "drop"

    @classmethod
    def of(cls, name: Mode | str) -> Mode:
        """Return the mode with a name.

        Raises:
            InputError: there is none.
        """
        try:
            return cls(name)
        except ValueError as error:
            raise InputError(f"got mode {name!r}, expected {' or '.join(one.value for one in cls)}") from error


@dataclass(frozen=True)
class StreamOptions:
    """How a sequence is played.

    Attributes:
        mode: what happens to frames that come too fast.
        speed: how much faster than recorded frames arrive; 0 is as fast as they are taken, for `queue` alone.
        window: most requests in flight.
        waiting: most frames that wait in `queue` mode.
        units: what one metre counts in depth files, or None for the server's default; a recording says its own.
        paced: whether frames wait for their moment; those of a camera come at it.
    """

    mode: Mode = Mode.QUEUE
    speed: float = 1.0
    window: int = 2
    waiting: int = 8
    units: float | None = None
    paced: bool = True

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.window < 1 or self.waiting < 1:
            raise InputError(f"window is {self.window} and queue {self.waiting}; both need 1 or more")
        check_units(self.units)
        if not 0 <= self.speed < float("inf") or (self.speed == 0 and self.mode is Mode.DROP):
            raise InputError(f"speed is {self.speed:g}; send a number above 0, or 0 (no pace) with --mode queue")


@dataclass(slots=True)
class FrameOutcome:
    """What became of one frame.

    Attributes:
        frame: the frame; its images are gone when its result was delivered.
        arrived: when it came, seconds on the event loop's clock.
        latency_ms: from its arrival to its result, or None without one.
        dropped: whether a newer frame took its place.
        reason: why it has no result, or an empty text.
        warnings: what its result warns of.
        result: its result, until it was delivered.
    """

    frame: Frame
    arrived: float = 0.0
    latency_ms: float | None = None
    dropped: bool = False
    reason: str = ""
    warnings: tuple[str, ...] = ()
    result: Segmentation | None = field(default=None, repr=False)

    def figures(self) -> dict[str, Any]:
        """Return the same as plain JSON types: a line of the report."""
        return {
            "index": self.frame.index,
            "name": self.frame.name,
            "time_s": round(self.frame.time_s, 6),
            **self.frame.origin(),
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 2),
            "dropped": self.dropped,
            "reason": self.reason,
            "warnings": list(self.warnings),
        }


Deliver = Callable[[FrameOutcome], None]


async def run_stream(
    predictor: AsyncPredictor,
    pipeline: str,
    frames: Iterable[Frame],
    options: StreamOptions,
    deliver: Deliver,
    seen: list[FrameOutcome] | None = None,
) -> list[FrameOutcome]:
    """Play a sequence.

    Args:
        predictor: the way to the server.
        pipeline: whom to ask.
        frames: in the order of time; iterated once, in a thread.
        options: how.
        deliver: gets every frame with its result, in the order of frames, one at a time, in a thread.
        seen: gets a record of every frame as it comes, which says what became of it as soon as that is known; for who
            wants to know it after an end before time.

    Returns:
        The records.

    Raises:
        ServerUnreachable: nobody answers any more.
        OutputError: raised by `deliver`.
        CrosswireError: raised by the frames; those before are answered and delivered first.
    """
    seen = [] if seen is None else seen
    with ReadAhead(frames) as ahead:
        play = _Play(predictor, pipeline, ahead, options, deliver, seen)
        tasks = [asyncio.create_task(play.arrive()), asyncio.create_task(play.hand_out())]
        tasks += [asyncio.create_task(play.ask()) for _ in range(options.window)]
        try:
            await asyncio.gather(*tasks)
        finally:
            ahead.close()  # a thread that waits for a frame is let go
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    if play.broken is not None:
        raise play.broken
    return seen


@dataclass(eq=False)
class _Coming:
    """A frame on its way: its record, and whether that is complete."""

    outcome: FrameOutcome
    done: asyncio.Event = field(default_factory=asyncio.Event)


class _Play:
    """The state that arrival, requests and delivery share.

    Attributes:
        broken: why no more frames could be read, or None.
    """

    def __init__(
        self,
        predictor: AsyncPredictor,
        pipeline: str,
        frames: ReadAhead[Frame],
        options: StreamOptions,
        deliver: Deliver,
        seen: list[FrameOutcome],
    ) -> None:
        self._predictor, self._pipeline, self._options, self._deliver = predictor, pipeline, options, deliver
        self._frames, self._seen = frames, seen
        self._waiting: deque[_Coming] = deque()
        self._order: deque[_Coming] = deque()  # all that came and were not handed out
        self._results = 0  # those among them that have a result
        self._changed = asyncio.Condition()
        self._over = False
        self._now = asyncio.get_running_loop().time
        self.broken: CrosswireError | None = None

    async def arrive(self) -> None:
        """Let every frame wait from the moment that it comes."""
        began: float | None = None
        try:
            while (frame := await asyncio.to_thread(self._frames.take)) is not None:
                began = self._now() if began is None else began
                if self._options.paced and self._options.speed:
                    await asyncio.sleep(began + frame.time_s / self._options.speed - self._now())
                await self._let_wait(_Coming(FrameOutcome(frame)))
        except CrosswireError as error:
            self.broken = error
        async with self._changed:
            self._over = True
            self._changed.notify_all()

    async def _let_wait(self, one: _Coming) -> None:
        """Let a frame wait, in the place of another one or as soon as there is room."""
        async with self._changed:
            if self._options.mode is Mode.DROP:
                while self._waiting:
                    self._drop(self._waiting.popleft())
            else:
                await self._changed.wait_for(lambda: len(self._waiting) < self._options.waiting)
            one.outcome.arrived = self._now()
            self._seen.append(one.outcome)
            self._waiting.append(one)
            self._order.append(one)
            self._changed.notify_all()

    async def ask(self) -> None:
        """Ask about one waiting frame after the other, unless who gets the results falls behind."""
        most = self._options.window + self._options.waiting
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: (self._waiting and self._results < most) or (self._over and not self._waiting)
                )
                if not self._waiting:
                    return
                one = self._waiting.popleft()
                self._changed.notify_all()
            await self._answer(one.outcome)
            self._results += one.outcome.result is not None
            one.done.set()

    async def _answer(self, one: FrameOutcome) -> None:
        """Ask about one frame."""
        try:
            one.result = await self._segment(one.frame)
            one.latency_ms = 1e3 * (self._now() - one.arrived)
            one.warnings = tuple(one.result.warnings)
        except ServerUnreachable:
            raise
        except (InputError, RecordingError, ServerError) as error:
            one.reason = " ".join(str(error).split())
            one.frame = one.frame.without_images()

    async def _segment(self, frame: Frame) -> Segmentation:
        """Send a frame: its files as they are, or what its pair makes of it."""
        files: tuple[Source | None, Source | None, float | None] = frame.rgb, frame.depth, self._options.units
        if frame.pair is not None:
            sent = await asyncio.to_thread(frame.pair.sent)
            files = sent.rgb, sent.depth, sent.units_per_metre
        rgb, depth, units = files
        return await self._predictor.segment(
            rgb, depth, depth_units_per_metre=units, pipeline=self._pipeline, overlay=False, confidence=False
        )

    async def hand_out(self) -> None:
        """Deliver results in order."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._order or self._over)
                if not self._order:
                    return
                one = self._order.popleft()
            await one.done.wait()
            outcome = one.outcome
            if outcome.result is not None:
                await asyncio.to_thread(self._deliver, outcome)
                outcome.result, outcome.frame = None, outcome.frame.without_images()
                async with self._changed:
                    self._results -= 1
                    self._changed.notify_all()

    def _drop(self, one: _Coming) -> None:
        one.outcome.dropped, one.outcome.frame = True, one.outcome.frame.without_images()
        one.done.set()
