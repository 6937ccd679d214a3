"""Cameras that cannot be used, beside a pair that `tests.support.servers.unregistered` makes."""

from __future__ import annotations

import json
from typing import Any

from tests.support.servers.unregistered import CAMERA

TEXT = CAMERA.to_json().encode()


def changed(**lens: Any) -> bytes:
    """Return the camera as JSON with other values in its depth lens."""
    plain = json.loads(TEXT)
    plain["depth"].update(lens)
    return json.dumps(plain).encode()


def with_keys(**keys: Any) -> bytes:
    """Return the camera as JSON with other values beside its lenses."""
    return json.dumps({**json.loads(TEXT), **keys}).encode()


#: Cameras by name, each with words that its refusal must hold.
CAMERAS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "camera: got a camera that is no JSON"),
    "open braces": (b"{" * 4000, "camera: got a camera that is no JSON"),
    "lists in lists": (b"[" * 8000, "camera: got a camera that is no JSON"),
    "no UTF-8": (b"\xff\xfe{}", "camera: got a camera that is no JSON"),
    "a number": (b"5", 'camera: got a camera without "colour" and "depth"'),
    "no lenses": (b"{}", 'camera: got a camera without "colour" and "depth"'),
    "9 kB": (TEXT + b" " * 9000, " bytes; allowed are 8192"),
    "a focal length of NaN": (changed(fx=float("nan")), "expected finite numbers fx, fy"),
    "a negative focal length": (changed(fy=-504.0), "camera: got focal lengths 504.2 and -504"),
    "a focal length of 10**400": (changed(fx=10**400), "expected finite numbers"),
    "a focal length of text": (changed(fx="504"), "expected finite numbers fx, fy"),
    "an infinite coefficient": (
        changed(distortion="rational", coefficients=[float("inf")]),
        "expected finite numbers fx, fy",
    ),
    "a negative width": (changed(width=-640), "camera: got a size of -640 x 576, expected whole numbers above 0"),
    "a width of true": (changed(width=True), "camera: got a size of True x 576"),
    "half a pixel": (changed(height=575.5), "camera: got a size of 640 x 575.5"),
    "a huge lens": (changed(width=1 << 30, height=1 << 30), "camera: got a size of 1073741824 x 1073741824"),
    "a high lens": (changed(width=1000, height=1 << 19), "depth_image is 640 x 576, but the depth lens is 1000 x 5242"),
    "another lens": (changed(height=480), "depth_image is 640 x 576, but the depth lens is 640 x 480: another aspect"),
    "a misspelt key": (changed(f=3), "camera: got f in the depth camera"),
    "no rotation": (with_keys(rotation=[1] * 9), "rows of length 1 at right angles"),
    "a short rotation": (with_keys(rotation=[1, 0, 0]), "expected 9 finite numbers"),
    "a translation of NaN": (with_keys(translation=[0, 0, float("nan")]), "expected 3 finite numbers"),
}
