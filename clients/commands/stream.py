"""`stream`: recorded or live RGB-D frames as a camera gives them, with an overlay video and every frame's latency."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from crosswire.clients.commands.options import (
    add_recorded_options,
    add_recording_options,
    add_server_options,
    call_options,
    recorded_options,
    recording_arguments,
)
from crosswire.clients.streaming.frames import FrameSource
from crosswire.clients.streaming.play import StreamOutcome, stream
from crosswire.clients.streaming.run import Mode
from crosswire.contract.command_line import Commands


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "stream",
        help="play an RGB-D sequence through a pipeline",
        description="Play a recording, or a folder of images, at its own pace; report every latency.",
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        help="recording of an RGB-D sensor, see docs/recordings.md, or a folder with rgb.txt and depth.txt, or with "
        "rgb/ and depth/",
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
    add_recorded_options(parser)
    add_server_options(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Play the sequence; return 0, or 1 if a frame failed. What was seen until an end before time is told, too."""
    outcome = stream(
        options.source,
        options.url,
        pipeline=options.pipeline,
        video=options.video,
        report=options.report,
        mode=options.mode,
        speed=options.speed,
        window=options.window,
        queue=options.queue,
        recorded=recorded_options(options),
        at_start=_begin,
        at_end=_tell,
        **recording_arguments(options),
        **call_options(options),
    )
    return 1 if outcome.failed else 0


def _begin(source: FrameSource) -> None:
    """Print what is known of the frames before the first one."""
    if source.facts:
        print(*source.facts, sep="\n", flush=True)


def _tell(outcome: StreamOutcome) -> None:
    """Print what became of the frames that came: words, then one line of JSON."""
    print(outcome.as_text())
    print(json.dumps(outcome.figures()), flush=True)
