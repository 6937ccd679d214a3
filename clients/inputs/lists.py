"""List files, and the files that they name, read as `crosswire.media.recordings.folders.lists` reads them."""

from __future__ import annotations

from pathlib import Path

from crosswire.clients.errors import InputError
from crosswire.media.recordings.folders import lists
from crosswire.media.recordings.folders.lists import split_line as split_line
from crosswire.media.recordings.recording import RecordingError


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a list that say something.

    Returns:
        The number of each, from 1, and its text without blanks around it.

    Raises:
        InputError: the file cannot be read, or is text in no encoding that is known here.
    """
    try:
        return lists.read_lines(path)
    except RecordingError as error:
        raise InputError(str(error)) from error


class ListedFiles(lists.ListedFiles):
    """Finds the files that a list names, also where the system that wrote it spells names in another way."""

    def find(self, name: str) -> Path:
        """Return the file of a name; one that is nowhere is returned as it is written.

        Raises:
            InputError: two files have this name, with accents written in two ways, and neither is exactly the one.
        """
        try:
            return super().find(name)
        except RecordingError as error:
            raise InputError(str(error)) from error
