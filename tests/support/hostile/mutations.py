"""Damaged images, clips and sounds in endless supply, each the same again for its seed and number.

Most changes leave the first bytes alone, and many mend checksums and lengths afterwards, so that a good part gets past
the first look at a header and reaches the decoder behind it.
"""

from __future__ import annotations

import io
import random
import struct
import wave
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from tests.support.servers.real import depth_png, jpeg, png
from tests.support.small_clips import clip

KINDS = ("png", "jpeg", "tiff", "mp4", "webm", "avi", "wav")
_HEAD = {"png": 33, "jpeg": 20, "tiff": 8, "mp4": 24, "webm": 40, "avi": 16, "wav": 16}
_HEAD_IS_KEPT = 0.85
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Damaged:
    """One damaged file.

    Attributes:
        kind: one of `KINDS`.
        seed: of the run.
        number: its place in the run, from 0.
        part: the part of a form that it is sent as: `rgb`, `depth` or `clip`.
        data: its bytes.
    """

    kind: str
    seed: int
    number: int
    part: str
    data: bytes

    def __str__(self) -> str:
        """Return what makes it again."""
        return f"damaged({self.seed}, {self.number}): {self.kind} of {len(self.data)} bytes as {self.part}"


def damaged(seed: int, number: int) -> Damaged:
    """Return one damaged file; the kinds take turns."""
    draws = random.Random(seed * 1_000_003 + number)
    kind = KINDS[number % len(KINDS)]
    part, whole = draws.choice(_whole(kind))
    data = bytearray(whole)
    keep = _HEAD[kind] if draws.random() < _HEAD_IS_KEPT else 0
    for _ in range(draws.choice((1, 1, 1, 2, 3, 8))):
        draws.choice(_CHANGES)(data, keep, draws)
    if draws.random() < 0.7:
        _MEND.get(kind, _leave)(data)
    return Damaged(kind, seed, number, part, bytes(data))


@cache
def _whole(kind: str) -> tuple[tuple[str, bytes], ...]:
    """Return whole files of a kind, and the part of a form that takes each."""
    if kind == "png":
        modes = ("RGB", "RGBA", "L", "P", "1")
        return (*(("rgb", png(40, 30, mode)) for mode in modes), *(("depth", depth_png(40, 30)),) * 3)
    if kind == "jpeg":
        plain = [jpeg(40, 30, mode) for mode in ("RGB", "L", "CMYK")]
        return tuple(("rgb", data) for data in (*plain, _saved("JPEG", progressive=True), _saved("JPEG", quality=5)))
    if kind == "tiff":
        depth = io.BytesIO()
        Image.fromarray(np.full((30, 40), 2000, np.uint16)).save(depth, "TIFF")
        packed = [_saved("TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits")]
        return (*(("rgb", data) for data in packed), ("depth", depth.getvalue()))
    if kind == "wav":
        return (("clip", _sound(1)), ("clip", _sound(2)))
    return tuple(("clip", clip(kind, seconds=0.5, sounds=sounds)) for sounds in (1, 0))


def _saved(kind: str, **options: object) -> bytes:
    """Return a colour image, encoded."""
    file = io.BytesIO()
    Image.open(io.BytesIO(png(40, 30))).save(file, kind, **options)
    return file.getvalue()


def _sound(channels: int) -> bytes:
    """Return a tone as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((channels, 2, 16000, 0, "NONE", ""))
        tone = 9000 * np.sin(np.arange(8000 * channels) / 6)
        sound.writeframes(tone.astype("<i2").tobytes())
    return file.getvalue()


def _place(data: bytearray, keep: int, draws: random.Random) -> int:
    """Return where to change something; small numbers more often, since that is where headers are."""
    left = max(1, len(data) - keep)
    return min(len(data), keep + int(left * draws.random() ** draws.choice((1, 1, 4))))


def _flip(data: bytearray, keep: int, draws: random.Random) -> None:
    at = _place(data, keep, draws)
    if at < len(data):
        data[at] ^= 1 << draws.randrange(8)


def _number(data: bytearray, keep: int, draws: random.Random) -> None:
    size, order = draws.choice((1, 2, 4)), draws.choice(("little", "big"))
    at, value = _place(data, keep, draws), draws.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    data[at : at + size] = value.to_bytes(size, order)


def _noise(data: bytearray, keep: int, draws: random.Random) -> None:
    at, size = _place(data, keep, draws), draws.randrange(1, 64)
    data[at : at + size] = draws.randbytes(size)


def _insert(data: bytearray, keep: int, draws: random.Random) -> None:
    at = _place(data, keep, draws)
    data[at:at] = draws.randbytes(draws.randrange(1, 32))


def _remove(data: bytearray, keep: int, draws: random.Random) -> None:
    at = _place(data, keep, draws)
    del data[at : at + draws.randrange(1, 64)]


def _repeat(data: bytearray, keep: int, draws: random.Random) -> None:
    at, other = _place(data, keep, draws), _place(data, keep, draws)
    data[at:at] = data[other : other + draws.randrange(1, 256)] * draws.choice((1, 1, 4))


def _cut(data: bytearray, keep: int, draws: random.Random) -> None:
    del data[_place(data, keep, draws) :]


_CHANGES: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    _flip, _flip, _flip, _number, _number, _noise, _insert, _remove, _repeat, _cut,
)  # fmt: skip


def _mend_png(data: bytearray) -> None:
    """Make the checksum of every chunk right, as far as the chunks can be followed."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4


def _mend_riff(data: bytearray) -> None:
    """Let a RIFF file claim the length that it has."""
    if len(data) >= 8:
        struct.pack_into("<I", data, 4, len(data) - 8)


def _mend_mp4(data: bytearray) -> None:
    """Let the last box end where the file ends: what was cut off or added is its content."""
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size < 8 or at + size >= len(data):
            struct.pack_into(">I", data, at, len(data) - at)
            return
        at += size


def _mend_webm(data: bytearray) -> None:
    """Let the segment end at the end of the file, as live streams do: its size is unknown."""
    at = data.find(b"\x18\x53\x80\x67", 0, 4096)
    if at >= 0 and at + 12 <= len(data):
        data[at + 4 : at + 12] = b"\x01" + 7 * b"\xff"


def _leave(data: bytearray) -> None:
    """Mend nothing."""


_MEND = {"png": _mend_png, "avi": _mend_riff, "wav": _mend_riff, "mp4": _mend_mp4, "webm": _mend_webm}
