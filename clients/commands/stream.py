"""`stream`: a recorded RGB-D sequence as if it came from a camera, with an overlay video and every frame's latency."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.commands.connection import access_of, add_server_options, add_timeout_option, connect, server_of
from crosswire.clients.commands.recorded import add_recording_options
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.stream.frames import Frame, Recording, read_sequence
from crosswire.clients.stream.run import Deliver, Mode, Seen, StreamOptions, run_stream
from crosswire.clients.stream.video import VideoWriter, check_video
from crosswire.clients.tasks.segmentation import Segmentation


def add_to(commands: Any) -> None:
    """Declare the command.

    Args:
        commands: the collection that `ArgumentParser.add_subparsers` returns.
    """
    parser = commands.add_parser(
        "stream",
        help="play an RGB-D sequence through a pipeline",
        description="Play a sequence (TUM layout, or rgb/ and depth/) at its own pace; report every latency.",
    )
    parser.add_argument(
        "source", type=Path, metavar="SRC", help="folder with rgb.txt and depth.txt, or with rgb/ and depth/"
    )
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one of the server)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="write the overlays as a video, for example out.mp4")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one JSON line per frame")
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        default=Mode.QUEUE.value,
        help="frames that come too fast: all wait, or only the newest does (default: %(default)s)",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="times the recorded pace; 0 without pace (default: 1)")
    parser.add_argument("--window", type=int, default=2, metavar="N", help="most requests in flight (default: 2)")
    parser.add_argument("--queue", type=int, default=8, metavar="N", help="most frames that wait (default: 8)")
    add_recording_options(parser)
    add_server_options(parser)
    add_timeout_option(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Play the sequence; return 0, or 1 if a frame failed. What was seen until an end before time is told, too."""
    if options.video:
        check_video(options.video)
    with server_of(options) as url:
        with connect(options, url) as asking:
            pipeline = asking.named_pipeline(options.pipeline)
        recording = read_sequence(options.source, pipeline, options.longest_gap / 1e3)
        units = options.depth_units_per_metre
        wanted = StreamOptions(
            Mode(options.mode),
            options.speed,
            options.window,
            options.queue,
            recording.units_per_metre if units is None else units,
        )
        seen = [Seen(frame) for frame in recording.frames]
        with contextlib.ExitStack() as stack:
            if options.report:
                prepare_folder(options.report.parent)
            deliver: Deliver = _nothing
            if options.video:
                prepare_folder(options.video.parent)
                deliver = _to_video(stack.enter_context(VideoWriter(options.video, recording.rate)))
            try:
                asyncio.run(_play(url, options, pipeline.name, seen, wanted, deliver))
            finally:
                figures = _tell([one for one in seen if one.arrived or one.dropped], recording, wanted, options.report)
    return 1 if figures["failed"] else 0


def _tell(seen: Sequence[Seen], recording: Recording, options: StreamOptions, report: Path | None) -> dict[str, Any]:
    """Print and write what became of the frames that came; return the figures."""
    figures = summary(seen, recording, options)
    print(as_text(figures, seen))
    print(json.dumps(figures), flush=True)
    if report:
        write_whole(report, "".join(json.dumps(as_line(one)) + "\n" for one in seen).encode())
    return figures


async def _play(
    url: str,
    options: argparse.Namespace,
    pipeline: str,
    seen: Sequence[Seen],
    wanted: StreamOptions,
    deliver: Deliver,
) -> None:
    async with AsyncPredictor(url, timeout=options.timeout, **access_of(options)) as predictor:
        await predictor.pipeline(pipeline)
        await run_stream(predictor, pipeline, seen, wanted, deliver)


def _nothing(frame: Frame, result: Segmentation) -> None:
    """Keep nothing."""


def _to_video(video: VideoWriter) -> Deliver:
    def deliver(frame: Frame, result: Segmentation) -> None:
        video.add(result.overlay(), frame.time_s)

    return deliver


def as_line(one: Seen) -> dict[str, Any]:
    """Return what became of a frame."""
    return {
        "index": one.frame.index,
        "name": one.frame.name,
        "time_s": round(one.frame.time_s, 6),
        "rgb": str(one.frame.rgb),
        "depth": str(one.frame.depth),
        "latency_ms": None if one.latency_ms is None else round(one.latency_ms, 2),
        "dropped": one.dropped,
        "reason": one.reason,
        "warnings": list(one.warnings),
    }


def summary(seen: Sequence[Seen], recording: Recording, options: StreamOptions) -> dict[str, Any]:
    """Return the figures of a run."""
    times = sorted(one.latency_ms for one in seen if one.latency_ms is not None)
    ends = [one.arrived + one.latency_ms / 1e3 for one in seen if one.latency_ms is not None]
    seconds = max(ends) - min(one.arrived for one in seen if one.arrived) if ends else 0.0
    return {
        "stream": options.mode.value,
        "frames": len(seen),
        "answered": len(times),
        "dropped": sum(one.dropped for one in seen),
        "failed": sum(bool(one.reason) for one in seen),
        "unmatched": recording.unmatched,
        "warnings": dict(Counter(text.partition(":")[0] for one in seen for text in one.warnings)),
        "per_second": round(len(times) / seconds, 2) if seconds else 0.0,
        "latency_ms": {
            "median": round(statistics.median(times), 2),
            "p95": round(times[min(len(times) - 1, int(0.95 * len(times)))], 2) if len(times) >= 20 else None,
            "max": round(times[-1], 2),
        }
        if times
        else None,
    }


def as_text(figures: dict[str, Any], seen: Sequence[Seen]) -> str:
    """Return the figures in words, and the first reasons of failures."""
    times = figures["latency_ms"]
    lines = [
        f"{figures['frames']} frames: {figures['answered']} answered, {figures['dropped']} dropped, "
        f"{figures['failed']} failed; {figures['unmatched']} pictures had no partner"
    ]
    if times:
        p95 = "" if times["p95"] is None else f", 95 % within {times['p95']:.0f} ms"
        lines.append(
            f"latency: median {times['median']:.0f} ms{p95}, longest {times['max']:.0f} ms; "
            f"{figures['per_second']:.1f} frames a second"
        )
    first = {text.partition(":")[0]: text for one in reversed(seen) for text in one.warnings}
    for name, count in figures["warnings"].items():
        lines.append(f"warning in {count} of {figures['answered']} answers: {first[name]}")
    lines += [f"{one.frame.name}: {one.reason}" for one in seen if one.reason][:10]
    return "\n".join(lines)
