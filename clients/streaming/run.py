"""Frames arrive at their own pace, a few are on their way, results leave in order.

Two ways to deal with frames that come faster than results: `queue` keeps them all and lets the source wait when the
queue is full; `drop` lets only the newest frame wait, so that a result is never older than two requests take.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.errors import InputError, ServerError, ServerUnreachable
from crosswire.clients.inputs.depth import check_units
from crosswire.clients.streaming.frames import Frame
from crosswire.clients.tasks.segmentation import Segmentation


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
        units: what one metre counts in depth files, or None for the server's default.
    """

    mode: Mode = Mode.QUEUE
    speed: float = 1.0
    window: int = 2
    waiting: int = 8
    units: float | None = None

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


@dataclass
class FrameOutcome:
    """What became of one frame.

    Attributes:
        frame: the frame.
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
            "rgb": str(self.frame.rgb),
            "depth": str(self.frame.depth),
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 2),
            "dropped": self.dropped,
            "reason": self.reason,
            "warnings": list(self.warnings),
        }


Deliver = Callable[[Frame, Segmentation], None]


async def run_stream(
    predictor: AsyncPredictor, pipeline: str, seen: Sequence[FrameOutcome], options: StreamOptions, deliver: Deliver
) -> None:
    """Play a sequence.

    Args:
        predictor: the way to the server.
        pipeline: whom to ask.
        seen: a record for every frame, in the order of time, which says what became of it as soon as that is known.
        options: how.
        deliver: gets every result, in the order of frames, one at a time, in a thread.

    Raises:
        ServerUnreachable: nobody answers any more.
        OutputError: raised by `deliver`.
    """
    play = _Play(predictor, pipeline, seen, options, deliver)
    tasks = [asyncio.create_task(play.arrive()), asyncio.create_task(play.hand_out())]
    tasks += [asyncio.create_task(play.ask()) for _ in range(options.window)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Play:
    """The state that arrival, requests and delivery share."""

    def __init__(
        self,
        predictor: AsyncPredictor,
        pipeline: str,
        seen: Sequence[FrameOutcome],
        options: StreamOptions,
        deliver: Deliver,
    ) -> None:
        self._seen = seen
        self._predictor, self._pipeline, self._options, self._deliver = predictor, pipeline, options, deliver
        self._waiting: deque[FrameOutcome] = deque()
        self._done = [asyncio.Event() for _ in seen]
        self._changed = asyncio.Condition()
        self._over = False
        self._now = asyncio.get_running_loop().time

    async def arrive(self) -> None:
        """Let every frame wait from the moment that it comes."""
        began = self._now()
        for one in self._seen:
            if self._options.speed:
                await asyncio.sleep(began + one.frame.time_s / self._options.speed - self._now())
            async with self._changed:
                if self._options.mode is Mode.DROP:
                    while self._waiting:
                        self._drop(self._waiting.popleft())
                else:
                    await self._changed.wait_for(lambda: len(self._waiting) < self._options.waiting)
                one.arrived = self._now()
                self._waiting.append(one)
                self._changed.notify_all()
        async with self._changed:
            self._over = True
            self._changed.notify_all()

    async def ask(self) -> None:
        """Ask about one waiting frame after the other."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting or self._over)
                if not self._waiting:
                    return
                one = self._waiting.popleft()
                self._changed.notify_all()
            try:
                one.result = await self._predictor.segment(
                    one.frame.rgb,
                    one.frame.depth,
                    depth_units_per_metre=self._options.units,
                    pipeline=self._pipeline,
                    overlay=False,
                    confidence=False,
                )
                one.latency_ms = 1e3 * (self._now() - one.arrived)
                one.warnings = tuple(one.result.warnings)
            except ServerUnreachable:
                raise
            except (InputError, ServerError) as error:
                one.reason = " ".join(str(error).split())
            self._done[one.frame.index].set()

    async def hand_out(self) -> None:
        """Deliver results in order."""
        for one, done in zip(self._seen, self._done, strict=True):
            await done.wait()
            if one.result is not None:
                await asyncio.to_thread(self._deliver, one.frame, one.result)
                one.result = None

    def _drop(self, one: FrameOutcome) -> None:
        one.dropped = True
        self._done[one.frame.index].set()
