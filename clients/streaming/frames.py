"""The frames of a stream and their moments."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from crosswire.clients.batch.items import find_items
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.recordings import Pairing
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEPTH_IMAGE, RGB_IMAGE

FOLDER_RATE = 30.0
_PAIR = (RGB_IMAGE, DEPTH_IMAGE)


@dataclass(frozen=True)
class Frame:
    """One pair of images.

    Attributes:
        index: its place in the sequence, from 0.
        name: its name: the time stamp as it is written, or the stem.
        time_s: when it was taken, seconds after the first.
        rgb: colour file.
        depth: depth file.
    """

    index: int
    name: str
    time_s: float
    rgb: Path
    depth: Path


@dataclass(frozen=True)
class Recording:
    """A recording.

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

    @property
    def rate(self) -> float:
        """Frames per second: one over the median time between frames."""
        gaps = [after.time_s - before.time_s for before, after in zip(self.frames, self.frames[1:], strict=False)]
        middle = statistics.median(gaps) if gaps else 0.0
        return 1 / middle if middle > 0 else FOLDER_RATE


def read_sequence(folder: Path, pipeline: PipelineDescription, pairing: Pairing | None = None) -> Recording:
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
        Frame(index, item.stem, time - times[0], *(item.files[name] for name in _PAIR))
        for index, (item, time) in enumerate(zip(whole, times, strict=True))
    ]
    return Recording(tuple(frames), found.unmatched + len(found.items) - len(whole), found.units_per_metre, found.notes)
