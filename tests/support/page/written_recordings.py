"""Small recordings as the formats' own libraries write them, for the page that plays them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import CompressionType, Writer
from PIL import Image
from rosbags.rosbag1 import Writer as BagWriter
from rosbags.typesys import Stores, get_typestore

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
WIDTH, HEIGHT = 64, 48
COLOUR, DEPTH = "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw"
ROS1, ROS2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_HUMBLE)
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shot:
    """A frame of a recording.

    Attributes:
        rgb: colour, uint8 [H, W, 3].
        depth: millimetres, uint16 [H, W], or metres, float32 [H, W].
        stamp_ns: when colour was taken.
        gap_ns: how much later depth was.
    """

    rgb: Array
    depth: Array
    stamp_ns: int
    gap_ns: int = 3_000_000

    @property
    def jpeg(self) -> bytes:
        """Colour as a JPEG file."""
        file = io.BytesIO()
        Image.fromarray(self.rgb).save(file, "JPEG", quality=90)
        return file.getvalue()

    @property
    def png(self) -> bytes:
        """Colour as a PNG file."""
        file = io.BytesIO()
        Image.fromarray(self.rgb).save(file, "PNG")
        return file.getvalue()

    @property
    def depth_png(self) -> bytes:
        """Depth in millimetres as a 16-bit PNG file."""
        file = io.BytesIO()
        Image.fromarray(self.depth).save(file, "PNG")
        return file.getvalue()


def shots(count: int, seed: int = 0) -> list[Shot]:
    """Return frames of coloured rectangles before a slope, all of them different, with holes in depth."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        blocks = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        rgb = np.ascontiguousarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8)))
        depth = np.linspace(900 + 60 * index, 4000, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
        depth[: 4 + index % 30, :9] = 0
        made.append(Shot(rgb, depth, START_NS + index * STEP_NS))
    return made


def in_metres(shot: Shot) -> Shot:
    """Return a frame whose depth is metres, NaN where there is none."""
    metres = shot.depth.astype(np.float32) / 1000
    metres[shot.depth == 0] = np.nan
    return replace(shot, depth=metres)


def image(store: Any, stamp_ns: int, pixels: Array, encoding: str, **changes: Any) -> Any:
    """Return a sensor_msgs/Image; `pad` bytes follow every row, `big` swaps the bytes of a number."""
    pad, big = changes.get("pad", 0), changes.get("big", False)
    stored = pixels.astype(pixels.dtype.newbyteorder(">")) if big else pixels
    rows = stored.reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=77)
    height, width = pixels.shape[:2]
    header = _header(store, stamp_ns, changes.get("frame", "camera_color_optical_frame"))
    return store.types["sensor_msgs/msg/Image"](
        header, height, width, encoding, int(big), rows.shape[1], np.ascontiguousarray(rows).ravel()
    )


def compressed(store: Any, stamp_ns: int, form: str, data: bytes, frame: str = "camera_color_optical_frame") -> Any:
    """Return a sensor_msgs/CompressedImage."""
    content = np.frombuffer(data, np.uint8)
    return store.types["sensor_msgs/msg/CompressedImage"](_header(store, stamp_ns, frame), form, content)


def _header(store: Any, stamp_ns: int, frame: str) -> Any:
    stamp = store.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    own = (0, stamp, frame) if store is ROS1 else (stamp, frame)
    return store.types["std_msgs/msg/Header"](*own)


#: Messages of one frame: topic and message, in the order in which they are written.
Messages = Sequence[tuple[str, Any]]


def raw(store: Any, shot: Shot, encoding: str = "rgb8", **changes: Any) -> Messages:
    """Return colour and depth of a frame as raw images."""
    pixels = shot.rgb[..., ::-1] if encoding == "bgr8" else shot.rgb
    kind = "16UC1" if shot.depth.dtype == np.uint16 else "32FC1"
    return (
        (COLOUR, image(store, shot.stamp_ns, np.ascontiguousarray(pixels), encoding, **changes)),
        (DEPTH, image(store, shot.stamp_ns + shot.gap_ns, shot.depth, kind, **changes)),
    )


def timed(frames: Sequence[Messages]) -> Iterator[tuple[int, str, Any]]:
    """Yield time, topic and message of frames: each is written 50 ms after it was taken."""
    for messages in frames:
        for topic, message in messages:
            stamp = message.header.stamp
            yield stamp.sec * 1_000_000_000 + stamp.nanosec + 50_000_000, topic, message


def write_mcap(path: Path, frames: Sequence[Messages], *, big_endian: bool = False, **options: Any) -> Path:
    """Write a ROS 2 recording in chunks; without `compression` as they are."""
    options = {"compression": CompressionType.NONE, "chunk_size": 40_000, **options}
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start(profile="ros2", library="test")
        channels: dict[str, int] = {}
        for time_ns, topic, message in timed(frames):
            kind = message.__msgtype__
            if topic not in channels:
                schema = writer.register_schema(kind, "ros2msg", b"")
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            data = ROS2.serialize_cdr(message, kind, little_endian=not big_endian)
            writer.add_message(channels[topic], time_ns, bytes(data), time_ns)
        writer.finish()
    return path


def write_bag(path: Path, frames: Sequence[Messages], compression: Any = None) -> Path:
    """Write a ROS 1 recording."""
    writer = BagWriter(path)
    if compression is not None:
        writer.set_compression(compression)
    writer.chunk_threshold = 40_000
    with writer:
        connections: dict[str, Any] = {}
        for time_ns, topic, message in timed(frames):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ROS1)
            writer.write(connections[topic], time_ns, ROS1.serialize_ros1(message, kind))
    return path
