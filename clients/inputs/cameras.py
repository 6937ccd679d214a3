"""The camera of a pair that is not registered: its calibration, from whatever the user has to the text that travels."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.images import EncodedImage, Source
from crosswire.contract.wire_names import ASPECT_TOLERANCE, DEPTH, RGB
from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.cameras.fit import fitted
from crosswire.media.orientation import TAG, TAG_NAME, UPRIGHT
from crosswire.media.registration import View

Camera: TypeAlias = RgbdCamera | str | os.PathLike[str]
"""A camera, its JSON text, or the path of a file that holds it."""


def read_camera(source: Camera | None) -> RgbdCamera | None:
    """Return a camera; None stands for none.

    Args:
        source: the camera, its JSON text (`RgbdCamera.to_json`), or the path of a file that holds it.

    Raises:
        InputError: it is none of these, or makes no sense.
    """
    if source is None or isinstance(source, RgbdCamera):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"camera: came {type(source).__name__}; allowed are an RgbdCamera, its JSON text, or the path of a file"
        )
    text: str | bytes
    if isinstance(source, str) and source.lstrip().startswith("{"):
        text, label = source, "camera"
    else:
        label = f"camera: {os.fspath(source)}"
        try:
            text = Path(source).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{label} cannot be read ({reason}); check the path") from error
    try:
        return RgbdCamera.from_json(text)
    except CameraError as error:
        raise InputError(f"{label}: {error}") from error


def check_camera(camera: RgbdCamera, rgb: EncodedImage | None, depth: EncodedImage | None) -> None:
    """Refuse a camera that is not that of the images to send.

    Raises:
        InputError: there is no colour image to register depth to, or an image has another shape than its lens.
    """
    if rgb is None:
        raise InputError(
            "camera: came without rgb: there is no colour image to register depth to; send both, or leave camera out"
        )
    colour, found = (
        None if one is None else View(name, (one.width, one.height), one.orientation)
        for name, one in ((RGB, rgb), (DEPTH, depth))
    )
    assert colour is not None
    try:
        fitted(camera, colour, found, ASPECT_TOLERANCE)
    except CameraError as error:
        raise InputError(f"camera: {error}") from error


def check_stored(sources: Iterable[Source | None]) -> None:
    """Refuse images that would be turned by their EXIF orientation on their way: a lens belongs to stored pixels.

    Args:
        sources: images as the user has them; what cannot be opened is left to those who read it.

    Raises:
        InputError: one has such a tag.
    """
    for source in sources:
        if (turned := _tag_of(source)) != UPRIGHT:
            raise InputError(
                f"camera: an image has {TAG_NAME} {turned}, but a lens belongs to pixels as they are stored; send the "
                "image without its tag, and the camera that fits it"
            )


def _tag_of(source: Source | None) -> int:
    """Return the EXIF orientation of an image, `UPRIGHT` where it says none or is no image that Pillow opens."""
    try:
        if isinstance(source, Image.Image):
            return int(source.getexif().get(TAG, UPRIGHT)) if source.format else UPRIGHT
        if isinstance(source, (str, os.PathLike, bytes)):
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                return int(image.getexif().get(TAG, UPRIGHT))
    except Exception:  # no image, or one that is damaged: it is named where it is read
        return UPRIGHT
    return UPRIGHT
