"""The files of a folder and the folders in it, without what systems, archives and downloads leave beside them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePath

from crosswire.clients.errors import InputError

_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_FOLDERS_OF_SYSTEMS = frozenset(
    {"__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "system volume information"}
)
_UNFINISHED = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".filepart", ".opdownload", ".aria2", ".!ut", ".tmp"}
)
OUTPUT_MARK = "journal.jsonl"
"""A folder below the source with this file holds results of a batch, not inputs."""


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of all folders in it, relative to it, sorted within each.

    Left out are hidden files and folders, those that systems leave everywhere, and results of batches. Links to folders
    are followed, but not in circles.

    Raises:
        InputError: a folder cannot be read.
    """
    yield from _walk(folder, Path(), (folder.resolve(),))


def is_unfinished(path: PurePath) -> bool:
    """Say whether a file is a download that did not end, by its last ending: `a.png.part`."""
    return path.suffix.lower() in _UNFINISHED


def is_left_over(path: PurePath) -> bool:
    """Say whether a file is hidden, or what systems leave everywhere, by its name and those of its folders."""
    *folders, name = (part.lower() for part in path.parts)
    hidden = any(part.startswith(".") for part in (*folders, name))
    return hidden or name in _LEFT_BY_SYSTEMS or name.endswith("~") or not _FOLDERS_OF_SYSTEMS.isdisjoint(folders)


def composed(text: str) -> str:
    """Return a name with each accent and its letter as one character, as most systems write them."""
    return unicodedata.normalize("NFC", text)


def _walk(folder: Path, below: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder / below), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder / below} cannot be read ({error.strerror}); allow it, or move it away") from error
    if below.parts and any(entry.name == OUTPUT_MARK for entry in entries):
        return
    for entry in entries:
        name = entry.name.lower()
        if name.startswith("."):
            continue
        if not _is_folder(entry):
            if name not in _LEFT_BY_SYSTEMS and not name.endswith("~"):
                yield below / entry.name
        elif name not in _FOLDERS_OF_SYSTEMS:
            place = Path(entry.path).resolve()
            if place not in above:
                yield from _walk(folder, below / entry.name, (*above, place))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder; a link that leads in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
