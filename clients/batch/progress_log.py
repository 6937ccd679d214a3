"""The progress log of a batch: what was begun and how it ended, one JSON line each, so that nothing is done again.

A line is one `write` to a file opened for appending: a process that is killed leaves whole lines. Where the disk filled
up, a torn line is cut off again; one that could not be is passed over by the next run, which asks again about what it
said. The first line says what the batch is; another batch may not go on with it.
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

from crosswire.clients.errors import InputError, OutputError

NAME = "journal.jsonl"
_BEGINNING = b'{"batch": {'


class ProgressLog:
    """The progress log in a folder, open for one process.

    Attributes:
        done: what was said about every item that has a result, by stem.
        failed: what was said about every item that failed for good, by stem.
        files: the state of the files of those.
    """

    def __init__(self, folder: Path, batch: Mapping[str, Any]) -> None:
        """Open a folder's progress log, or begin one.

        Args:
            folder: where the batch writes.
            batch: what makes this batch the same as an earlier one: source, pipeline, options.

        Raises:
            InputError: the folder holds the log of another batch, or a file of its name that is none, or another
                process is at work on this one.
            OutputError: it cannot be read or written.
        """
        self.done: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._path = folder / NAME
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._go_on(batch)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> ProgressLog:
        """Return the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        os.close(self._file)

    def begin(self, stem: str) -> None:
        """Note that an item is being asked about."""
        self._append({"begin": stem})
        self.failed.pop(stem, None)

    def end(self, stem: str, said: Mapping[str, Any]) -> None:
        """Note an item's result."""
        self._append({"done": stem, "said": said})
        self.done[stem] = dict(said)

    def fail(self, stem: str, said: Mapping[str, Any], *, final: bool, files: Any) -> None:
        """Note why an item has no result; what is not final is tried again by the next run.

        Args:
            stem: the item.
            said: why.
            final: whether it fails again as long as its files stay as they are.
            files: how they are, as JSON has it.
        """
        self._append({"failed": stem, "said": said, "final": final, "files": files})
        self.failed[stem], self.files[stem] = dict(said), files

    def _go_on(self, batch: Mapping[str, Any]) -> None:
        """Lock the file, then read what an earlier run of this batch said, or say what this batch is."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = self._path.read_bytes()
            if not data.startswith(_BEGINNING[: len(data)]):
                raise self._foreign()
            whole = data.rfind(b"\n") + 1
            os.ftruncate(self._file, whole)
        except BlockingIOError as error:
            place = self._path.parent
            raise InputError(f"another process is at work on {place}; wait for its end, or stop it first") from error
        except OSError as error:
            raise self._unusable(error) from error
        if whole == 0:
            self._append({"batch": batch})
            return
        first, *more = data[:whole].splitlines()
        found = self._batch_in(first)
        if found != batch and more:
            raise self._another(found, batch)
        if found != batch:  # nothing of it was begun, so that any other one may take its place
            os.ftruncate(self._file, 0)
            self._append({"batch": batch})
        for line in more:
            self._take(line)

    def _batch_in(self, line: bytes) -> Mapping[str, Any]:
        """Return which batch the first line says that the log is of.

        Raises:
            InputError: it says none.
        """
        match _parsed(line):
            case {"batch": dict(found)}:
                return found
        raise self._foreign()

    def _another(self, found: Mapping[str, Any], batch: Mapping[str, Any]) -> InputError:
        """Return the error of who names the folder of another batch."""
        changed = next(key for key in (*batch, *found) if batch.get(key) != found.get(key))
        return InputError(
            f"{self._path.parent} holds a batch with {changed} = {found.get(changed)!r}, now it is "
            f"{batch.get(changed)!r}; name another folder, or remove {self._path} to begin again"
        )

    def _take(self, line: bytes) -> None:
        """Take in what a line of an earlier run says; a torn one says nothing."""
        match _parsed(line):
            case {"begin": str(stem)}:
                self.failed.pop(stem, None)
            case {"done": str(stem), "said": dict(said)}:
                self.done[stem] = said
            case {"failed": str(stem), "said": dict(said), "final": True, **more}:
                self.failed[stem], self.files[stem] = said, more.get("files")

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
        with self._lock:
            try:
                before = os.fstat(self._file).st_size
                if (written := os.write(self._file, line)) != len(line):
                    os.ftruncate(self._file, before)
                    raise OSError(f"the disk took {written} of {len(line)} bytes")
            except OSError as error:
                raise OutputError(f"cannot write {self._path} ({error}); make room and start again") from error

    def _foreign(self) -> InputError:
        return InputError(f"{self._path} is no progress log of a batch; name another folder, or remove the file")

    def _unusable(self, error: OSError) -> OutputError:
        return OutputError(f"cannot use {self._path} ({error}); name another folder, or remove the file")


def _parsed(line: bytes) -> Any:
    """Return what a line holds, None if it is no JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return None
