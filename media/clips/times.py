"""When the frames of a clip are shown, also where its file says so badly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

#: Seconds that a time stamp may be off by rounding.
TICK = 1e-4
_USUAL_RATE, _HIGHEST_RATE = 25.0, 1000
_JUMP = 1.5
#: Gives the seconds of a frame from its number and itself, or None where it has none.
Seconds = Callable[[int, Any], "float | None"]


class TimesError(Exception):
    """Times by which no frame can be picked: missing, or not rising."""


def rising(frames: Iterable[Any], seconds: Seconds) -> Iterator[tuple[float, Any]]:
    """Yield frames with their seconds, which never fall.

    A time that is missing, or that of the frame before, may be there now and then: the frame takes the place of the one
    before. A step that is longer than those before is believed once the next frame comes later still.

    Raises:
        TimesError: times are missing, stand still too often, or fall.
    """
    last: float | None = None
    held: tuple[float, Any] | None = None
    shortest, faults = 0.0, 0
    for index, frame in enumerate(frames):
        time = seconds(index, frame)
        if last is None:
            if time is None:
                raise TimesError
            last = time
            yield time, frame
            continue
        step = 0.0 if time is None else time - last
        faults += step <= TICK
        if step < -TICK or faults > 1 + index // 20:
            raise TimesError
        last = last if time is None else max(time, last)
        if held is not None:
            yield held
        believed = step <= _JUMP * shortest
        held = None if believed else (last, frame)
        if believed:
            yield last, frame
        if step > TICK:
            shortest = min(step, shortest or step)
    if held is not None:
        yield held


def _presented(stream: Any) -> Seconds:
    """Return what tells when a frame is shown."""
    return lambda index, frame: None if frame.time is None else float(frame.time)


def _decoded(stream: Any) -> Seconds:
    """Return what tells when a frame is decoded: the first one when the stream begins."""
    start, first = _start(stream), None

    def seconds(index: int, frame: Any) -> float | None:
        nonlocal first
        if frame.dts is None:
            return None
        first = frame.dts if first is None else first
        return start + float((frame.dts - first) * frame.time_base)

    return seconds


def _counted(stream: Any) -> Seconds:
    """Return what tells when a frame is shown at the stream's rate."""
    rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    rate = next((float(rate) for rate in rates if rate and 0 < rate <= _HIGHEST_RATE), _USUAL_RATE)
    start = _start(stream)
    return lambda index, frame: start + index / rate


def _start(stream: Any) -> float:
    """Return the seconds at which a stream begins, 0 where it does not say."""
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


#: What tells the time of a stream's frames, the best first; the last one never fails.
CLOCKS: Mapping[str, Callable[[Any], Seconds]] = {"presented": _presented, "decoded": _decoded, "counted": _counted}
