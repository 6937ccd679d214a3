"""Which container a clip comes in, and whether it is whole, from its bytes alone: nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterator

from crosswire.serving.steps.media.images import ImageError
from crosswire.serving.steps.media.packets import is_mp3, is_transport_stream, tag_end

#: Names for people by the demuxer that reads them.
CONTAINERS = {
    "mp4": "MP4",
    "mov": "QuickTime",
    "matroska": "WebM or MKV",
    "avi": "AVI",
    "mpegts": "MPEG-TS",
    "wav": "WAV",
    "flac": "FLAC",
    "ogg": "Ogg",
    "mp3": "MP3",
}
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_RIFF = {b"AVI ": "avi", b"WAVE": "wav"}
#: What a QuickTime file begins with that is older than the box that names its kind.
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
#: The boxes that hold a film; what else a camera appends may be no box at all.
_FILM = (b"moov", b"mdat", b"moof")
#: What stands in a header that is compressed, as QuickTime 3 could write it: nothing says how far it swells.
_COMPRESSED = b"dcomzlib"
_SHORTEST = 16
_CUT = "is cut off: {there} bytes are there, it claims {claimed} at least; send the whole file"


def container_of(data: bytes, name: str) -> str:
    """Return the demuxer that reads a clip, a key of `CONTAINERS`.

    The demuxer is chosen here and forced later, so that nothing that looks like a playlist, an image or a text is ever
    given to a reader that could follow what it names.

    Args:
        data: the file.
        name: the tensor's name, for messages.

    Raises:
        ImageError: it is empty, none of the listed containers, cut off, or has a compressed header.
    """
    allowed = ", ".join(CONTAINERS.values())
    if not data:
        raise ImageError(f"{name} is empty; send the bytes of a file: {allowed}")
    kind = _kind(data) if len(data) >= _SHORTEST else None
    if kind is None:
        raise ImageError(
            f"{name} is no {allowed} file: {len(data)} bytes, starting with {data[:12]!r}; send a clip in one of these"
        )
    claimed = _claimed_end(data, kind)
    if claimed is not None and claimed > len(data):
        raise ImageError(f"{name} {_CUT.format(there=len(data), claimed=claimed)}")
    if kind in ("mp4", "mov") and _is_compressed(data):
        raise ImageError(
            f"{name} has a compressed header (cmov), which is not read; write it anew: ffmpeg -i IN -c copy OUT.mp4"
        )
    return kind


def _kind(data: bytes) -> str | None:
    """Return the demuxer for a file's first bytes, or None."""
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[4:8] in _QUICKTIME:
        return "mov"
    if data[:4] == _EBML:
        return "matroska"
    if data[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(data[8:12])
    if data[:5] == b"OggS\0":
        return "ogg"
    if data[:4] == b"fLaC":
        return "flac"
    if is_mp3(data):
        return "mp3"
    return "mpegts" if is_transport_stream(data) else None


def _claimed_end(data: bytes, kind: str) -> int | None:
    """Return where a file says that it ends at least, or None where it does not say."""
    if kind in ("mp4", "mov"):
        return max((end for name, _, end in _boxes(data, 0, len(data)) if name in _FILM), default=None)
    if kind == "matroska":
        return _segment_end(data)
    if kind in ("avi", "wav"):
        size = int.from_bytes(data[4:8], "little")
        return None if size == 0xFFFFFFFF else 7 + size  # some leave out the last byte, which makes it even
    return tag_end(data)


def _is_compressed(data: bytes) -> bool:
    """Say whether the header of an MP4 file is compressed."""
    boxes = _boxes(data, 0, len(data))
    return any(data.find(_COMPRESSED, start, end) >= 0 for name, start, end in boxes if name != b"mdat")


def claimed_seconds(data: bytes, kind: str) -> float | None:
    """Return how long the header of an MP4 file says that it lasts, which FFmpeg does not ask; None where it does not.

    Args:
        data: the file.
        kind: from `container_of`.
    """
    if kind not in ("mp4", "mov"):
        return None
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"moov":
            for inner, head, _ in _boxes(data, start, end):
                if inner == b"mvhd":
                    return _length(data, head)
    return None


def _length(data: bytes, at: int) -> float | None:
    """Return the seconds that a movie header, whose content is at a position, claims."""
    wide = data[at : at + 1] == b"\x01"
    scale, duration = (at + 20, 8) if wide else (at + 12, 4)
    per_second = int.from_bytes(data[scale : scale + 4], "big")
    units = int.from_bytes(data[scale + 4 : scale + 4 + duration], "big")
    unknown = units == (1 << (8 * duration)) - 1
    return None if unknown or not per_second else units / per_second


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes of an MP4 file between two positions: type, and where its content starts and claims to end."""
    while start + 8 <= end:
        size, content = int.from_bytes(data[start : start + 4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(data[start + 8 : start + 16], "big"), start + 16
        last = end if size == 0 else start + max(size, 8)
        yield data[start + 4 : start + 8], content, last
        start = last


def _segment_end(data: bytes) -> int | None:
    """Return where the segment of a Matroska file says that it ends; None where it does not say, as in live streams."""
    head = data.find(_SEGMENT, 0, 4096)
    if head < 0 or head + 12 > len(data):
        return None
    first = data[head + 4]
    length = 9 - first.bit_length()
    if not 1 <= length <= 8:
        return None
    digits = bytes([first & (0xFF >> length)]) + data[head + 5 : head + 4 + length]
    size = int.from_bytes(digits, "big")
    if size == (1 << (7 * length)) - 1:
        return None
    return head + 4 + length + size
