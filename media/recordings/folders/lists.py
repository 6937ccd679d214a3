"""List files as editors, spreadsheets and other systems write them: encodings, line ends, quotes, and names on disk.

UTF-8 with or without a byte-order mark, or UTF-16; lines that end as on Unix, Windows or old Macs. Empty lines and
those that begin with `#` say nothing.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

from crosswire.media.recordings.recording import RecordingError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LINE_END = re.compile(r"\r\n|\r|\n")
_IN_QUOTES = r"\"(?:[^\"]|\"\")*\"(?=\s*{end})|'[^']*'(?=\s*{end})|"
_BETWEEN_BLANKS = re.compile(_IN_QUOTES.format(end=r"(?:\s|$)") + r"\S+")
_BETWEEN_TABS = re.compile(r" *(" + _IN_QUOTES.format(end=r"(?:\t|$)") + r"[^\t]+)")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a list that say something.

    Returns:
        The number of each, from 1, and its text without blanks around it.

    Raises:
        RecordingError: the file cannot be read, or is text in no encoding that is known here.
    """
    try:
        text = _decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read as a list of files ({error}); write it as UTF-8 text") from error
    lines = [(number, line.strip()) for number, line in enumerate(_LINE_END.split(text), 1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def split_line(line: str, most: int) -> list[str]:
    """Split a line into names of files.

    Args:
        line: names with tabs or, where it holds no tab, blanks between them. A name in quotes may hold either.
        most: how many are wanted; a line for one is one name, whatever blanks it holds.
    """
    if "\t" in line:
        words = [word.strip() for word in _BETWEEN_TABS.findall(line)]
    else:
        words = [line] if most == 1 else _BETWEEN_BLANKS.findall(line)
    return [unquoted(word) for word in words if word]


def unquoted(word: str) -> str:
    """Return a word without the quotes around it; a doubled quote within is one."""
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return word[1:-1].replace('""', '"') if word[0] == '"' else word[1:-1]
    return word


class ListedFiles:
    """Finds the files that a list names, also where the system that wrote it spells names in another way.

    A name that is there as it is written is taken. Else backslashes are read as slashes, and letters with accents are
    compared whole: some systems take `é` apart into a letter and an accent, archives keep that.
    """

    def __init__(self, folder: Path) -> None:
        """Begin.

        Args:
            folder: what names are relative to.
        """
        self._folder = folder
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> Path:
        """Return the file of a name; one that is nowhere is returned as it is written.

        Raises:
            RecordingError: two files have this name, with accents written in two ways, and neither is exactly the one.
        """
        written = self._folder / name
        if _exists(written):
            return written
        turned = self._folder / name.replace("\\", "/")
        found = Path(turned.anchor)
        for part in turned.parts[len(found.parts) :]:
            if not _exists(found / part):
                near = self._names_in(found).get(unicodedata.normalize("NFC", part), [])
                if not near:
                    return written
                if len(near) > 1:
                    raise RecordingError(f"{found} holds {len(near)} files named {part!r} (accents differ); rename one")
                part = near[0]
            found /= part
        return found

    def _names_in(self, folder: Path) -> dict[str, list[str]]:
        """Return the names in a folder by the same with accents composed."""
        if folder not in self._names:
            names = self._names[folder] = {}
            for path in folder.iterdir() if folder.is_dir() else ():
                names.setdefault(unicodedata.normalize("NFC", path.name), []).append(path.name)
        return self._names[folder]


def _decoded(data: bytes) -> str:
    """Return the text of a file.

    Raises:
        ValueError: it is in no encoding that is known here.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    zeros = [data[start:200:2].count(0) for start in (0, 1)]  # UTF-16 without a mark: every other byte of ASCII is 0
    if any(zeros):
        if len(data) % 2 or min(zeros) or max(zeros) < len(data[:200]) // 4:
            raise ValueError("it holds zero bytes")
        return data.decode("utf-16-be" if zeros[0] else "utf-16-le")
    return data.decode("utf-8")


def _exists(path: Path) -> bool:
    """Say whether something is there; a name that no system takes is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
