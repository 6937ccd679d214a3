"""What every file of ROS is read as: topics, and their messages in the order of time, not decoded yet."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.files.packages import decoded, header_stamp, one_line

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class Topic:
    """A topic of a recording.

    Attributes:
        name: of the topic.
        kind: type of its messages, as ROS 2 writes it: "sensor_msgs/msg/Image".
        count: number of messages, or None where only reading tells.
    """

    name: str
    kind: str
    count: int | None

    def __str__(self) -> str:
        """Return name, type and count."""
        return one_line(f"{self.name} ({self.kind}{'' if self.count is None else f', {self.count}'})")


@dataclass(frozen=True, eq=False)
class Message:
    """A message as it is stored.

    Attributes:
        topic: its topic's name.
        kind: its type.
        log_ns: when it was recorded, nanoseconds.
        data: its bytes.
        ros: whether it is serialised as ROS 1 or 2 does.
    """

    topic: str
    kind: str
    log_ns: int
    data: bytes
    ros: int

    @property
    def stamp_ns(self) -> int:
        """The time stamp of its header, nanoseconds.

        Raises:
            RecordingError: it has none.
        """
        return header_stamp(self.data, self.ros)

    def decode(self) -> Any:
        """Return it with its fields.

        Raises:
            RecordingError: it is damaged.
        """
        return decoded(self.data, self.kind, self.ros)


class MessageFile(abc.ABC):
    """A file or folder of messages.

    Attributes:
        name: what it is, as people call it.
        topics: that it holds.
        note: what is to be told of it: that its index is missing; or nothing.
    """

    name: str
    topics: tuple[Topic, ...]
    note: str = ""

    @abc.abstractmethod
    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics.

        Raises:
            RecordingError: the file is damaged here; what came before stays good.
        """

    def first(self, topic: str) -> Message | None:
        """Return the first message of a topic, or None.

        Raises:
            RecordingError: the file is damaged before it.
        """
        return next(self.read({topic}), None)

    def topic(self, name: str) -> Topic | None:
        """Return a topic by its name, or None."""
        return next((one for one in self.topics if one.name == name), None)

    def close(self) -> None:  # noqa: B027  # most keep nothing open
        """Close what is open."""


def checked(file: MessageFile) -> MessageFile:
    """Return a file whose index leads to the first image of each topic.

    Raises:
        RecordingError: it does not.
    """
    for topic in file.topics:
        if topic.kind in (IMAGE, COMPRESSED) and topic.count != 0:
            next(iter(file.read({topic.name})), None)
    return file


def ros2_name(kind: str) -> str:
    """Return the name of a type as ROS 2 writes it: "sensor_msgs/Image" is "sensor_msgs/msg/Image"."""
    package, _, rest = kind.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else kind


def damaged(path: object, error: Exception) -> RecordingError:
    """Return what is said of a file that cannot be read on."""
    if isinstance(error, RecordingError):
        return error
    reason = one_line(error) or type(error).__name__
    return RecordingError(f"{path} is damaged or cut here ({reason}); what came before is good, try to copy it again")
