"""ROS 2 bags: folders with `metadata.yaml` and single .db3 files through rosbags, and what is left of cut ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.files.mcap import open_mcap
from crosswire.media.recordings.ros.files.messages import Message, MessageFile, Topic, damaged
from crosswire.media.recordings.ros.files.packages import library, one_line

NAME = "ROS 2 bag"


class RosbagsFile(MessageFile):
    """A folder or .db3 file that rosbags reads."""

    def __init__(self, path: Path, reader: Any, name: str) -> None:
        """Open it.

        Raises:
            Exception: whatever rosbags raises for a damaged one.
        """
        self._path = path
        self._reader = reader
        self.name = name
        reader.open()
        found: dict[str, Topic] = {}
        if not all(isinstance(one.topic, str) and isinstance(one.msgtype, str) for one in reader.connections):
            reader.close()
            raise RecordingError("its topics are damaged")
        for one in reader.connections:
            known = found.get(one.topic, Topic(one.topic, one.msgtype, 0))
            found[one.topic] = replace(known, count=(known.count or 0) + one.msgcount)
        self.topics = tuple(found.values())
        self._open = True

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics, in the order in which they were recorded."""
        try:
            wanted = [one for one in self._reader.connections if one.topic in topics]
            if not wanted:
                return
            for connection, log_ns, data in self._reader.messages(wanted):
                yield Message(connection.topic, connection.msgtype, log_ns, bytes(data), 2)
        except Exception as error:  # whatever a damaged file makes SQLite or a decompressor raise
            raise damaged(self._path, error) from error

    def close(self) -> None:
        """Close the files."""
        if self._open:
            self._open = False
            self._reader.close()


class CutDatabase(MessageFile):
    """A .db3 file that ends too early: SQLite gives the messages of the pages that are there."""

    name = f"{NAME} (.db3)"
    note = "the database ends too early; it is read up to there"

    def __init__(self, path: Path) -> None:
        """Read the topics.

        Raises:
            sqlite3.Error: not even these are left.
        """
        self._path = path
        with closing(self._connect()) as database:
            rows = database.execute("SELECT id, name, type FROM topics").fetchall()
        if not all(isinstance(name, str) and isinstance(kind, str) for _, name, kind in rows):
            raise sqlite3.DatabaseError("its topics are damaged")
        self._topics = {key: (name, kind) for key, name, kind in rows}
        self.topics = tuple(Topic(name, kind, None) for name, kind in self._topics.values())

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        database.execute("PRAGMA writable_schema=ON")  # else a file shorter than its header says is not read at all
        return database

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics, in the order in which they were written."""
        try:
            with closing(self._connect()) as database:
                query = "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
                for key, log_ns, data in database.execute(query):
                    whole = key in self._topics and isinstance(data, bytes) and isinstance(log_ns, int)
                    if not whole:  # SQLite reads pages that are missing as zeros
                        raise sqlite3.DatabaseError("a page is missing")
                    name, kind = self._topics[key]
                    if name in topics:
                        yield Message(name, kind, log_ns, data, 2)
        except sqlite3.Error as error:
            raise damaged(self._path, error) from error


class SeveralFiles(MessageFile):
    """The files of a folder whose `metadata.yaml` is missing or does not fit, one after the other."""

    name = NAME
    note = "the folder has no metadata.yaml that fits; its files are read in the order of their names"

    def __init__(self, path: Path, files: tuple[MessageFile, ...]) -> None:
        """Take open files."""
        self._path = path
        self._files = files
        found: dict[str, Topic] = {}
        for topic in (one for file in files for one in file.topics):
            known = found.get(topic.name, Topic(topic.name, topic.kind, 0))
            total = None if known.count is None or topic.count is None else known.count + topic.count
            found[topic.name] = replace(known, count=total)
        self.topics = tuple(found.values())

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics."""
        for file in self._files:
            yield from file.read(topics)

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()


def open_database(path: Path) -> MessageFile:
    """Open a single .db3 file.

    Raises:
        RecordingError: it is no ROS 2 bag, or nothing of it is left.
    """
    storage = library("rosbags.rosbag2.storage_sqlite3", f"{path}, a {NAME},")
    try:
        # rosbags puts the path into a URI as it is
        return RosbagsFile(path, storage.Sqlite3Reader(_in_uri(path)), f"{NAME} (.db3)")
    except Exception as error:
        try:
            return CutDatabase(path)
        except (sqlite3.Error, KeyError):
            reason = f"got SQLite without ROS' tables topics and messages, or damaged ({one_line(error)})"
            raise RecordingError(f"{path} is no {NAME}: {reason}") from error


def open_folder(path: Path) -> MessageFile:
    """Open a folder of .db3 or .mcap files.

    Raises:
        RecordingError: nothing in it can be read.
    """
    module = library("rosbags.rosbag2", f"{path}, a {NAME},")
    reason: Exception | None = None
    if (path / "metadata.yaml").is_file():
        try:
            return RosbagsFile(path, module.Reader(path), NAME)
        except Exception as error:
            reason = error
    openers: Mapping[str, Callable[[Path], MessageFile]] = {".mcap": open_mcap, ".db3": open_database}
    files = []
    for one in sorted(path.iterdir(), key=_natural):
        if one.suffix in openers:
            try:
                files.append(openers[one.suffix](one))
            except RecordingError as error:
                reason = reason or error
    if not files:
        raise RecordingError(f"{path} is a {NAME} that cannot be read ({one_line(reason)}); copy or record it again")
    return SeveralFiles(path, tuple(files))


def _in_uri(path: Path) -> Path:
    """Return a path whose characters mean themselves within a URI."""
    return Path(str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23"))


def _natural(path: Path) -> tuple[int, str]:
    """Order files as they were written: NAME_2 before NAME_10."""
    digits = path.stem.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else -1, path.name)
