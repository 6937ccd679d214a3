"""What of a Matroska file libavformat does not tell: whether its end is missing, and the files attached to it.

A file is made of elements, each an identifier, a size and content (RFC 8794); the segment holds everything, its
children are the clusters with the images, attachments and others (RFC 9559).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT = 0x18538067
_ATTACHMENTS, _ATTACHED, _NAME, _DATA = 0x1941A469, 0x61A7, 0x466E, 0x465C
#: An attachment that is longer is no calibration.
_LONGEST_ATTACHMENT = 1 << 24


@dataclass(frozen=True)
class Element:
    """One element of a file.

    Attributes:
        identifier: what it is.
        start: where its content begins.
        end: where the next element begins; None where its size is not said.
    """

    identifier: int
    start: int
    end: int | None


@dataclass(frozen=True)
class Outline:
    """What the elements of a file say.

    Attributes:
        missing: bytes that it should be longer, 0 where it is whole or does not say.
        attachments: the files attached to it, by name.
    """

    missing: int = 0
    attachments: dict[str, bytes] = field(default_factory=dict)


def outline(path: Path) -> Outline:
    """Read the outline of a file; damage ends it early.

    Raises:
        OSError: the file cannot be read.
    """
    attachments: dict[str, bytes] = {}
    size = path.stat().st_size
    missing = 0
    with path.open("rb") as file:
        for top in _elements(file, 0, size):
            if top.identifier != _SEGMENT:
                continue
            missing = max(0, (top.end or size) - size)
            for child in _elements(file, top.start, min(top.end or size, size)):
                missing = max(missing, (child.end or size) - size)
                if child.identifier == _ATTACHMENTS and child.end is not None and child.end <= size:
                    attachments.update(_attached(file, child.start, child.end))
            break  # there is one segment
    return Outline(missing, attachments)


def _attached(file: BinaryIO, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of an attachments element."""
    for one in _elements(file, start, end):
        if one.identifier != _ATTACHED or one.end is None or one.end > end:
            continue
        parts = {part.identifier: part for part in _elements(file, one.start, one.end)}
        if _NAME in parts and _DATA in parts:
            name, data = (_content(file, parts[wanted], one.end) for wanted in (_NAME, _DATA))
            yield name.rstrip(b"\0").decode("utf-8", "replace"), data


def _content(file: BinaryIO, element: Element, end: int) -> bytes:
    file.seek(element.start)
    return file.read(min(min(element.end or end, end) - element.start, _LONGEST_ATTACHMENT))


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[Element]:
    """Yield the elements that lie side by side; one of unknown size is entered, as its end is not known."""
    place = start
    while place < end:
        file.seek(place)
        identifier, size = _number(file, keep_marker=True), _number(file, keep_marker=False)
        if identifier is None or size is None:
            return
        begin = file.tell()
        after = None if size < 0 else begin + size
        yield Element(identifier, begin, after)
        if after is None and identifier == _SEGMENT:
            return
        place = begin if after is None else after


def _number(file: BinaryIO, keep_marker: bool) -> int | None:
    """Read a number of variable length; None at the end of the file, -1 for an unknown size."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    if keep_marker:
        return value
    value &= (1 << 7 * length) - 1
    return -1 if value == (1 << 7 * length) - 1 else value
