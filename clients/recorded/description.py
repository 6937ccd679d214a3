"""What a recording holds, in words and as JSON, and one of its frames as files to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.clients.display.depth_colours import colour_depth
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.inputs.depth import millimetres
from crosswire.clients.inputs.images import encode_png
from crosswire.clients.recorded.open import RecordedPairs
from crosswire.clients.recorded.pairs import RecordedPair
from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera
from crosswire.media.recordings.recording import Fact, RecordingError

_FRAMES_FOR_RATE = 10
_OPACITY = 0.6


@dataclass(frozen=True)
class Description:
    """What a recording holds.

    Attributes:
        path: its file or folder.
        format: what it is, as people call it.
        facts: what is known of it.
        registered: whether depth lies in the colour camera; None where nobody knows.
        camera: its calibration, or None.
        pairs: how many pairs it holds, or None where only reading to the end tells.
        unmatched: images without a partner, or None where it was not read to the end.
        damage: why it could not be read to the end, or an empty text.
        rate: pairs per second, or None.
        colour: size of the first colour image, width and height, and how it is stored.
        depth: size of the first depth image, width and height.
        reach_m: its nearest and farthest reading, metres, or None without any.
        readings: share of its pixels that have a reading, 0..1.
        sent: how depth is sent to a server.
    """

    path: str
    format: str
    facts: tuple[Fact, ...]
    registered: bool | None
    camera: RgbdCamera | None
    pairs: int | None
    rate: float | None
    colour: tuple[tuple[int, int], str]
    depth: tuple[int, int]
    reach_m: tuple[float, float] | None
    readings: float
    sent: Fact
    unmatched: int | None = None
    damage: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain JSON types."""
        size, stored = self.colour
        return {
            "path": self.path,
            "format": self.format,
            "pairs": self.pairs,
            "unmatched": self.unmatched,
            "damage": self.damage,
            "rate": None if self.rate is None else round(self.rate, 3),
            "colour": {"width": size[0], "height": size[1], "stored": stored},
            "depth": {
                "width": self.depth[0],
                "height": self.depth[1],
                "reach_m": None if self.reach_m is None else [round(one, 4) for one in self.reach_m],
                "readings": round(self.readings, 4),
            },
            "registered": self.registered,
            "facts": [_fact(one) for one in (*self.facts, self.sent)],
            "camera": None if self.camera is None else json.loads(self.camera.to_json()),
        }

    def as_lines(self) -> list[str]:
        """Return the same in lines for people."""
        (width, height), stored = self.colour
        reach = "no reading" if self.reach_m is None else f"{self.reach_m[0]:.3f} to {self.reach_m[1]:.3f} m"
        lines = [
            f"{self.path}: {self.format}",
            f"pairs: {'only reading to the end tells: --count' if self.pairs is None else self.pairs}",
            *([] if self.unmatched is None else [f"images without a partner: {self.unmatched}"]),
            *([f"damage: {self.damage}"] if self.damage else []),
            f"rate: {'not known' if self.rate is None else f'{self.rate:.1f} a second'}",
            f"first colour image: {width} x {height}, {stored}",
            f"first depth image: {self.depth[0]} x {self.depth[1]}, {reach}, {self.readings:.0%} of it readings",
            *map(str, (*self.facts, self.sent)),
        ]
        if self.camera is not None:
            lines += [f"{name} camera: {_lens(lens)}" for name, lens in _lenses(self.camera)]
            lines.append(f"depth camera to colour camera: {_position(self.camera)}")
        return lines


def describe(found: RecordedPairs) -> Description:
    """Look at an open recording: what it says, and its first frames.

    Raises:
        RecordingError: there is no first frame.
        InputError: likewise.
    """
    recording = found.recording
    stamps, first = [], None
    most = 1 if found.live or recording.rate is not None else _FRAMES_FOR_RATE
    with closing(found.frames()) as frames:
        try:
            for frame in islice(frames, most):
                first = first or RecordedPair(frame, found.registration)
                stamps.append(frame.time_s)
        except RecordingError:
            if first is None:
                raise
    if first is None:
        raise InputError(f"{recording.path} holds no pair of colour and depth; record both sensors")
    steps = np.diff(stamps)
    rate = recording.rate or (float(1 / np.median(steps)) if len(steps) and np.median(steps) > 0 else None)
    depth = first.recorded.depth
    readings = depth[np.isfinite(depth) & (depth > 0)]
    return Description(
        path=str(recording.path),
        format=recording.format,
        facts=tuple(recording.facts),
        registered=recording.registered,
        camera=found.given or recording.camera,
        pairs=recording.count,
        rate=rate,
        colour=(first.size, _stored(first.recorded.colour)),
        depth=(depth.shape[1], depth.shape[0]),
        reach_m=(float(readings.min()), float(readings.max())) if readings.size else None,
        readings=readings.size / depth.size,
        sent=found.registration.fact,
    )


def counted(found: RecordedPairs, about: Description) -> Description:
    """Return a description with what reading to the end tells; every frame is decoded on the way."""
    pairs, damage = 0, ""
    with closing(found.frames()) as frames:
        try:
            for _ in frames:
                pairs += 1
        except RecordingError as error:
            damage = str(error)
    return replace(about, pairs=pairs, unmatched=found.unmatched, damage=damage)


def write_frame(found: RecordedPairs, index: int, folder: Path) -> dict[str, Path]:
    """Write a frame as files: `rgb.png`, `depth.png`, and what depth looks like on colour, `preview.png`.

    Where depth is moved into the colour camera, `registered.png` is what it is there. Depth is whole millimetres in 16
    bits, 0 is no reading.

    Args:
        found: the open recording.
        index: which of its frames, from 0.
        folder: where to; made if needed.

    Returns:
        The files by what they hold.

    Raises:
        InputError: there is no such frame, or the camera is not that of the recording.
        RecordingError: the recording is damaged before it.
        OutputError: the folder cannot be written to.
    """
    with closing(found.frames(index)) as frames:
        frame = next(frames, None)
    if frame is None:
        raise InputError(f"{found.recording.path} has no frame {index}; the first is 0")
    pair = RecordedPair(frame, found.registration)
    place = prepare_folder(folder)
    images: dict[str, Image.Image] = {
        "rgb": Image.fromarray(frame.rgb),
        "depth": Image.fromarray(millimetres(frame.depth)),
    }
    if found.registration.camera is not None:
        images["registered"] = Image.fromarray(millimetres(pair.depth))
    images["preview"] = blend_depth(images["rgb"], pair.depth)
    return {name: write_whole(place / f"{name}.png", encode_png(image).data) for name, image in images.items()}


def blend_depth(rgb: Image.Image, metres: npt.NDArray[np.float32], opacity: float = _OPACITY) -> Image.Image:
    """Return depth in colours over its colour image, which shows where there is no reading.

    Edges of things in both lie on each other where depth is registered.

    Args:
        rgb: the colour image.
        metres: [H, W] of any size, 0 is no reading; stretched over the colour image.
        opacity: weight of depth, 0..1.
    """
    colours = colour_depth(metres).resize(rgb.size, Image.Resampling.NEAREST)
    readings = Image.fromarray(np.where(np.isfinite(metres) & (metres > 0), np.uint8(255 * opacity), np.uint8(0)))
    return Image.composite(colours, rgb.convert("RGB"), readings.resize(rgb.size, Image.Resampling.NEAREST))


def _stored(colour: npt.NDArray[np.uint8] | bytes) -> str:
    if isinstance(colour, bytes):
        return "JPEG" if colour.startswith(b"\xff\xd8") else "PNG"
    return "pixels"


def _fact(fact: Fact) -> Mapping[str, Any]:
    return {"what": fact.what, "value": fact.value, "origin": fact.origin, "guessed": fact.guessed}


def _lenses(camera: RgbdCamera) -> tuple[tuple[str, Lens], ...]:
    return ("colour", camera.colour), ("depth", camera.depth)


def _lens(lens: Lens) -> str:
    bent = "no distortion" if lens.distortion is Distortion.NONE else lens.distortion.value.replace("_", " ")
    return (
        f"{lens.width} x {lens.height}, focal lengths {lens.fx:.2f} and {lens.fy:.2f}, "
        f"axis at {lens.cx:.2f}, {lens.cy:.2f}, {bent}"
    )


def _position(camera: RgbdCamera) -> str:
    """Return how far the cameras are apart, and turned."""
    moved = ", ".join(f"{1e3 * one:.1f}" for one in camera.translation)
    trace = camera.rotation[0] + camera.rotation[4] + camera.rotation[8]
    turned = float(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))))
    return f"moved by {moved} mm, turned by {turned:.2f} degrees"
