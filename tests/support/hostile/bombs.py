"""Small files that swell when they are read: of each format that a server takes, by the part that may swell."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

from PIL import Image

MEBIBYTE = 1 << 20
SWOLLEN = 256 * MEBIBYTE
_SCANS = 2000


@cache
def zeros() -> bytes:
    """Return 256 MiB of zeros as a zlib stream of 256 KiB."""
    return zlib.compress(bytes(SWOLLEN), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(mode: str, *, ahead: bytes = b"", pixels: bytes = b"") -> bytes:
    """Return a PNG file of 160x120.

    Args:
        mode: Pillow's name of its pixels.
        ahead: chunks before the pixels.
        pixels: a zlib stream in the place of the pixels.
    """
    file = io.BytesIO()
    Image.new(mode, (160, 120)).save(file, "PNG")
    whole, header, place = file.getvalue(), 33, file.getvalue().index(b"IDAT") - 4
    body = _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"") if pixels else whole[place:]
    return whole[:header] + ahead + body


def jpeg_of_scans() -> bytes:
    """Return a progressive JPEG file whose last scan comes two thousand times."""
    file = io.BytesIO()
    Image.new("RGB", (160, 120)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * _SCANS + whole[-2:]


def mp4_header() -> bytes:
    """Return an MP4 file whose description is compressed, as QuickTime could, and swells."""
    data = struct.pack(">I", 12) + b"dcomzlib"
    film = struct.pack(">II", len(zeros()) + 12, 0x636D7664) + struct.pack(">I", SWOLLEN) + zeros()
    packed = struct.pack(">I", 8 + len(data) + len(film)) + b"cmov" + data + film
    kind = struct.pack(">I", 20) + b"ftypqt  " + bytes(4) + b"qt  "
    return kind + struct.pack(">I", 8 + len(packed)) + b"moov" + packed


def _element(name: str, data: bytes | int) -> bytes:
    """Return an element of a Matroska file; `name` is its number in hexadecimal digits."""
    if isinstance(data, int):
        data = struct.pack(">I", data)
    return bytes.fromhex(name) + struct.pack(">Q", len(data) | 1 << 56) + data


def matroska_block() -> bytes:
    """Return a Matroska file of one picture, whose block is compressed by zlib and swells."""
    compression = _element("5034", _element("4254", 0))
    encodings = _element("6D80", _element("6240", _element("5032", 1) + _element("5033", 0) + compression))
    size = _element("E0", _element("B0", 64) + _element("BA", 48))
    numbers = _element("D7", 1) + _element("73C5", 1) + _element("83", 1)
    track = _element("AE", numbers + _element("86", b"V_MJPEG") + size + encodings)
    information = _element("1549A966", _element("2AD7B1", 1_000_000))
    block = _element("A3", b"\x81" + bytes(2) + b"\x80" + zeros())
    body = information + _element("1654AE6B", track) + _element("1F43B675", _element("E7", 0) + block)
    return _element("1A45DFA3", _element("4282", b"matroska")) + _element("18538067", body)


#: For a field of colour, by what swells.
PICTURES: dict[str, Callable[[], bytes]] = {
    "a compressed text of a PNG": lambda: png("RGB", ahead=_chunk(b"zTXt", b"a\0\0" + zeros())),
    "an international text of a PNG": lambda: png("RGB", ahead=_chunk(b"iTXt", b"a\0\1\0a\0a\0" + zeros())),
    "a colour profile of a PNG": lambda: png("RGB", ahead=_chunk(b"iCCP", b"a\0\0" + zeros())),
    "pixels of a PNG": lambda: png("RGB", pixels=zeros()),
    "scans of a JPEG": jpeg_of_scans,
}
#: For a clip, by what swells, each with words of its refusal.
CLIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "the header of an MP4": (mp4_header, "has a compressed header"),
    "a block of a Matroska file": (matroska_block, "holds neither pictures nor sound that can be decoded"),
}
