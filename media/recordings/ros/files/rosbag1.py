"""ROS 1 bags: by their index through rosbags, or record after record where they were cut before it.

Records and chunks: https://wiki.ros.org/Bags/Format/2.0.
"""

from __future__ import annotations

import bz2
import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.files.messages import Message, MessageFile, Topic, checked, damaged, ros2_name
from crosswire.media.recordings.ros.files.packages import library, one_line

NAME = "ROS 1 bag"
MAGIC = b"#ROSBAG V2.0\n"
_LARGEST_CHUNK = 1 << 30  # bytes
_MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7


class IndexedBag(MessageFile):
    """A bag with its index."""

    name = NAME

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            Exception: whatever rosbags raises for a bag without a whole index.
        """
        self._path = path
        self._reader = library("rosbags.rosbag1", f"{path}, a {NAME},").Reader(path)
        self._reader.open()
        counts: dict[str, Topic] = {}
        for one in self._reader.connections:
            known = counts.get(one.topic, Topic(one.topic, one.msgtype, 0))
            counts[one.topic] = replace(known, count=(known.count or 0) + one.msgcount)
        self.topics = tuple(counts.values())

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        if not wanted:
            return
        try:
            for connection, log_ns, data in self._reader.messages(wanted):
                yield Message(connection.topic, connection.msgtype, log_ns, data, 1)
        except Exception as error:  # a damaged chunk makes a decompressor raise whatever it stumbles over
            raise damaged(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        if self._reader.bio is not None:
            self._reader.close()


class CutBag(MessageFile):
    """A bag without an index: recording ended before it was written, or the file was cut."""

    name = NAME
    note = "the bag has no index, as recording or copying was cut; it is read up to there"

    def __init__(self, path: Path) -> None:
        """Look through the file for its topics and the first message of each."""
        self._path = path
        self._first: dict[str, Message] = {}
        counts: dict[str, Topic] = {}
        try:
            for one in self._messages():
                self._first.setdefault(one.topic, one)
                known = counts.get(one.topic, Topic(one.topic, one.kind, 0))
                counts[one.topic] = replace(known, count=(known.count or 0) + 1)
        except RecordingError:
            pass  # said when frames are read
        self.topics = tuple(counts.values())

    def first(self, topic: str) -> Message | None:
        """Return the first message of a topic, or None."""
        return self._first.get(topic)

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics, in the order of the file."""
        return (one for one in self._messages() if one.topic in topics)

    def _messages(self) -> Iterator[Message]:
        """Yield all messages; those of a chunk in the order of time."""
        known: dict[int, tuple[str, str]] = {}
        try:
            for operation, header, body in _records(self._path):
                if operation == _CHUNK:
                    inner = _within(_decompressed(header, body))
                    yield from sorted(_of(inner, known), key=lambda one: one.log_ns)
                else:
                    yield from _of(iter([(operation, header, body)]), known)
        except RecordingError:
            raise
        except Exception as error:
            raise damaged(self._path, error) from error


Record = tuple[int, dict[bytes, bytes], bytes]


def _of(records: Iterator[Record], known: dict[int, tuple[str, str]]) -> Iterator[Message]:
    """Yield the messages among records; connections are remembered."""
    for operation, header, body in records:
        if operation == _CONNECTION:
            kind = ros2_name(_fields(body)[b"type"].decode())
            known[_number(header[b"conn"])] = (header[b"topic"].decode(), kind)
        elif operation == _MESSAGE:
            seconds, nanoseconds = struct.unpack("<II", header[b"time"])
            yield Message(*known[_number(header[b"conn"])], seconds * 1_000_000_000 + nanoseconds, body, 1)


def _records(path: Path) -> Iterator[Record]:
    """Yield the records of a bag.

    Raises:
        RecordingError: the file ends within one.
    """
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        while head := file.read(4):
            length = struct.unpack("<I", head)[0] if len(head) == 4 else -1
            header = file.read(max(0, length))
            size = file.read(4)
            body = file.read(struct.unpack("<I", size)[0]) if len(size) == 4 else b""
            whole = len(header) == length and len(size) == 4 and len(body) == struct.unpack("<I", size)[0]
            fields = _fields(header) if len(header) == length else {}
            operation = fields.get(b"op", b"\0")[0]
            if whole or (operation == _CHUNK and fields.get(b"compression") == b"none"):
                yield operation, fields, body
            if not whole:
                raise damaged(path, ValueError(f"it ends at byte {file.tell()} within a record"))


def _within(data: bytes) -> Iterator[Record]:
    """Yield the records of a chunk, as many as are whole."""
    place = 0
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place)
        header = data[place + 4 : place + 4 + length]
        place += 4 + length
        if place + 4 > len(data):
            return
        (size,) = struct.unpack_from("<I", data, place)
        if place + 4 + size > len(data):
            return
        fields = _fields(header)
        yield fields[b"op"][0], fields, data[place + 4 : place + 4 + size]
        place += 4 + size


def _fields(header: bytes) -> dict[bytes, bytes]:
    """Return the fields of a record's header."""
    found, place = {}, 0
    while place + 4 <= len(header):
        (length,) = struct.unpack_from("<I", header, place)
        name, _, value = header[place + 4 : place + 4 + length].partition(b"=")
        found[name] = value
        place += 4 + length
    return found


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _decompressed(header: dict[bytes, bytes], body: bytes) -> bytes:
    """Return the records of a chunk."""
    compression = header.get(b"compression", b"none")
    if compression == b"none":
        return body
    size = _number(header.get(b"size", b""))
    if size > _LARGEST_CHUNK:
        raise RecordingError(f"got a chunk of {size} bytes, expected at most {_LARGEST_CHUNK}")
    if compression == b"bz2":
        return bz2.BZ2Decompressor().decompress(body, size)
    if compression == b"lz4":
        frame = library("lz4.frame", f"a {NAME} with LZ4").LZ4FrameDecompressor()
        return bytes(frame.decompress(body, max_length=size))
    raise RecordingError(f"got a chunk compressed with {compression.decode()!r}, expected none, bz2 or lz4")


def open_bag(path: Path) -> MessageFile:
    """Open a ROS 1 bag.

    Raises:
        RecordingError: it is of another version, encrypted, or holds no message that can be read.
    """
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if magic != MAGIC:
        version = magic[9:].split(b"\n")[0].decode("ascii", "replace")
        raise RecordingError(f"{path} is a ROS bag of version {version}, expected 2.0; try rosbag migrate")
    library("rosbags.rosbag1", f"{path}, a {NAME},")
    try:
        return checked(IndexedBag(path))
    except Exception as error:
        if "encrypt" in str(error):
            raise RecordingError(f"{path} is an encrypted bag, decrypt it first ({one_line(error)})") from error
        bag = CutBag(path)
        if not bag.topics:
            raise RecordingError(f"{path} is a damaged bag without any whole message ({one_line(error)})") from error
        return bag
