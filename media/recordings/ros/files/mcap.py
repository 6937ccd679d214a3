"""MCAP files: by their summary, or record after record where they were cut before it (https://mcap.dev/spec)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.files.messages import Message, MessageFile, Topic, checked, damaged, ros2_name
from crosswire.media.recordings.ros.files.packages import library, one_line

NAME = "MCAP"
_ROS = {"cdr": 2, "ros1": 1}


class McapFile(MessageFile):
    """An MCAP file with its summary."""

    name = NAME

    def __init__(self, path: Path) -> None:
        """Read the summary.

        Raises:
            Exception: whatever the package raises for a file without a whole one.
        """
        self._path = path
        self._mcap = library("mcap.reader", f"{path}, an {NAME} file,")
        with path.open("rb") as file:
            summary = self._mcap.make_reader(file).get_summary()
        if summary is None or not summary.chunk_indexes or not summary.channels:
            raise RecordingError(f"{path} has no index of chunks")
        counts = summary.statistics.channel_message_counts if summary.statistics else None
        found: dict[str, Topic] = {}
        for key, channel in summary.channels.items():
            count = None if counts is None else counts.get(key, 0)
            _add(found, channel.topic, _kind(summary.schemas, channel), count)
        self.topics = tuple(found.values())

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics, in the order in which they were recorded."""
        try:
            with self._path.open("rb") as file:
                reader = self._mcap.make_reader(file, validate_crcs=True)
                for schema, channel, message in reader.iter_messages(topics=list(topics)):
                    yield _message(channel, schema, message)
        except Exception as error:  # a damaged chunk makes a decompressor raise whatever it stumbles over
            raise damaged(self._path, error) from error


class CutMcap(MessageFile):
    """An MCAP file without an index: recording ended before it was written, or the file was cut."""

    name = NAME
    note = "the file has no index, as it was written or copied without its end; it is read up to there"

    def __init__(self, path: Path) -> None:
        """Look through the file for its topics and the first message of each."""
        self._path = path
        self._stream = library("mcap.stream_reader", f"{path}, an {NAME} file,")
        self._first: dict[str, Message] = {}
        found: dict[str, Topic] = {}
        try:
            for one in self._messages(None):
                self._first.setdefault(one.topic, one)
                _add(found, one.topic, one.kind, 1)
        except RecordingError:
            pass  # said when frames are read
        self.topics = tuple(found.values())

    def first(self, topic: str) -> Message | None:
        """Return the first message of a topic, or None."""
        return self._first.get(topic)

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics, in the order of the file."""
        return self._messages(topics)

    def _messages(self, topics: Collection[str] | None) -> Iterator[Message]:
        """Yield the messages of some topics, or all."""
        schemas: dict[int, Any] = {}
        channels: dict[int, Any] = {}
        try:
            with self._path.open("rb") as file:
                for record in self._stream.StreamReader(file, validate_crcs=True).records:
                    kind = type(record).__name__
                    if kind == "Schema":
                        schemas[record.id] = record
                    elif kind == "Channel":
                        channels[record.id] = record
                    elif kind == "Message":
                        channel = channels[record.channel_id]
                        if topics is None or channel.topic in topics:
                            yield _message(channel, schemas.get(channel.schema_id), record)
        except Exception as error:
            raise damaged(self._path, error) from error


def _message(channel: Any, schema: Any, message: Any) -> Message:
    """Return a message as all files give it; what is of neither ROS decodes to an error."""
    kind = ros2_name(schema.name) if schema else "none"
    return Message(channel.topic, kind, message.log_time, message.data, _ROS.get(channel.message_encoding, 2))


def _kind(schemas: Mapping[int, Any], channel: Any) -> str:
    """Return the type of a channel's messages, with its encoding where that is none of ROS."""
    schema = schemas.get(channel.schema_id)
    kind = ros2_name(schema.name) if schema else "none"
    return kind if channel.message_encoding in _ROS else f"{kind} in {channel.message_encoding}"


def _add(found: dict[str, Topic], name: str, kind: str, count: int | None) -> None:
    """Count the messages of a channel: several may have one topic."""
    known = found.get(name, Topic(name, kind, 0))
    total = None if count is None or known.count is None else known.count + count
    found[name] = replace(known, count=total)


def open_mcap(path: Path) -> MessageFile:
    """Open an MCAP file.

    Raises:
        RecordingError: it holds no message that can be read.
    """
    library("mcap.reader", f"{path}, an {NAME} file,")
    try:
        return checked(McapFile(path))
    except Exception as error:
        file = CutMcap(path)
        if not file.topics:
            raise RecordingError(f"{path} is {NAME} without any whole message, damaged ({one_line(error)})") from error
        return file
