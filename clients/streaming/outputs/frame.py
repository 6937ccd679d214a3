"""What every writer of results gets: a frame, its images as they were recorded, and the result."""

from __future__ import annotations

import abc
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.errors import InputError, OutputError
from crosswire.clients.tasks.segmentation import OPACITY, Segmentation
from crosswire.contract.wire_names import ASPECT_TOLERANCE
from crosswire.media.cameras.camera import Lens
from crosswire.media.orientation import UPRIGHT, orientation_of, upright
from crosswire.media.registration import View, registration_problem


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame of a stream with its result.

    Attributes:
        index: its place in the recording, from 0.
        time_s: when it was taken, seconds after the first.
        stamp_ns: the same on the recording's own clock, nanoseconds.
        result: its labels, of the colour image's size.
        colour: pixels, uint8 [H, W, 3], or the bytes of an image file; None takes what was sent.
        depth: metres in the colour camera, float32 of any size, 0 where there is no reading; None where nobody knows.
        latency_ms: from its arrival to its result, or None.
    """

    index: int
    time_s: float
    stamp_ns: int
    result: Segmentation
    colour: NDArray[np.uint8] | bytes | None = None
    depth: NDArray[np.float32] | None = None
    latency_ms: float | None = None

    @property
    def encoded(self) -> bytes | None:
        """The colour image as a JPEG or PNG file, where it is one that needs no turning; else None."""
        data = self.result.rgb if self.colour is None else self.colour
        if not isinstance(data, bytes):
            return None
        with Image.open(io.BytesIO(data)) as image:
            return data if image.format in ("JPEG", "PNG") and orientation_of(image) == UPRIGHT else None

    @cached_property
    def rgb(self) -> NDArray[np.uint8] | None:
        """Colour, uint8 [H, W, 3], RGB, decoded when it is asked for; None without a colour image."""
        data = self.result.rgb if self.colour is None else self.colour
        if data is None or isinstance(data, np.ndarray):
            return data
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(upright(image, orientation_of(image)).convert("RGB"))

    @cached_property
    def overlay(self) -> Image.Image:
        """The class colours over the image, over shades of grey for depth alone."""
        if self.rgb is None or self.result.overlay_png is not None:
            return self.result.overlay()
        return blend_labels(Image.fromarray(self.rgb), self.result.labels, self.result.palette, OPACITY)

    @cached_property
    def readings(self) -> NDArray[np.float32]:
        """Depth of the labels' pixels, float32 [H, W], metres; 0 where there is no reading.

        Raises:
            InputError: there is no depth in the colour camera.
        """
        if self.depth is None:
            raise InputError(f"frame {self.index} has no depth in metres; points need colour and depth")
        (height, width), (rows, columns) = self.result.labels.shape, self.depth.shape
        views = View("the image", (width, height)), View("depth", (columns, rows))
        if problem := registration_problem(*views, ASPECT_TOLERANCE):
            raise InputError(f"frame {self.index}: {problem}; give the calibration with --camera FILE")
        depth = self.depth
        if depth.shape != self.result.labels.shape:  # the same view at another size: the nearest reading
            depth = depth[np.arange(height)[:, None] * rows // height, np.arange(width) * columns // width]
        return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


@dataclass(frozen=True)
class StreamFacts:
    """What writers know of a stream before its first frame.

    Attributes:
        lens: of the colour camera, or None where nobody knows.
        rate: frames per second, a hint; None where only reading tells.
        source: the recording, for people.
    """

    lens: Lens | None = None
    rate: float | None = None
    source: str = ""

    def lens_for(self, labels: NDArray[np.uint8]) -> Lens | None:
        """Return the lens that the labels were seen through, or None where nobody knows.

        A lens of another size than the image is scaled where both have one aspect ratio.

        Raises:
            InputError: they have not.
        """
        height, width = labels.shape
        if self.lens is None or self.lens.size == (width, height):
            return self.lens
        views = View("the colour camera", self.lens.size), View("the image", (width, height))
        if registration_problem(*views, ASPECT_TOLERANCE):
            raise InputError(
                f"the colour camera is {self.lens.width} x {self.lens.height}, the images are {width} x {height}; give "
                "the calibration of this recording with --camera FILE"
            )
        return self.lens.scaled(width, height)


class ResultWriter(abc.ABC):
    """Writes results in the order of frames; a context manager that completes its file at the end.

    What was written before an error stays readable.

    Attributes:
        confident: whether it writes how certain each label is, so that the server is to be asked for it.
    """

    confident: ClassVar[bool] = False

    @abc.abstractmethod
    def add(self, frame: LabelledFrame) -> None:
        """Write one frame.

        Raises:
            InputError: the frame lacks what this form needs.
            OutputError: it cannot be written.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Complete the file; nothing where it is complete.

        Raises:
            OutputError: it cannot be written.
        """

    def __enter__(self) -> ResultWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file."""
        self.close()


@contextlib.contextmanager
def told(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Turn errors of the system, and those of a library, into `OutputError`."""
    errors: tuple[type[Exception], ...] = (OSError, *more)
    try:
        yield
    except errors as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {path} ({reason}); name a place that you may write to") from error
