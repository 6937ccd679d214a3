"""What every format of recordings is read as: pairs of colour and depth, and what is known of them."""

from __future__ import annotations

import abc
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.errors import CrosswireError
from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.orientation import orientation_of, upright

LONGEST_GAP_S = 0.02
#: Pixels of an image; what claims more is damaged, or made to fill the memory.
MOST_PIXELS = 1 << 26
#: What Pillow raises where an image is damaged or claims to be huge.
IMAGE_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class RecordingError(CrosswireError, ValueError):
    """A recording cannot be read, or holds no pair of colour and depth."""


@dataclass(frozen=True)
class ReadOptions:
    """How a recording is read where it leaves a choice.

    Attributes:
        colour: the topic or track of colour; None for the one that its type and name suggest.
        depth: the topic or track of depth; None likewise.
        units_per_metre: what one metre counts in stored depth; None for what the format says, or a guess.
        longest_gap_s: how far the time stamps of a pair may lie apart, seconds.
    """

    colour: str | None = None
    depth: str | None = None
    units_per_metre: float | None = None
    longest_gap_s: float = LONGEST_GAP_S


@dataclass(frozen=True)
class Fact:
    """Something that is known of a recording.

    Attributes:
        what: is known: "depth unit", "no reading", "registration", "colour", ...
        value: in words.
        origin: who says so, continuing "as ...": "the encoding 16UC1 says"; for a guess its reason.
        guessed: whether nobody says so.
    """

    what: str
    value: str
    origin: str
    guessed: bool = False

    def __str__(self) -> str:
        """Return one line of text."""
        return f"{self.what}: {self.value}, {'a guess: ' if self.guessed else 'as '}{self.origin}"


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """A pair of colour and depth.

    Attributes:
        index: place in the recording, from 0.
        time_s: when its colour was taken, seconds after the first pair.
        stamp_ns: the same on the recording's own clock, nanoseconds.
        depth_stamp_ns: when its depth was taken, on the same clock.
        colour: pixels, uint8 [H, W, 3], or the bytes of a JPEG or PNG file as they are stored.
        depth: metres, float32 [H, W], 0 where there is no reading; its size may differ from that of colour.
    """

    index: int
    time_s: float
    stamp_ns: int
    depth_stamp_ns: int
    colour: npt.NDArray[np.uint8] | bytes
    depth: npt.NDArray[np.float32]

    @cached_property
    def rgb(self) -> npt.NDArray[np.uint8]:
        """Colour, uint8 [H, W, 3], RGB, decoded when it is asked for.

        Raises:
            RecordingError: the stored image is damaged.
        """
        if isinstance(self.colour, np.ndarray):
            return self.colour
        try:
            with Image.open(io.BytesIO(self.colour), formats=("JPEG", "PNG")) as image:
                return np.asarray(upright(image, orientation_of(image)).convert("RGB"))
        except IMAGE_ERRORS as error:
            raise RecordingError(f"the colour image of frame {self.index} cannot be read ({error})") from error


#: Colour as a frame has it, and depth in metres.
Images: TypeAlias = tuple[npt.NDArray[np.uint8] | bytes, npt.NDArray[np.float32]]


class FrameError(RecordingError):
    """The images of one frame cannot be read; those after it may be: `frames(error.frame.index + 1)`.

    Args:
        message: what is wrong with it.
        frame: its place and time stamps; its images are empty.
    """

    def __init__(self, message: str, frame: RecordedFrame) -> None:
        super().__init__(message)
        self.frame = frame


def read_frame(index: int, time_s: float, stamps_ns: tuple[int, int], read: Callable[[], Images]) -> RecordedFrame:
    """Return a frame.

    Args:
        index: its place.
        time_s: when its colour was taken, seconds after the first pair.
        stamps_ns: of colour and depth, nanoseconds.
        read: reads and decodes its images.

    Raises:
        FrameError: they are damaged.
    """
    try:
        return RecordedFrame(index, time_s, *stamps_ns, *read())
    except RecordingError as error:
        nothing = RecordedFrame(index, time_s, *stamps_ns, b"", np.zeros((0, 0), np.float32))
        raise FrameError(str(error), nothing) from error


class Recording(abc.ABC):
    """An open recording; a context manager, and iterable as often as wanted.

    Attributes:
        path: its file or folder.
        format: what it is, as people call it: "Azure Kinect MKV".
        facts: what is known of it, to be told before the first frame.
        camera: its calibration, or None where it has none.
        registered: whether depth lies in the colour camera; None where nobody knows.
        count: number of pairs, or None where only reading tells.
        rate: frames per second, or None.
    """

    path: Path
    format: str
    facts: tuple[Fact, ...] = ()
    camera: RgbdCamera | None = None
    registered: bool | None = None
    count: int | None = None
    rate: float | None = None

    @abc.abstractmethod
    def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
        """Yield the pairs from one on, in the order of time; those before are not decoded.

        Raises:
            FrameError: the images of a pair are damaged; those behind it may be good.
            RecordingError: the file is damaged here; what came before stays good.
        """

    def frames_or_errors(self, start: int = 0) -> Iterator[RecordedFrame | FrameError]:
        """Yield the pairs from one on, and in the place of one whose images are damaged why that is so.

        Raises:
            RecordingError: the file is damaged here; what came before stays good.
        """
        left: int | None = start
        while left is not None:
            try:
                yield from self.frames(left)
                left = None
            except FrameError as error:
                yield error
                left = error.frame.index + 1

    @property
    @abc.abstractmethod
    def unmatched(self) -> int:
        """How many images have had no partner so far."""

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Yield all pairs."""
        return self.frames()

    def __enter__(self) -> Recording:
        """Return the recording itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:  # noqa: B027  # most formats keep nothing open
        """Close what is open."""
