"""Frames of a recording as a folder to label: pairs of one moment, depth in the colour camera, one unit throughout."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.contract.atomic_write import write_bytes, write_json, write_text
from crosswire.contract.errors import UsageError
from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.media.depth_numbers import STORED, whole_depth
from crosswire.media.orientation import UPRIGHT, orientation_of
from crosswire.media.plain_png import plain_png
from crosswire.media.recordings.recording import FrameError, RecordedFrame, Recording, RecordingError
from crosswire.training.datasets.folder import MANIFEST, Manifest

CAMERA, HINT = "camera.json", "LABELLING.txt"
_UNITS, _FARTHEST = 1000.0, 65534
_ROUNDING = 0.02
_SMALL = (32, 24)
_ALIKE = 2.0  # grey levels between small images of two frames


@dataclass(frozen=True)
class Choice:
    """Which frames are taken.

    Attributes:
        every_s: seconds between one and the next; 0 takes all.
        limit: most frames, or None.
        sharpest: whether the sharpest of the frames between two moments is taken instead of the first.
        moved: whether a frame that looks like the one taken before is left out.
    """

    every_s: float = 1.0
    limit: int | None = None
    sharpest: bool = False
    moved: bool = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: one of them makes no sense.
        """
        if not 0 <= self.every_s < float("inf"):
            raise UsageError(f"got --every {self.every_s:g}, expected seconds, 0 for every frame; try 0.5")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"got --limit {self.limit}, expected 1 or more; leave it out for all")
        if self.sharpest and not self.every_s:
            raise UsageError("--sharpest chooses among frames between two moments; say --every SECONDS, too")


@dataclass(frozen=True)
class Extracted:
    """What was written.

    Attributes:
        stems: names of the frames, in the order of time.
        units_per_metre: what one metre counts in their depth.
        size: width and height, of the last frame.
        alike: frames that were left out because they looked like the one before.
        too_far: readings beyond what 16 bits hold in this unit; they became no reading.
        damaged: why frames were left out whose images cannot be read.
    """

    stems: tuple[str, ...]
    units_per_metre: float
    size: tuple[int, int]
    alike: int
    too_far: int
    damaged: tuple[str, ...] = ()


def chosen(frames: Iterable[RecordedFrame], every_s: float, *, sharpest: bool = False) -> Iterator[RecordedFrame]:
    """Yield one frame of every stretch of time; stretches begin with the first frame.

    Args:
        frames: in the order of time.
        every_s: length of a stretch, seconds; 0 yields all frames.
        sharpest: whether the sharpest of a stretch is taken instead of the first.
    """
    best: RecordedFrame | None = None
    place, sharp = -1, 0.0
    for frame in frames:
        if not every_s:
            yield frame
            continue
        stretch = int(frame.time_s / every_s + 1e-6)
        if stretch == place and not sharpest:
            continue
        found = _sharpness_of(frame) if sharpest else 0.0
        if stretch == place:
            best, sharp = (frame, found) if found > sharp else (best, sharp)
            continue
        if best is not None:
            yield best
        best, place, sharp = frame, stretch, found
        if not sharpest:
            yield frame
            best = None
    if best is not None:
        yield best


def sharpness(rgb: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of an image, uint8 [H, W, 3]: small where it is blurred."""
    grey = rgb.mean(axis=2, dtype=np.float32)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var()) if laplacian.size else 0.0


def extract(
    recording: Recording,
    to: Path,
    classes: Sequence[str],
    choice: Choice,
    *,
    camera: RgbdCamera | None = None,
    units_per_metre: float | None = None,
) -> Extracted:
    """Write frames of a recording as a folder without labels, with manifest, camera and a text that says what to label.

    Args:
        recording: is read from its beginning.
        to: the folder.
        classes: names in the order of their values.
        choice: which frames.
        camera: counts instead of the recording's; None for that.
        units_per_metre: of depth, where somebody says it.

    Raises:
        UsageError: no frame came, or depth does not lie in the colour camera and nobody says how the cameras stand.
        RecordingError: the recording is damaged; what came before is written.
        OSError: a file cannot be written.
    """
    given = camera or recording.camera
    moving = given if given is not None and not given.registered and (camera or not recording.registered) else None
    writer = _Writer(to, moving, units_per_metre, choice)
    damaged: list[str] = []
    try:
        for frame in chosen(_readable(recording, damaged), choice.every_s, sharpest=choice.sharpest):
            try:
                writer.take(frame)
            except RecordingError as error:
                damaged.append(str(error))
            if choice.limit is not None and len(writer.stems) >= choice.limit:
                break
    finally:
        if writer.stems:
            done = replace(writer.extracted(), damaged=tuple(damaged))
            manifest = Manifest(classes=tuple(classes), depth_units_per_metre=done.units_per_metre)
            said = {"classes": list(manifest.classes), "depth_units_per_metre": done.units_per_metre}
            write_json(to / MANIFEST, said)
            (to / "labels").mkdir(exist_ok=True)
            write_text(to / HINT, labelling_hint(to, manifest, done))
            if given is not None:
                lens = given.colour.scaled(*done.size) if given.colour.size != done.size else given.colour
                write_text(to / CAMERA, RgbdCamera(lens, lens).to_json() + "\n")
    if not writer.stems:
        raise UsageError(f"{recording.path} has no pair of colour and depth; see: crosswire recording {recording.path}")
    return done


def _readable(recording: Recording, damaged: list[str]) -> Iterator[RecordedFrame]:
    """Yield the frames whose images can be read; why others cannot goes into a list."""
    for one in recording.frames_or_errors():
        if isinstance(one, FrameError):
            damaged.append(str(one))
        else:
            yield one


def _sharpness_of(frame: RecordedFrame) -> float:
    """Return how sharp a frame is; one whose colour is damaged is the last to be taken."""
    try:
        return sharpness(frame.rgb)
    except RecordingError:
        return -1.0


def labelling_hint(to: Path, manifest: Manifest, done: Extracted) -> str:
    """Return what somebody who labels has to know."""
    width, height = done.size
    values = "\n".join(f"  {value:3}  {name}" for value, name in zip(manifest.stored, manifest.classes, strict=True))
    return f"""Paint what every pixel of rgb/ shows into an image of the same name in labels/:

  rgb/{done.stems[0]}.*  ->  labels/{done.stems[0]}.png

8-bit PNG with one channel or a palette, {width} x {height} pixels, no smoothing, no borders. A pixel holds one of

{values}
  {manifest.unlabelled}  nobody knows: not learnt from, not scored

Frames without a label file are refused: delete their files in rgb/ and depth/, or list those to use in train.txt,
val.txt and test.txt. Neighbours in time are alike: without lists the first 80 % are trained on, the rest is to validate
and to test with.

Where a server knows these classes, begin with what it says, and correct that:

  crosswire batch {to} pre-labels --pipeline NAME --url grpc://127.0.0.1:8001
  cp pre-labels/labels/*.png {to}/labels/

Then: crosswire check-data {to}
"""


class _Writer:
    """Writes frames one after the other."""

    def __init__(self, to: Path, moving: RgbdCamera | None, units: float | None, choice: Choice) -> None:
        self.stems: list[str] = []
        self._to, self._moving, self._units, self._choice = to, moving, units, choice
        self._size = (0, 0)
        self._before: NDArray[np.int16] | None = None
        self._alike = self._too_far = 0

    def take(self, frame: RecordedFrame) -> None:
        """Write a frame, unless it is left out."""
        if self._choice.moved and self._looks_alike(frame.rgb):
            self._alike += 1
            return
        depth = self._registered(frame)
        if self._units is None:
            self._units = stored_unit(frame.depth)
        whole = np.rint(np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float64) * self._units)
        self._too_far += int(np.count_nonzero(whole > _FARTHEST))
        numbers = np.where(whole > _FARTHEST, 0, whole).astype(np.uint16)
        stem = f"{frame.index:06}_{frame.stamp_ns}"
        ending, data = colour_file(frame)
        write_bytes(self._to / "rgb" / f"{stem}{ending}", data)
        write_bytes(self._to / "depth" / f"{stem}.png", plain_png(numbers, compress=True))
        self._size = frame.rgb.shape[1], frame.rgb.shape[0]
        self.stems.append(stem)

    def extracted(self) -> Extracted:
        """Return what was written so far."""
        return Extracted(tuple(self.stems), self._units or _UNITS, self._size, self._alike, self._too_far)

    def _registered(self, frame: RecordedFrame) -> NDArray[np.float32]:
        """Return depth in the colour camera, of the size of the colour image."""
        height, width = frame.rgb.shape[:2]
        if self._moving is not None:
            try:
                return np.asarray(register_depth(frame.depth, self._moving, size=(width, height)))
            except CameraError as error:
                raise UsageError(f"frame {frame.index}: {error}; --camera FILE gives another calibration") from error
        rows, columns = frame.depth.shape
        if (rows, columns) == (height, width):
            return frame.depth
        if abs(columns * height - rows * width) > max(width, height):
            raise UsageError(
                f"depth is {columns} x {rows}, colour {width} x {height}, and nobody says how the cameras stand; give "
                "their calibration with --camera FILE"
            )
        nearest = np.arange(height)[:, None] * rows // height, np.arange(width) * columns // width
        scaled: NDArray[np.float32] = frame.depth[nearest]
        return scaled

    def _looks_alike(self, rgb: NDArray[np.uint8]) -> bool:
        """Say whether a frame looks like the one that was taken before; if not, it is the one before from now on."""
        small = np.asarray(Image.fromarray(rgb).convert("L").resize(_SMALL, Image.Resampling.BOX), np.int16)
        alike = self._before is not None and float(np.abs(small - self._before).mean()) < _ALIKE
        if not alike:
            self._before = small
        return alike


def stored_unit(depth: NDArray[np.float32]) -> float:
    """Return the usual unit in which depth is whole numbers, per metre; millimetres where it is in none."""
    numbers, unit = whole_depth(depth)
    off = np.abs(np.where(np.isfinite(depth), depth, 0).clip(0) * np.float32(unit) - numbers).max(initial=0)
    return unit if unit in STORED and off <= _ROUNDING else _UNITS


def colour_file(frame: RecordedFrame) -> tuple[str, bytes]:
    """Return ending and bytes of a frame's colour image: the stored file, where it needs no turning."""
    if isinstance(frame.colour, bytes):
        with Image.open(io.BytesIO(frame.colour)) as image:
            if orientation_of(image) == UPRIGHT and image.mode in ("RGB", "L"):
                return (".jpg" if image.format == "JPEG" else ".png"), frame.colour
    return ".png", plain_png(frame.rgb, compress=True)
