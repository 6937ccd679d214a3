"""Whether a camera is that of two images, and its lenses at their sizes: asked by clients and by the server."""

from __future__ import annotations

from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.orientation import TAG_NAME, UPRIGHT
from crosswire.media.registration import View, same_shape


def fitted(camera: RgbdCamera, colour: View, depth: View | None, tolerance: float) -> RgbdCamera:
    """Return a camera whose lenses have the sizes of the images that were sent with it.

    An image may be a scaled one of what its lens sees, never a part of it, nor one that its EXIF orientation turns: a
    lens belongs to pixels as they are stored.

    Args:
        camera: what came with them.
        colour: the colour image.
        depth: the depth image; None where there is none, whose lens is left as it is.
        tolerance: how far the aspect ratio of an image may differ from that of its lens, relative; rounding to whole
            pixels may explain more.

    Raises:
        CameraError: it is the camera of other images.
    """
    return RgbdCamera(
        _fitted(camera.colour, "colour", colour, tolerance),
        camera.depth if depth is None else _fitted(camera.depth, "depth", depth, tolerance),
        camera.rotation,
        camera.translation,
    )


def _fitted(lens: Lens, what: str, view: View, tolerance: float) -> Lens:
    """Return a lens at the size of its image."""
    if view.orientation != UPRIGHT:
        raise CameraError(
            f"{view.name} has {TAG_NAME} {view.orientation}, but a lens belongs to pixels as they are stored; send the "
            "picture without its tag, and the camera that fits it"
        )
    if view.size == lens.size:
        return lens
    if not same_shape(View(what, lens.size), view, tolerance):
        raise CameraError(
            f"{view.name} is {view.size[0]} x {view.size[1]}, but the {what} lens is {lens.width} x {lens.height}: "
            "another aspect ratio; send the whole picture that the lens sees, at any scale, or the camera of this size"
        )
    return lens.scaled(*view.size)
