"""The packages that read ROS' files, imported when the first file is opened, and messages decoded with them."""

from __future__ import annotations

import importlib
import struct
from functools import cache
from typing import Any

from crosswire.media.recordings.recording import RecordingError

EXTRA = "pip install 'crosswire[recordings]'"

_LONGEST = 200
_TRANSFORMS = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")


def library(name: str, what: str) -> Any:
    """Return a module of the extra `recordings`.

    Args:
        name: of the module.
        what: is to be read, for the message: "a ROS 1 bag".

    Raises:
        RecordingError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise RecordingError(f"{what} is read with the package {package}, try {EXTRA} ({one_line(error)})") from error


def one_line(text: object) -> str:
    """Return what a damaged file says in one line of moderate length."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


@cache
def definitions(ros: int) -> Any:
    """Return the standard messages of ROS 1 or 2 as rosbags defines them: a file's own are the same or absent."""
    types = library("rosbags.typesys", "a recording of ROS")
    store = types.get_typestore(types.Stores.ROS1_NOETIC if ros == 1 else types.Stores.ROS2_HUMBLE)
    for kind in _TRANSFORMS:
        if kind not in store.fielddefs:  # rosbags knows them of ROS 2 alone
            store.register(types.get_types_from_msg("geometry_msgs/TransformStamped[] transforms", kind))
    return store


def decoded(data: bytes, kind: str, ros: int) -> Any:
    """Return a message with its fields.

    Args:
        data: as it is stored, of ROS 1 or in CDR.
        kind: its type as ROS 2 writes it: "sensor_msgs/msg/Image".
        ros: 1 or 2.

    Raises:
        RecordingError: it is damaged, or no standard message.
    """
    store = definitions(ros)
    if kind not in store.fielddefs:
        raise RecordingError(f"got a message of type {kind[:60]!r}, expected a standard one of ROS {ros}")
    try:
        return store.deserialize_ros1(data, kind) if ros == 1 else store.deserialize_cdr(data, kind)
    except Exception as error:  # damaged bytes make a decoder raise whatever it stumbles over
        raise RecordingError(f"got a damaged message of type {kind} ({one_line(error)}); copy it again") from error


def header_stamp(data: bytes, ros: int) -> int:
    """Return the time stamp of a message that begins with a header, nanoseconds, without decoding the rest.

    Raises:
        RecordingError: it is too short to hold one.
    """
    order = ">" if ros == 2 and len(data) > 1 and data[1] == 0 else "<"  # CDR says its byte order
    try:
        seconds, nanoseconds = struct.unpack_from(f"{order}II", data, 4)  # after the sequence number, or CDR's head
    except struct.error as error:
        raise RecordingError(f"got a message of {len(data)} bytes, expected a header; record it again") from error
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
