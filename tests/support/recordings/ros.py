"""Recordings of ROS made of given images, by the writers of rosbags and of mcap."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from numpy.typing import NDArray
from PIL import Image
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

Array = NDArray[Any]
STORES = {1: get_typestore(Stores.ROS1_NOETIC), 2: get_typestore(Stores.ROS2_HUMBLE)}
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO, TF = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
STORES[1].register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", TF))
#: 0 no reading, 65535 no reading, and distances in millimetres.
DEPTH_MM = np.array([[0, 500, 1000, 1500], [2000, 65535, 3000, 3500], [4000, 4500, 5000, 5500]], np.uint16)
RGB = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3) * 7
METRES = np.where(DEPTH_MM == 65535, 0, DEPTH_MM).astype(np.float32) / 1000
START = 1_700_000_000_000_000_000
STEP = 33_000_000


@dataclass
class Ros:
    """Messages of ROS 1 or 2, in the order in which they are recorded.

    Attributes:
        version: 1 or 2.
        rows: topic, type, time of recording, and the message.
    """

    version: int
    rows: list[tuple[str, str, int, Any]] = field(default_factory=list)

    def make(self, kind: str, **values: Any) -> Any:
        """Return a message."""
        return STORES[self.version].types[kind](**values)

    def header(self, stamp: int, frame: str) -> Any:
        """Return a header."""
        time = self.make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
        first = {"seq": 0} if self.version == 1 else {}
        return self.make("std_msgs/msg/Header", **first, stamp=time, frame_id=frame)

    def add(self, topic: str, kind: str, log: int, message: Any) -> None:
        """Record a message."""
        self.rows.append((topic, kind, log, message))

    def image(
        self,
        topic: str,
        stamp: int,
        pixels: Array,
        encoding: str,
        frame: str = "camera",
        big: bool = False,
        pad: int = 0,
        late: int = 1000,
    ) -> None:
        """Record an image, in either byte order, with bytes after each row."""
        height, width = pixels.shape[:2]
        stored = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")))
        rows = stored.view(np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=171)
        values = {"height": height, "width": width, "encoding": encoding, "is_bigendian": int(big)}
        message = self.make(
            IMAGE, header=self.header(stamp, frame), **values, step=rows.shape[1], data=rows.reshape(-1).copy()
        )
        self.add(topic, IMAGE, stamp + late, message)

    def compressed(self, topic: str, stamp: int, data: bytes, form: str, frame: str = "camera") -> None:
        """Record a compressed image."""
        pixels = np.frombuffer(data, np.uint8)
        message = self.make(COMPRESSED, header=self.header(stamp, frame), format=form, data=pixels)
        self.add(topic, COMPRESSED, stamp + 1000, message)

    def info(self, topic: str, frame: str = "camera", log: int = START, **values: Any) -> None:
        """Record a `CameraInfo`; unnamed fields are those of a pinhole of 4 x 3."""
        roi = values.pop("roi", (0, 0, 0, 0))
        region = dict(zip(("x_offset", "y_offset", "height", "width"), roi, strict=True))
        fields = {
            "height": 3,
            "width": 4,
            "distortion_model": "plumb_bob",
            "d": [0.0] * 5,
            "k": [5.0, 0, 1.5, 0, 6.0, 1.0, 0, 0, 1],
            "r": np.eye(3).ravel(),
            "p": [7.0, 0, 1.25, 0, 0, 8.0, 0.75, 0, 0, 0, 1, 0],
            "binning_x": 0,
            "binning_y": 0,
            **values,
        }
        for name in "dkrp":
            numbers = np.array(fields.pop(name), np.float64)
            fields[name.upper() if self.version == 1 else name] = numbers
        window = self.make("sensor_msgs/msg/RegionOfInterest", **region, do_rectify=False)
        self.add(topic, INFO, log, self.make(INFO, header=self.header(log, frame), **fields, roi=window))

    def transform(
        self, parent: str, child: str, shift: Sequence[float], turn: Sequence[float], topic: str = "/tf_static"
    ) -> None:
        """Record a transform: the pose of a child in its parent, its quaternion as x, y, z, w."""
        pose = self.make(
            "geometry_msgs/msg/Transform",
            translation=self.make("geometry_msgs/msg/Vector3", **dict(zip("xyz", shift, strict=True))),
            rotation=self.make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", turn, strict=True))),
        )
        one = self.make(
            "geometry_msgs/msg/TransformStamped",
            header=self.header(START, parent),
            child_frame_id=child,
            transform=pose,
        )
        self.add(topic, TF, START, self.make(TF, transforms=[one]))

    def pairs(self, count: int = 3, colour: str = "/camera/color/image_raw", depth: str = "/camera/depth/image") -> Ros:
        """Record pairs of images: depth grows by 10 mm each time."""
        for number in range(count):
            stamp = START + number * STEP
            self.image(colour, stamp, RGB, "rgb8", "color")
            self.image(depth, stamp + 2_000_000, DEPTH_MM + np.uint16(10 * number), "16UC1", "depth")
        return self

    def raw(self, kind: str, message: Any) -> bytes:
        """Return a message as it is stored."""
        store = STORES[self.version]
        return bytes(store.serialize_ros1(message, kind) if self.version == 1 else store.serialize_cdr(message, kind))

    def write(self, path: Path, **options: Any) -> Path:
        """Write the messages where and as the path says: .bag, .mcap, .db3 or a folder; return the path."""
        if path.suffix == ".bag":
            _write_bag(path, self, **options)
        elif path.suffix == ".mcap":
            _write_mcap(path, self, **options)
        elif path.suffix == ".db3":
            _write_folder(path.parent / "whole", self)
            (path.parent / "whole" / "whole.db3").rename(path)
        else:
            _write_folder(path, self, **options)
        return path


def _write_bag(path: Path, ros: Ros, compression: str = "none", chunk: int = 2000) -> None:
    """Write a ROS 1 bag, with small chunks."""
    writer = rosbag1.Writer(path)
    if compression != "none":
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression.upper()])
    writer.chunk_threshold = chunk
    with writer:
        known: dict[str, Any] = {}
        for topic, kind, log, message in ros.rows:
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=STORES[1])
            writer.write(known[topic], log, ros.raw(kind, message))


def _write_folder(path: Path, ros: Ros, storage: str = "SQLITE3", mode: str = "NONE") -> None:
    """Write a ROS 2 bag."""
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage])
    if mode != "NONE":
        writer.set_compression(rosbag2.CompressionMode[mode], rosbag2.CompressionFormat.ZSTD)
    with writer:
        known: dict[str, Any] = {}
        for topic, kind, log, message in ros.rows:
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=STORES[2])
            writer.write(known[topic], log, ros.raw(kind, message))


def _write_mcap(path: Path, ros: Ros, profile: str = "ros2", compression: str = "zstd", **options: Any) -> None:
    """Write an MCAP file with the package of MCAP."""
    options = {"chunk_size": 500, **options}
    encoding = "ros1" if ros.version == 1 else "cdr"
    with path.open("wb") as file:
        writer = McapWriter(file, compression=CompressionType[compression.upper()], **options)
        writer.start(profile=profile, library="tests")
        known: dict[str, int] = {}
        for topic, kind, log, message in ros.rows:
            if topic not in known:
                text = STORES[ros.version].generate_msgdef(kind, ros_version=ros.version)[0].encode()
                name = kind.replace("/msg/", "/") if ros.version == 1 else kind
                schema = writer.register_schema(name, f"ros{ros.version}msg", text)
                known[topic] = writer.register_channel(topic, encoding, schema)
            writer.add_message(known[topic], log, ros.raw(kind, message), log)
        writer.finish()


def png16(pixels: Array) -> bytes:
    """Return a PNG of 16 bits."""
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def jpeg(pixels: Array) -> bytes:
    """Return a JPEG of one colour image."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def compressed_depth(body: bytes, a: float = 0.0, b: float = 0.0) -> bytes:
    """Return what the transport `compressedDepth` sends: its header and an image."""
    return struct.pack("<iff", 0, a, b) + body


def rvl(pixels: Array) -> bytes:
    """Return width, height and pixels in RVL: runs of zeros and of others, numbers of 3 bits per nibble."""
    nibbles: list[int] = []

    def put(value: int) -> None:
        while True:
            nibble, value = value & 7, value >> 3
            nibbles.append(nibble | (8 if value else 0))
            if not value:
                return

    flat = [int(one) for one in pixels.ravel()]
    place = previous = 0
    while place < len(flat):
        zeros = _run(flat[place:], False)
        others = _run(flat[place + zeros :], True)
        put(zeros)
        put(others)
        for one in flat[place + zeros : place + zeros + others]:
            delta = one - previous
            put((delta << 1) ^ (delta >> 31))
            previous = one
        place += zeros + others
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{one:x}" for one in nibbles[at : at + 8]), 16) for at in range(0, len(nibbles), 8)]
    return struct.pack(f"<ii{len(words)}I", pixels.shape[1], pixels.shape[0], *words)


def _run(values: Iterable[int], filled: bool) -> int:
    """Return how many values from the first on are 0, or are not."""
    count = 0
    for one in values:
        if bool(one) != filled:
            break
        count += 1
    return count
