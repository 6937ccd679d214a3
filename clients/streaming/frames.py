"""The frames of a stream and their moments, of a folder, a recording or a camera."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from crosswire.clients.batch.items import find_items
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.recordings import Pairing
from crosswire.clients.recorded.open import RecordedPairs
from crosswire.clients.recorded.pairs import RecordedPair
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEPTH_IMAGE, RGB_IMAGE
from crosswire.media.cameras.camera import Lens

FOLDER_RATE = 30.0
_PAIR = (RGB_IMAGE, DEPTH_IMAGE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One pair of images.

    Attributes:
        index: its place in the sequence, from 0.
        name: its name: the time stamp as it is written, or the stem; index and time stamp of a recording's frame.
        time_s: when it was taken, seconds after the first.
        rgb: colour file, or None for a frame of a recording.
        depth: depth file, or None likewise.
        stamp_ns: when the colour of a recording's frame was taken, on the recording's clock, nanoseconds; else None.
        depth_stamp_ns: when its depth was taken, likewise.
        pair: the images of a recording's frame, until its result was delivered; else None.
    """

    index: int
    name: str
    time_s: float
    rgb: Path | None = None
    depth: Path | None = None
    stamp_ns: int | None = None
    depth_stamp_ns: int | None = None
    pair: RecordedPair | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, pair: RecordedPair) -> Frame:
        """Return the frame of a recording's pair."""
        one = pair.recorded
        return cls(one.index, pair.name, one.time_s, None, None, one.stamp_ns, one.depth_stamp_ns, pair)

    def origin(self) -> dict[str, Any]:
        """Return its files, or its time stamps in a recording, as plain JSON types."""
        if self.stamp_ns is None:
            return {"rgb": str(self.rgb), "depth": str(self.depth)}
        return {"stamp_ns": self.stamp_ns, "depth_stamp_ns": self.depth_stamp_ns}

    def without_images(self) -> Frame:
        """Return what is kept of a frame when its images are no longer needed."""
        return self if self.pair is None else replace(self, pair=None)


class FrameSource(Protocol):
    """Where the frames of a stream come from: each is made when it is asked for."""

    @property
    def live(self) -> bool:
        """Whether frames come by themselves, so that no pace is kept."""

    @property
    def unmatched(self) -> int:
        """Images without a partner so far."""

    @property
    def rate(self) -> float:
        """Frames per second, as a hint."""

    @property
    def lens(self) -> Lens | None:
        """The colour camera's, or None where nobody knows it."""

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known of the frames before the first one."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is to know of it at the end."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield all frames in the order of time.

        Raises:
            CrosswireError: no more can be read; those before are good.
        """


@dataclass(frozen=True)
class FolderFrames:
    """The frames of a folder, all found beforehand.

    Attributes:
        frames: in the order of time.
        unmatched: images without a partner: of the same name, or close enough in time to a colour image.
        units_per_metre: what one metre counts in its depth files, or None if the layout does not say.
        notes: what the user is to know of it.
    """

    frames: tuple[Frame, ...]
    unmatched: int
    units_per_metre: float | None
    notes: tuple[str, ...] = ()
    live = False
    lens: Lens | None = None
    facts: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Frames per second: one over the median time between frames."""
        gaps = [after.time_s - before.time_s for before, after in zip(self.frames, self.frames[1:], strict=False)]
        middle = statistics.median(gaps) if gaps else 0.0
        return 1 / middle if middle > 0 else FOLDER_RATE

    def __iter__(self) -> Iterator[Frame]:
        """Yield all frames."""
        return iter(self.frames)


class RecordedFrames(RecordedPairs):
    """The frames of a recording or of a camera, read while they are played."""

    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Frame]:
        """Yield all frames.

        Raises:
            RecordingError: the recording is damaged here; the frames before are good.
            InputError: depth cannot lie on colour.
        """
        with closing(self.pairs()) as pairs:
            yield from map(Frame.of, pairs)


def read_sequence(folder: Path, pipeline: PipelineDescription, pairing: Pairing | None = None) -> FolderFrames:
    """Find the frames of a folder.

    Args:
        folder: in TUM's layout, or with `rgb/` and `depth/`, see `crosswire.clients.batch.items`.
        pipeline: whom the frames are for.
        pairing: how images of a recording become pairs; None for the usual way.

    Raises:
        InputError: it is neither, holds several recordings, or there is no pair.
    """
    found = find_items(folder, pipeline, pairing)
    if found.recordings > 1:
        raise InputError(f"{folder} holds {found.recordings} recordings; name one of them, or label all with `batch`")
    whole = [item for item in found.items if not item.problem and set(_PAIR) <= set(item.files)]
    if not whole:
        raise InputError(
            f"{folder} holds no pair of images with equal names in rgb/ and depth/; a stream needs both, "
            "`batch` asks about one alone where the pipeline can do without the other"
        )
    times = [index / FOLDER_RATE if item.time_s is None else item.time_s for index, item in enumerate(whole)]
    frames = [
        Frame(index, item.stem, time - times[0], item.files[RGB_IMAGE], item.files[DEPTH_IMAGE])
        for index, (item, time) in enumerate(zip(whole, times, strict=True))
    ]
    return FolderFrames(
        tuple(frames), found.unmatched + len(found.items) - len(whole), found.units_per_metre, found.notes
    )
