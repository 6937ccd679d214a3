"""The journal of a batch: what was begun and how it ended, one JSON line each, so that nothing is done again.

A line is one `write` to a file opened for appending: a process that is killed leaves whole lines, and at most the last
one torn where the disk filled up. The first line says what the batch is; another batch may not go on with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from clients.errors import InputError, OutputError

NAME = "journal.jsonl"


class Journal:
    """The journal in a folder, open for one process.

    Attributes:
        done: what was said about every item that was answered, by stem.
        failed: what was said about every item that failed for good, by stem.
    """

    def __init__(self, folder: Path, batch: Mapping[str, Any]) -> None:
        """Open a folder's journal, or begin one.

        Args:
            folder: where the batch writes.
            batch: what makes this batch the same as an earlier one: source, pipeline, options.

        Raises:
            InputError: the folder holds the journal of another batch, or another process is at work on this one.
            OutputError: it cannot be read or written.
        """
        self.done: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._path = folder / NAME
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = self._read()
            os.ftruncate(self._file, whole)
        except BlockingIOError as error:
            os.close(self._file)
            raise InputError(f"another process is at work on {folder}; wait for its end, or stop it first") from error
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot use {self._path} ({error}); name another folder, or remove the file") from error
        if whole == 0:
            self._batch: Mapping[str, Any] = batch
            self._append({"batch": batch})
        if self._batch != batch:
            os.close(self._file)
            changed = next(key for key in (*batch, *self._batch) if batch.get(key) != self._batch.get(key))
            raise InputError(
                f"{folder} holds a batch with {changed} = {self._batch.get(changed)!r}, now it is "
                f"{batch.get(changed)!r}; name another folder, or remove {self._path} to begin again"
            )

    def __enter__(self) -> Journal:
        """Return the journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        os.close(self._file)

    def begin(self, stem: str) -> None:
        """Note that an item is being asked about."""
        self._append({"begin": stem})

    def end(self, stem: str, said: Mapping[str, Any]) -> None:
        """Note an item's answer."""
        self._append({"done": stem, "said": said})
        self.done[stem] = dict(said)

    def fail(self, stem: str, said: Mapping[str, Any], *, final: bool) -> None:
        """Note why an item has no answer; what is not final is tried again by the next run."""
        self._append({"failed": stem, "said": said, "final": final})
        self.failed[stem] = dict(said)

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
        with self._lock:
            try:
                if os.write(self._file, line) != len(line):
                    raise OSError("the disk is full")
            except OSError as error:
                raise OutputError(f"cannot write {self._path} ({error}); make room and start again") from error

    def _read(self) -> int:
        """Read the whole lines of an earlier run; return their length in bytes."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            entry = json.loads(line)
            if "batch" in entry:
                self._batch = entry["batch"]
            elif "done" in entry:
                self.done[entry["done"]] = entry["said"]
            elif entry.get("final"):
                self.failed[entry["failed"]] = entry["said"]
        return whole
