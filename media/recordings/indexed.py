"""Recordings whose pairs are known before any of them is read: folders, and files with a table of their frames."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.recordings.recording import Fact, Images, RecordedFrame, Recording, RecordingError, read_frame

#: What is taken for the time between two frames where no stamps are, nanoseconds.
THIRTY_A_SECOND_NS = 1e9 / 30


@dataclass(frozen=True)
class About:
    """What is known of a recording; see `Recording` for what is not said here.

    Attributes:
        format: as people call it.
        facts: what is known.
        camera: its calibration.
        registered: whether depth lies in the colour camera.
        unmatched: images without a partner.
        damage: why nothing can be read after the last pair, a sentence; empty where all is well.
    """

    format: str
    facts: tuple[Fact, ...] = ()
    camera: RgbdCamera | None = None
    registered: bool | None = None
    unmatched: int = 0
    damage: str = ""


class IndexedRecording(Recording):
    """A recording whose pairs are known: any of them is read without those before."""

    def __init__(
        self,
        path: Path,
        about: About,
        stamps: Sequence[tuple[int, int]],
        load: Callable[[int], Images],
        *,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            path: of the recording.
            about: what is known of it.
            stamps: when colour and depth of each pair were taken, nanoseconds, in the order of time.
            load: reads the images of a pair by its index; raises `RecordingError` where they are damaged.
            close: closes what `load` reads from; None where it opens and closes by itself.
        """
        self.path = path
        self.format, self.facts, self.camera = about.format, about.facts, about.camera
        self.registered, self._unmatched, self._damage = about.registered, about.unmatched, about.damage
        self.count = len(stamps)
        self._stamps, self._load, self._close = stamps, load, close
        gaps = [after[0] - before[0] for before, after in pairwise(stamps)]
        middle = statistics.median(gaps) if gaps else 0
        self.rate = round(1e9 / middle, 4) if middle > 0 else None

    @property
    def unmatched(self) -> int:
        """How many images have no partner."""
        return self._unmatched

    def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
        """Yield the pairs from one on, in the order of time."""
        for index in range(start, len(self._stamps)):
            stamps = self._stamps[index]
            yield read_frame(index, 1e-9 * (stamps[0] - self._stamps[0][0]), stamps, partial(self._load, index))
        if self._damage:
            raise RecordingError(self._damage)

    def close(self) -> None:
        """Close what is open."""
        if self._close is not None:
            self._close()


def lens_of(matrix: npt.ArrayLike, size: tuple[int, int]) -> Lens:
    """Return the lens of an intrinsic matrix.

    Args:
        matrix: 3 x 3 or more, [[fx, 0, cx], [0, fy, cy], ...].
        size: width and height of the images, pixels.

    Raises:
        CameraError: the numbers make no sense.
    """
    rows = np.asarray(matrix, np.float64)
    return Lens(*size, float(rows[0, 0]), float(rows[1, 1]), float(rows[0, 2]), float(rows[1, 2]))


def unit_words(units_per_metre: float) -> str:
    """Return in words what stored depth counts."""
    return "metres" if units_per_metre == 1 else f"{units_per_metre:g} units per metre"


def even_stamps(count: int) -> list[tuple[int, int]]:
    """Return the stamps of frames that have none: 30 a second, nanoseconds."""
    return [(stamp, stamp) for stamp in (round(index * THIRTY_A_SECOND_NS) for index in range(count))]


def no_stamps(why: str) -> Fact:
    """Return the fact that goes with `even_stamps`."""
    return Fact("time", "30 frames per second", why, guessed=True)
