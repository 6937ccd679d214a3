"""`stream`: recorded or live RGB-D frames as a camera gives them, with an overlay video and every frame's latency.

`stream` blocks until the end; an event loop calls it as `asyncio.to_thread(stream, ...)`, or uses `run.run_stream`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder, write_json_lines
from crosswire.clients.inputs.recordings import AUTO, LONGEST_GAP_S, Pairing
from crosswire.clients.inputs.units import units_of
from crosswire.clients.own_server import REPOSITORY, server_at
from crosswire.clients.pipelines import check_takes_files
from crosswire.clients.recorded.open import (
    RecordedOptions,
    check_no_shift,
    check_takes_recordings,
    is_recorded,
    recordings_below,
    travels,
)
from crosswire.clients.session import check_inputs
from crosswire.clients.streaming.frames import FolderFrames, Frame, FrameSource, RecordedFrames, read_sequence
from crosswire.clients.streaming.outputs.choose import Outputs
from crosswire.clients.streaming.outputs.frame import StreamFacts
from crosswire.clients.streaming.outputs.receive import receiver
from crosswire.clients.streaming.run import Deliver, FrameOutcome, Mode, StreamOptions, run_stream
from crosswire.clients.sync_client import TIMEOUT_S, Predictor
from crosswire.clients.tasks.segmentation import Segmentation
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CAMERA

_FEWEST_FOR_P95 = 20


@dataclass(frozen=True)
class StreamOutcome:
    """What became of a stream, as far as it was played.

    Attributes:
        mode: what happened to frames that came too fast.
        frames: those that came, in the order of time.
        unmatched: images of the recording without a partner; they were left out.
        notes: what was recognised about the recording, for the user to know.
        facts: what was known of the recording before its first frame; nothing of a folder of images.
    """

    mode: Mode
    frames: tuple[FrameOutcome, ...]
    unmatched: int
    notes: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """How many frames have no result because they were refused or the server broke on them."""
        return sum(bool(one.reason) for one in self.frames)

    @property
    def warnings(self) -> dict[str, int]:
        """How many results warn of what, by the name of the warning."""
        return dict(Counter(text.partition(":")[0] for one in self.frames for text in one.warnings))

    def figures(self) -> dict[str, Any]:
        """Return counts and latencies as plain JSON types."""
        times = sorted(one.latency_ms for one in self.frames if one.latency_ms is not None)
        ends = [one.arrived + one.latency_ms / 1e3 for one in self.frames if one.latency_ms is not None]
        seconds = max(ends) - min(one.arrived for one in self.frames if one.arrived) if ends else 0.0
        return {
            "stream": self.mode.value,
            "frames": len(self.frames),
            "answered": len(times),
            "dropped": sum(one.dropped for one in self.frames),
            "failed": self.failed,
            "unmatched": self.unmatched,
            "notes": list(self.notes),
            **({"facts": list(self.facts)} if self.facts else {}),
            "warnings": self.warnings,
            "per_second": round(len(times) / seconds, 2) if seconds else 0.0,
            "latency_ms": _latencies(times) if times else None,
        }

    def as_text(self) -> str:
        """Return the figures in words, and the first reasons of failures."""
        figures = self.figures()
        times = figures["latency_ms"]
        lines = [
            f"{figures['frames']} frames: {figures['answered']} answered, {figures['dropped']} dropped, "
            f"{figures['failed']} failed; {figures['unmatched']} images had no partner"
        ]
        if times:
            p95 = "" if times["p95"] is None else f", 95 % within {times['p95']:.0f} ms"
            lines.append(
                f"latency: median {times['median']:.0f} ms{p95}, longest {times['max']:.0f} ms; "
                f"{figures['per_second']:.1f} frames a second"
            )
        lines += self.notes
        first = {text.partition(":")[0]: text for one in reversed(self.frames) for text in one.warnings}
        for name, count in self.warnings.items():
            lines.append(f"warning in {count} of {figures['answered']} results: {first[name]}")
        lines += [f"{one.frame.name}: {one.reason}" for one in self.frames if one.reason][:10]
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> dict[str, Path]:
        """Write one line of JSON per frame, whole or not at all; returns the file as `report`.

        Raises:
            OutputError: it cannot be written.
        """
        return {"report": write_json_lines(Path(path), (one.figures() for one in self.frames))}


def stream(
    source: str | os.PathLike[str],
    url: str | Sequence[str] | None = None,
    *,
    pipeline: str | None = None,
    deliver: Callable[[Frame, Segmentation], None] | None = None,
    video: str | os.PathLike[str] | None = None,
    outputs: Outputs | None = None,
    report: str | os.PathLike[str] | None = None,
    mode: Mode | str = Mode.QUEUE,
    speed: float = 1.0,
    window: int = 2,
    queue: int = 8,
    depth_units_per_metre: float | None = None,
    longest_gap_s: float = LONGEST_GAP_S,
    offset: float | str = 0.0,
    stamp_unit: str = AUTO,
    recorded: RecordedOptions | None = None,
    at_start: Callable[[FrameSource], None] | None = None,
    at_end: Callable[[StreamOutcome], None] | None = None,
    timeout: float = TIMEOUT_S,
    api_key: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    repository: str | os.PathLike[str] = REPOSITORY,
) -> StreamOutcome:
    """Play a recorded sequence through a segmentation pipeline at its own pace; the command `crosswire stream`.

    Example:
        >>> outcome = stream("desk.mcap", "grpc://127.0.0.1:8001", deliver=lambda frame, result: print(result.shares))
        >>> outcome.figures()["latency_ms"]["median"]
        41.7

    Args:
        source: a recording of `open_recording`, a folder in TUM's layout or with `rgb/` and `depth/`, or a camera.
        url: one address or several, see `Predictor`; None starts a server for this call.
        pipeline: whom to ask, or None for the only one of the server.
        deliver: gets every result, in the order of frames, one at a time, in a thread.
        video: file to write the overlays to: `.mp4`, `.mkv`, `.mov` or `.m4v`; needs the extra `video`.
        outputs: further files that results are written to.
        report: file to write one line of JSON per frame to.
        mode: of frames that come too fast `"queue"` lets all wait, `"drop"` only the newest, as always of a camera.
        speed: times the recorded pace; 0 is as fast as frames are taken, with `"queue"` alone.
        window: most requests in flight.
        queue: most frames that wait.
        depth_units_per_metre: what one metre counts in depth images; None: see `crosswire.clients.inputs.units`.
        longest_gap_s: how far the time stamps of a pair may lie apart, seconds.
        offset: seconds that are added to the stamps of depth in a folder, or `"auto"` for those that pair best.
        stamp_unit: what its stamps count: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"` for what they look like.
        recorded: the camera of depth that is not registered; of a recording, topics and whether depth is moved, too.
        at_start: is told what is known of the frames before the first one.
        at_end: is told what became of the frames so far when the stream ends, before time, too.
        timeout: seconds that one frame may take, all attempts together.
        api_key: see `Predictor`.
        ca: see `Predictor`.
        repository: without `url`, the exported networks to serve.

    Raises:
        InputError: the source holds no pairs, a number makes no sense, or an output needs what is not there.
        OutputError: an output or the report cannot be written.
        RecordingError: a recording cannot be read, or is damaged: what comes before is answered, written and told.
        ServerError: the server cannot be asked, or nobody answers any more.
    """
    reading = (recorded or RecordedOptions()).given(depth_units_per_metre, longest_gap_s)
    asked = _Asked(os.fspath(source), Pairing(longest_gap_s, offset, stamp_unit), reading)
    files = _chosen(outputs or Outputs(), video, Path(source), _path(report))
    options = StreamOptions(Mode.of(mode), speed, window, queue, depth_units_per_metre, confidence=files.confident)
    sinks = _Sinks(deliver, files, _path(report), at_start, at_end)
    access: dict[str, Any] = {"timeout": timeout, "api_key": api_key, "ca": ca}
    with server_at(url, repository) as place, _opened(asked, place, pipeline, options, access) as opened:
        return _played(*opened, asked.source, place, sinks, access)


@dataclass(frozen=True)
class _Asked:
    """Which frames are asked for; see `stream`."""

    source: str
    pairing: Pairing
    recorded: RecordedOptions


@contextlib.contextmanager
def _opened(
    asked: _Asked, place: str, pipeline: str | None, options: StreamOptions, access: dict[str, Any]
) -> Iterator[tuple[FrameSource, PipelineDescription, StreamOptions]]:
    """Find the pipeline and open the frames; yields them, the pipeline, and how they are played."""
    with Predictor(place, **access) as once:
        description = once.named_pipeline(pipeline)
    check_takes_files(description)
    path = Path(asked.source)
    found = None if is_recorded(path) and not path.is_dir() else _in_folder(path, description, asked)
    if found is None:
        check_no_shift(path, asked.pairing)
        check_takes_recordings(path, description)
        recorded = RecordedFrames(asked.source, asked.recorded, compress=travels(place))
        with recorded:
            mode = Mode.DROP if recorded.live else options.mode  # what waits grows old unseen
            yield recorded, description, replace(options, paced=not recorded.live, mode=mode)
        return
    asked.recorded.check_unused(path)
    camera = asked.recorded.camera
    if camera is not None and not camera.registered:
        check_inputs(description, (CAMERA,))
    unit = units_of(options.units, found.units_per_metre, path)
    yield (
        replace(found, notes=(unit.note(description), *found.notes), lens=None if camera is None else camera.colour),
        description,
        replace(options, units=unit.sent, camera=None if camera is None or camera.registered else camera),
    )


def _chosen(outputs: Outputs, video: str | os.PathLike[str] | None, source: Path, report: Path | None) -> Outputs:
    """Return the files that are written, none of them one that is read or written twice."""
    chosen = outputs if video is None else replace(outputs, video=Path(video))
    chosen.check_others(source, report)
    return chosen


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _in_folder(path: Path, pipeline: PipelineDescription, asked: _Asked) -> FolderFrames | None:
    """Return the frames of a folder of images, or None where it is a recording of another layout.

    Raises:
        InputError: it is neither, or holds several recordings.
    """
    try:
        return read_sequence(path, pipeline, asked.pairing)
    except InputError as error:
        if not path.is_dir():
            raise
        if is_recorded(path):
            return None
        if below := recordings_below(path):
            several = f"{path} holds {len(below)} recordings ({below[0]}); name one of them, or label all with `batch`"
            raise InputError(several) from error
        raise


@dataclass(frozen=True)
class _Sinks:
    """Where the results of a stream go; see `stream`."""

    deliver: Callable[[Frame, Segmentation], None] | None
    outputs: Outputs
    report: Path | None
    at_start: Callable[[FrameSource], None] | None
    at_end: Callable[[StreamOutcome], None] | None


def _played(
    source: FrameSource,
    pipeline: PipelineDescription,
    options: StreamOptions,
    asked: str,
    url: str,
    sinks: _Sinks,
    access: dict[str, Any],
) -> StreamOutcome:
    """Play frames; what came is told, and written, before time, too."""
    if sinks.at_start is not None:
        sinks.at_start(source)
    receivers = [] if sinks.deliver is None else [_to_caller(sinks.deliver)]
    seen: list[FrameOutcome] = []
    with contextlib.ExitStack() as stack:
        if sinks.report is not None:
            prepare_folder(sinks.report.parent)
        writer = stack.enter_context(sinks.outputs.open(StreamFacts(source.lens, source.rate, asked)))
        receivers.append(receiver(writer, pipeline, options.units, depth=sinks.outputs.metric, camera=options.camera))
        try:
            asyncio.run(_play(url, access, pipeline.name, source, options, receivers, seen))
        finally:
            outcome = StreamOutcome(options.mode, tuple(seen), source.unmatched, source.notes, source.facts)
            if sinks.at_end is not None:
                sinks.at_end(outcome)
            if sinks.report is not None:
                outcome.save(sinks.report)
    return outcome


async def _play(
    url: str,
    access: dict[str, Any],
    pipeline: str,
    source: FrameSource,
    options: StreamOptions,
    receivers: Sequence[Deliver],
    seen: list[FrameOutcome],
) -> None:
    """Play frames, and hand every result to all receivers."""

    def deliver(outcome: FrameOutcome) -> None:
        for receive in receivers:
            receive(outcome)

    async with AsyncPredictor(url, **access) as predictor:
        await predictor.pipeline(pipeline)
        await run_stream(predictor, pipeline, source, options, deliver, seen)


def _to_caller(deliver: Callable[[Frame, Segmentation], None]) -> Deliver:
    def receive(outcome: FrameOutcome) -> None:
        assert outcome.result is not None
        deliver(outcome.frame, outcome.result)

    return receive


def _latencies(times: Sequence[float]) -> dict[str, float | None]:
    """Return median, 95th percentile and largest of sorted milliseconds; a percentile needs enough of them."""
    p95 = times[min(len(times) - 1, int(0.95 * len(times)))] if len(times) >= _FEWEST_FOR_P95 else None
    return {
        "median": round(statistics.median(times), 2),
        "p95": None if p95 is None else round(p95, 2),
        "max": round(times[-1], 2),
    }
