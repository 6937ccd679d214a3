"""How much of a network's decisions is left when its inputs get worse: holes and noise in depth, absent streams.

Frames are changed as they are stored, before anything else happens to them, and depend on the seed and their number
alone: the same command has the same scores.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crosswire.contract.errors import UsageError
from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import Frame, FrameSource
from crosswire.training.datasets.holes import with_holes
from crosswire.training.datasets.sensors.kinect_v1 import axial_deviation
from crosswire.training.engine.run_folder import Run
from crosswire.training.modalities import MODALITIES, Modality, modalities
from crosswire.training.models import Decisions, single_stream
from crosswire.training.tasks.segmentation.metrics import Scores
from crosswire.training.tasks.segmentation.scoring.score_frames import Decide, score_frames
from crosswire.training.tasks.segmentation.scoring.tta import decide
from crosswire.training.tasks.segmentation.transforms import unknown

Image: TypeAlias = NDArray[np.generic]
ABSENT = "absent"
_ALLOWED = "depth-blocks=SHARE (0 to 1), depth-noise=TIMES (0 or more), depth-absent, rgb-absent"


@dataclass(frozen=True)
class Degradation:
    """One way in which frames get worse.

    Attributes:
        modality: name of the images that change.
        kind: `blocks`, `noise` or `absent`.
        amount: share of the pixels that go missing, or how many times a sensor's noise is added; unused by `absent`.
    """

    modality: str
    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        """Return it as a command line has it."""
        return f"{self.modality}-{self.kind}" + ("" if self.kind == ABSENT else f"={self.amount:g}")


def degradations(words: Sequence[str], streams: Sequence[str]) -> list[Degradation]:
    """Read degradations as a command line has them: `depth-blocks=0.5`, `depth-noise=4`, `rgb-absent`.

    Args:
        words: none for half and four fifths of depth missing, four times the noise, and each of several streams absent.
        streams: names of the network's.

    Raises:
        UsageError: an unknown one, or one that this network has no stream for.
    """
    if not words:
        depth = [Degradation("depth", "blocks", 0.5), Degradation("depth", "blocks", 0.8)]
        depth.append(Degradation("depth", "noise", 4.0))
        absent = [Degradation(name, ABSENT) for name in dict.fromkeys(streams) if len(streams) > 1]
        return [*(depth if "depth" in streams else []), *absent]
    found = [_read(word) for word in words]
    for one in found:
        if one.modality not in streams:
            raise UsageError(f"{one} changes {one.modality}; this network sees {', '.join(streams)}")
        if one.kind == ABSENT and len(streams) < 2:
            raise UsageError(f"{one} leaves nothing to this network of one stream; leave it out")
    return found


def score_degraded(
    run: Run,
    source: FrameSource,
    wanted: Sequence[Degradation],
    *,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, dict[str, Scores]]:
    """Return the scores by degradation, as `score_frames` has them.

    A stream that is absent leaves the decision to the other one alone, as a server with a graph for it answers. Where
    the network mixes its streams, or has more than two, it is filled with "no reading" or the mean colour instead.

    Args:
        run: the trained network.
        source: the frames as they are.
        wanted: what happens to them.
        scales: of test-time augmentation.
        flip: also mirrored.
        seed: of noise and blocks.
        progress: show how far it is.
    """
    streams, found = modalities(run.config.network), {}
    how = partial(decide, scales=scales, flip=flip)
    whole = (lambda inputs: how(run.network, inputs, streams)), run.config.network.deciding
    for one in wanted:
        chosen, deciding = _left_alone(run, one, how) or whole
        changed = next(stream for stream in streams if stream.name == one.modality)
        worse = DegradedFrames(source, one, changed, seed)
        found[str(one)] = score_frames(run, worse, chosen, deciding, f"scoring {one}", progress=progress)
    return found


class DegradedFrames:
    """Frames that got worse.

    Args:
        source: the frames as they are.
        degradation: what happens to them.
        modality: of the images that change.
        seed: of what is drawn.
    """

    def __init__(self, source: FrameSource, degradation: Degradation, modality: Modality, seed: int) -> None:
        self.source = source
        self.classes = source.classes
        self.palette = source.palette
        self.degradation = degradation
        self.modality = modality
        self.seed = seed

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.source)

    def __getitem__(self, index: int) -> Frame:
        """Return one frame, worse."""
        frame, name = self.source[index], self.modality.name
        random = np.random.default_rng((self.seed, zlib.crc32(str(self.degradation).encode()), index))
        change = _CHANGES[self.degradation.kind]
        image = change(frame.pictures[name], self.modality, self.degradation.amount, random)
        return Frame({**frame.pictures, name: image}, frame.labels)


def _blocks(image: Image, modality: Modality, share: float, random: np.random.Generator) -> Image:
    """Leave a share of square blocks without a reading."""
    return with_holes(image, modality.missing or 0, share, random)


def _noise(image: Image, modality: Modality, times: float, random: np.random.Generator) -> Image:
    """Add Gaussian noise to readings: of metres so many times that of a first Kinect, else so many percent.

    `axial_deviation` has that sensor's. Percent are of the median reading of the frame.
    """
    values = np.asarray(image, np.float32)
    readings = values != (modality.missing or 0)
    if modality.unit == MODALITIES["depth"].unit:
        deviation = axial_deviation(values, np.ones_like(values))
    else:
        deviation = np.full_like(values, 0.01 * np.median(values[readings]) if readings.any() else 0.0)
    noisy = values + times * deviation * random.standard_normal(values.shape).astype(np.float32)
    least = np.float32(1e-3)  # stays a reading
    return np.where(readings, np.maximum(noisy, least), values).astype(image.dtype)


def _absent(image: Image, modality: Modality, amount: float, random: np.random.Generator) -> Image:
    """Replace the whole image by "nothing is known here"."""
    value = np.rint(unknown(modality.name)).astype(image.dtype)
    return np.broadcast_to(value if image.ndim == 3 else value[0], image.shape)


_CHANGES: dict[str, Callable[[Image, Modality, float, np.random.Generator], Image]] = {
    "blocks": _blocks,
    "noise": _noise,
    ABSENT: _absent,
}


def _read(word: str) -> Degradation:
    """Read one degradation.

    Raises:
        UsageError: it is none.
    """
    name, _, text = word.partition("=")
    modality, _, kind = name.partition("-")
    if kind == ABSENT and modality in MODALITIES and not text:
        return Degradation(modality, ABSENT)
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    most = {"blocks": 1.0, "noise": float("inf")}.get(kind, -1.0)
    if modality != "depth" or not 0 <= amount <= most:
        raise UsageError(f"{word!r} is no degradation; allowed are {_ALLOWED}")
    return Degradation(modality, kind, amount)


def _left_alone(
    run: Run, degradation: Degradation, how: Callable[..., Decisions]
) -> tuple[Decide, tuple[str, ...]] | None:
    """Return how the stream that is left decides alone; None where none is absent or none can decide alone."""
    streams = run.config.network.streams
    if degradation.kind != ABSENT or len(streams) != 2:
        return None
    left = 1 - streams.index(degradation.modality)
    try:
        single_stream(run.network, left)
    except ConfigError:
        return None
    alone = cache(lambda: single_stream(run.network, left))  # made at its first use, on the device of the scoring
    seen = [modalities(run.config.network)[left]]
    return lambda inputs: how(alone(), [inputs[left]], seen), ()
