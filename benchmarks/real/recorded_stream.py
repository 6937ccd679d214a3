"""What reading adds to a stream: a recording against the same frames, decoded and registered in memory beforehand.

Both are played without pace through one server of their own, in turns, so that a busy neighbour disturbs both; the
ratio is that of neighbouring turns, of time and of the processor time of client and server together. *Memory* has
colour as the recording stores it and depth in metres in the colour camera; *recorded* reads, pairs, decodes and
registers on the way. Both encode depth for the wire, send, and get labels.

Without ``--recording`` two files are written: what robots leave, JPEG of 1280x720 beside depth of 640x576 from another
camera, and raw images of 640x480 that are registered. The network is the stand-in of `benchmarks.serving`;
``--network`` takes one of the repository. Run it with ``python -m benchmarks.real.recorded_stream``; the last line is
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from benchmarks._record import keep
from benchmarks.serving import processor_seconds, stand_in
from crosswire.clients import AsyncPredictor
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.recorded.pairs import Registration
from crosswire.clients.streaming.frames import Frame, RecordedFrames
from crosswire.clients.streaming.run import StreamOptions, run_stream
from crosswire.serving.processes.embedded import EmbeddedServer

_TYPES = get_typestore(Stores.ROS2_HUMBLE)
_BEGIN_NS, _STEP_NS = 1_700_000_000_000_000_000, 33_000_000
_CONVOLUTIONS = 24


def write_recording(folder: Path, frames: int, *, registered: bool) -> Path:
    """Write a recording of ROS 2 with images of a usual size; return its folder."""
    size, far = ((640, 480), (640, 480)) if registered else ((1280, 720), (640, 576))
    noise = np.random.default_rng(11)
    blocks = noise.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    view = np.asarray(Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    down, across = np.mgrid[0 : far[1], 0 : far[0]]
    path = folder / ("registered" if registered else "two_cameras")
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        send = _Sender(writer)
        for frame, (width, height) in (("color", size), ("color" if registered else "depth", far)):
            send.info(f"/{frame}/camera_info", frame, width, height)
        if not registered:
            send.transform("color", "depth", 0.03)
        for index in range(frames):
            stamp = _BEGIN_NS + index * _STEP_NS
            colour = np.clip(np.roll(view, 5 * index, 1) + noise.integers(-8, 9, view.shape), 0, 255).astype(np.uint8)
            depth = 1800 + 600 * np.sin((across + 3 * index) / 90) + down + noise.normal(0, 3, across.shape)
            depth[noise.random(depth.shape) < 0.08] = 0
            if registered:
                send.image("/color/image_raw", stamp, "color", "rgb8", colour)
            else:
                send.jpeg("/color/image_raw/compressed", stamp, "color", colour)
            send.image("/depth/image", stamp, "color" if registered else "depth", "16UC1", depth.astype(np.uint16))
    return path


class _Sender:
    """Writes messages of ROS 2."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._topics: dict[str, Any] = {}

    def image(self, topic: str, stamp: int, frame: str, encoding: str, pixels: np.ndarray[Any, Any]) -> None:
        """Write an image."""
        rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
        size = {"height": pixels.shape[0], "width": pixels.shape[1], "step": rows.shape[1]}
        more = {"encoding": encoding, "is_bigendian": 0, "data": rows.reshape(-1)}
        self._send(topic, stamp, "sensor_msgs/msg/Image", header=_header(stamp, frame), **size, **more)

    def jpeg(self, topic: str, stamp: int, frame: str, pixels: np.ndarray[Any, Any]) -> None:
        """Write a compressed image."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=85)
        data = np.frombuffer(file.getvalue(), np.uint8)
        form = "rgb8; jpeg compressed bgr8"
        self._send(
            topic, stamp, "sensor_msgs/msg/CompressedImage", header=_header(stamp, frame), format=form, data=data
        )

    def info(self, topic: str, frame: str, width: int, height: int) -> None:
        """Write the calibration of a pinhole."""
        focal, x, y = 0.6 * width, (width - 1) / 2, (height - 1) / 2
        region = _make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        matrices = {
            "d": np.zeros(5),
            "k": np.array([focal, 0, x, 0, focal, y, 0, 0, 1]),
            "r": np.eye(3).ravel(),
            "p": np.array([focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1, 0]),
        }
        plain = {"height": height, "width": width, "distortion_model": "plumb_bob", "binning_x": 0, "binning_y": 0}
        kind = "sensor_msgs/msg/CameraInfo"
        self._send(topic, _BEGIN_NS, kind, header=_header(_BEGIN_NS, frame), **plain, **matrices, roi=region)

    def transform(self, parent: str, child: str, x: float) -> None:
        """Write how two cameras stand."""
        pose = _make(
            "geometry_msgs/msg/Transform",
            translation=_make("geometry_msgs/msg/Vector3", x=x, y=0.0, z=0.0),
            rotation=_make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )
        header = _header(_BEGIN_NS, parent)
        one = _make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=pose)
        self._send("/tf_static", _BEGIN_NS, "tf2_msgs/msg/TFMessage", transforms=[one])

    def _send(self, topic: str, stamp: int, kind: str, **values: Any) -> None:
        if topic not in self._topics:
            self._topics[topic] = self._writer.add_connection(topic, kind, typestore=_TYPES)
        self._writer.write(self._topics[topic], stamp, _TYPES.serialize_cdr(_make(kind, **values), kind))


def _make(kind: str, **values: Any) -> Any:
    return _TYPES.types[kind](**values)


def _header(stamp: int, frame: str) -> Any:
    seconds, rest = divmod(stamp, 10**9)
    time = _make("builtin_interfaces/msg/Time", sec=seconds, nanosec=rest)
    return _make("std_msgs/msg/Header", stamp=time, frame_id=frame)


def in_memory(recording: RecordedFrames, most: int) -> list[Frame]:
    """Return frames of a recording, decoded, their depth in the colour camera."""
    found = []
    for frame in islice(recording, most):
        assert frame.pair is not None
        as_it_is = Registration(None, recording.registration.fact, recording.registration.lens)
        found.append(Frame.of(replace(frame.pair, recorded=frame.pair.registered, registration=as_it_is)))
    return found


@dataclass(frozen=True)
class Turn:
    """What playing frames once took.

    Attributes:
        answered: frames.
        seconds: on the clock.
        client: processor seconds of the client.
        all: those of client and server.
    """

    answered: int
    seconds: float
    client: float
    all: float


def played(server: EmbeddedServer, pipeline: str, frames: Iterable[Frame]) -> Turn:
    """Play frames without pace."""

    async def play() -> int:
        async with AsyncPredictor(server.grpc_url) as predictor:
            await predictor.pipeline(pipeline)
            seen = await run_stream(predictor, pipeline, frames, StreamOptions(speed=0.0), lambda _: None)
            return sum(one.latency_ms is not None for one in seen)

    began, spent, both = time.perf_counter(), time.process_time(), processor_seconds(server)
    answered = asyncio.run(play())
    ended, client = time.perf_counter(), time.process_time() - spent
    return Turn(answered, ended - began, client, processor_seconds(server) - both)


def compare(server: EmbeddedServer, pipeline: str, path: Path, rounds: int, most: int) -> dict[str, Any]:
    """Play a recording and its frames from memory in turns."""
    turns: dict[str, list[Turn]] = {"memory": [], "recorded": []}
    recording = RecordedFrames(path, RecordedOptions())
    with recording:
        frames = in_memory(recording, most)
        for one in (frames, islice(recording, most)):  # what is loaded once, is loaded now
            played(server, pipeline, one)
        for turn in range(rounds):
            for name in sorted(turns, reverse=bool(turn % 2)):
                source = frames if name == "memory" else islice(recording, most)
                turns[name].append(played(server, pipeline, source))
    assert all(one.answered == len(frames) for found in turns.values() for one in found), "a frame has no answer"
    pairs = list(zip(turns["memory"], turns["recorded"], strict=True))
    ratios = [recorded.seconds / memory.seconds for memory, recorded in pairs]
    return {
        "frames": len(frames),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "cpu_ratio": round(statistics.median(recorded.all / memory.all for memory, recorded in pairs), 3),
        **{f"{name}_ms": _per_frame([one.seconds for one in found], len(frames)) for name, found in turns.items()},
        **{f"{name}_cpu_ms": _per_frame([one.all for one in found], len(frames)) for name, found in turns.items()},
        **{
            f"{name}_client_ms": _per_frame([one.client for one in found], len(frames)) for name, found in turns.items()
        },
    }


def _per_frame(seconds: list[float], frames: int) -> float:
    return round(1e3 * statistics.median(seconds) / frames, 2)


def main() -> None:
    """Measure, print a line per recording, then all as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real.recorded_stream", description=__doc__)
    parser.add_argument("--recording", type=Path, nargs="*", help="recordings to play (default: two that are written)")
    parser.add_argument("--frames", type=int, default=60, help="most frames of each (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each kind (default: %(default)s)")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--network", help="of the repository (default: a stand-in that takes about 45 ms)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network, repository = wanted.network, wanted.repository
        if network is None:
            repository = folder / "repository"
            network = stand_in(repository, _CONVOLUTIONS)
        paths = wanted.recording or [
            write_recording(folder, wanted.frames, registered=registered) for registered in (False, True)
        ]
        found = {}
        with EmbeddedServer(repository, networks=[network]) as server:
            for path in paths:
                one = compare(server, f"{network}_image", path, wanted.rounds, wanted.frames)
                found[path.name] = one
                print(
                    f"{path.name}: {one['memory_ms']:.1f} ms a frame from memory, {one['recorded_ms']:.1f} ms from the "
                    f"recording, ratio {one['ratio']:.3f}; processor time {one['memory_cpu_ms']:.1f} and "
                    f"{one['recorded_cpu_ms']:.1f} ms, ratio {one['cpu_ratio']:.3f}",
                    flush=True,
                )
    keep("recorded_stream", {"network": network, "rounds": wanted.rounds, "recordings": found})


if __name__ == "__main__":
    main()
