"""A frame of a recording as it is sent: depth moved into the colour camera, numbers as they were stored.

Colour travels as the JPEG or PNG file that the recording holds, pixels as PNG. Depth travels as a 16-bit PNG in a unit
in which its stored numbers survive, see `crosswire.media.depth_numbers`; what was moved has new numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.images import EncodedImage, check_registered, colour_image
from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.media.depth_numbers import whole_depth
from crosswire.media.plain_png import plain_png
from crosswire.media.recordings.recording import Fact, RecordedFrame, Recording


@dataclass(frozen=True)
class Registration:
    """How depth of a recording comes into its colour camera.

    Attributes:
        camera: what it is moved by, or None where it is sent as it is.
        fact: the same in words.
        lens: of the colour camera, or None where nobody knows it.
    """

    camera: RgbdCamera | None
    fact: Fact
    lens: Lens | None = None


def registration_of(recording: Recording, given: RgbdCamera | None, register: bool = True) -> Registration:
    """Decide how depth comes into the colour camera.

    Args:
        recording: whose depth it is.
        given: a camera that counts instead of the recording's, or None.
        register: whether depth may be moved at all.
    """
    camera = given or recording.camera
    lens = None if camera is None else camera.colour
    if not register:  # the colour lens says nothing of depth that lies elsewhere
        lies = recording.registered or (camera is not None and camera.registered)
        return Registration(None, Fact("sent", "depth as it is", "asked for"), lens if lies else None)
    if given is None and recording.registered:
        return Registration(None, Fact("sent", "depth as it is", "it lies in the colour camera"), lens)
    if camera is None:
        told = Fact("sent", "depth as it is", "nobody says how the cameras stand: --camera FILE does", guessed=True)
        return Registration(None, told)
    origin = "the recording's calibration says" if given is None else "the given camera says"
    if camera.registered:
        return Registration(None, Fact("sent", "depth as it is", f"{origin}: both cameras are one"), lens)
    size = f"{camera.colour.width} x {camera.colour.height}"
    return Registration(camera, Fact("sent", f"depth moved into the colour camera, {size}", origin), lens)


@dataclass(frozen=True)
class SentPair:
    """The files of a pair.

    Attributes:
        rgb: bytes of a JPEG or PNG.
        depth: bytes of a 16-bit PNG.
        units_per_metre: what one metre counts in it.
    """

    rgb: bytes
    depth: bytes
    units_per_metre: float


@dataclass(frozen=True, eq=False)
class RecordedPair:
    """A frame of a recording, and how it is sent.

    Attributes:
        recorded: the frame as it was read.
        registration: how its depth comes into the colour camera.
        units: the unit that depth was stored in, where somebody says it.
        compress: whether pixels are made smaller on their way.
        problem: why its images cannot be read, or an empty text.
    """

    recorded: RecordedFrame
    registration: Registration
    units: float | None = None
    compress: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """Place and time stamp: `000012_1690000000123456789`."""
        return f"{self.recorded.index:06}_{self.recorded.stamp_ns}"

    @cached_property
    def depth(self) -> npt.NDArray[np.float32]:
        """Depth as it is sent, metres, float32 [H, W]; 0 is no reading.

        Raises:
            InputError: the camera is not that of the recording.
        """
        if self.registration.camera is None:
            return self.recorded.depth
        try:
            return np.asarray(register_depth(self.recorded.depth, self.registration.camera, size=self.size))
        except CameraError as error:
            raise InputError(
                f"frame {self.recorded.index}: {error}; --camera FILE gives another calibration"
            ) from error

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the colour image, pixels.

        Raises:
            InputError: it cannot be sent.
        """
        return self._image.width, self._image.height

    @cached_property
    def _image(self) -> EncodedImage:
        """What the header of the colour image says."""
        colour = self.recorded.colour
        return colour_image(colour) if isinstance(colour, bytes) else EncodedImage(b"", *colour.shape[1::-1])

    @cached_property
    def registered(self) -> RecordedFrame:
        """The frame with its depth as it is sent."""
        return self.recorded if self.registration.camera is None else replace(self.recorded, depth=self.depth)

    def sent(self) -> SentPair:
        """Return the files that are sent.

        Raises:
            InputError: the images cannot be read, or the camera is not that of the recording.
        """
        if self.problem:
            raise InputError(self.problem)
        colour = self.recorded.colour
        rgb = colour if isinstance(colour, bytes) else plain_png(colour, compress=self.compress)
        numbers, units = whole_depth(self.depth, self.units)
        return SentPair(rgb, plain_png(numbers, compress=self.compress), units)

    def check(self) -> bool:
        """See that depth can lie on colour; say False where the colour image is damaged, so that nobody knows.

        Raises:
            InputError: it cannot, or the camera is not that of the recording.
        """
        try:
            image = self._image
        except InputError:
            return False  # told when it is to be sent
        height, width = self.depth.shape
        try:
            check_registered(image, EncodedImage(b"", width, height))
        except InputError as error:
            if self.registration.lens is not None:
                raise
            raise InputError(f"{error}; if the cameras differ, give their calibration with --camera FILE") from error
        return True
