"""The tracks of images in a Matroska file: what each holds, and which of them are colour and depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.media.recordings.recording import ReadOptions, RecordingError

_INFRARED = ("IR", "DEPTH_IR")
_EARLY_DEPTH = "yuyv422"  # what recordings of early devices call 16 bits, least significant byte first


@dataclass(frozen=True)
class Track:
    """A track of images.

    Attributes:
        number: its place among the streams.
        name: its title, or "track 2".
        width: pixels per row.
        height: rows.
        code: libavformat's name of what its images are stored in: "mjpeg", "rawvideo", "h264".
        pixels: libavformat's name of what a pixel is, or an empty text.
        tags: of the track.
        rate: images per second, or None.
    """

    number: int
    name: str
    width: int
    height: int
    code: str
    pixels: str
    tags: Mapping[str, str]
    rate: float | None

    def __str__(self) -> str:
        """Return what people call it."""
        code = self.pixels if self.code == "rawvideo" else self.code
        return f"{self.name} ({self.width} x {self.height}, {code})"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height

    @property
    def depth_order(self) -> str | None:
        """Order of the bytes of depth that is stored as it is: "big", "little", or None where it is to be decoded."""
        if self.code != "rawvideo":
            return None
        if self.pixels == "gray16be":
            return "big"
        return "little" if self.pixels == _EARLY_DEPTH and self._called("DEPTH") else None

    @property
    def is_depth(self) -> bool:
        """Whether it may hold depth: its name or a tag says so, or its pixels are 16 bits and it is not infrared."""
        return self._called("DEPTH") or (self.pixels.startswith("gray16") and not self._called(*_INFRARED))

    @property
    def is_colour(self) -> bool:
        """Whether it may hold colour."""
        grey = self.pixels.startswith("gray")
        return self._called("COLOR") or not (grey or self.is_depth or self._called(*_INFRARED))

    def _called(self, *names: str) -> bool:
        return self.name.upper() in names or any(f"K4A_{name}_TRACK" in self.tags for name in names)


def tracks_of(container: Any) -> list[Track]:
    """Return the tracks of images of an open container."""
    found = []
    for stream in container.streams.video:
        code = stream.codec_context
        if code is None:
            continue
        found.append(
            Track(
                stream.index,
                stream.metadata.get("title") or f"track {stream.index}",
                code.width,
                code.height,
                code.name,
                code.pix_fmt or "",
                dict(stream.metadata),
                float(stream.average_rate) if stream.average_rate else None,
            )
        )
    return found


def colour_and_depth(path: Path, tracks: Sequence[Track], options: ReadOptions) -> tuple[Track, Track]:
    """Return the tracks of colour and depth.

    Args:
        path: of the file, for messages.
        tracks: all of images.
        options: may name them, by title or number.

    Raises:
        RecordingError: there is none of a kind, or none of the name.
    """
    held = ", ".join(str(track) for track in tracks) or "no images"
    found = []
    for kind, wanted in (("colour", options.colour), ("depth", options.depth)):
        fitting = [track for track in tracks if (track.is_depth if kind == "depth" else track.is_colour)]
        if wanted is not None:
            fitting = [track for track in tracks if wanted.lower() in (track.name.lower(), str(track.number))]
            if not fitting:
                raise RecordingError(f"{path} holds no track {wanted!r}, it holds {held}; name one of these")
        if not fitting:
            raise RecordingError(f"{path} holds no {kind}, it holds {held}; expected tracks named COLOR and DEPTH")
        found.append(max(fitting, key=lambda track: track.name.upper() in ("COLOR", "DEPTH")))
    return found[0], found[1]
