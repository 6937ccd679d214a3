"""Frames of recordings for the page: pictures that differ, and what the page's own readers make of a file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.recordings.ros import START, STEP, Ros, png16

COLOUR, DEPTH = "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw"
WIDTH, HEIGHT = 64, 48
Array = NDArray[Any]

_READ = """
async ({ content, name, gap }) => {
  const at = path => import(new URL(`page/recordings/${path}`, location));
  const [{ openRecording }, { partnerOf }] = [await at("open.js"), await at("pairing.js")];
  const text = blob => new Promise(done => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(blob);
  });
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const recording = await openRecording(new File([bytes], name), () => {});
  const { format, camera, registered, perUnit, cut, facts } = recording, frames = [];
  for (let place = 0; place < recording.colour.length; place++) {
    const { stamp, gap: apart, entry } = await partnerOf(recording, place, gap);
    if (!entry) continue;
    const colour = await text(await recording.colourFile(recording.colour[place]));
    const { width, height, bits, values } = await recording.depthMap(entry);
    frames.push({ stamp, apart, colour, width, height, bits, values: await text(new Blob([values])) });
  }
  return { format, camera, registered, perUnit, cut, facts, frames };
}
"""


@dataclass(frozen=True)
class PageFrame:
    """A frame as the page reads it.

    Attributes:
        stamp_ms: when its colour was taken.
        gap_ms: how far its depth is away.
        rgb: uint8 [H, W, 3].
        metres: depth, float32 [H, W], 0 for no reading.
    """

    stamp_ms: float
    gap_ms: float
    rgb: Array
    metres: Array


def read_by_page(page: Any, path: Path, gap_ms: float = 20.0) -> tuple[dict[str, Any], list[PageFrame]]:
    """Return what the page's readers say of a recording, and its frames."""
    content = base64.b64encode(path.read_bytes()).decode()
    said = page.evaluate(_READ, {"content": content, "name": path.name, "gap": gap_ms})
    frames = []
    for one in said.pop("frames"):
        kind = np.uint16 if one["bits"] == 16 else np.float32
        values = np.frombuffer(base64.b64decode(one["values"]), kind).reshape(one["height"], one["width"])
        metres = (values / np.float32(said["perUnit"] or 1)).astype(np.float32)
        with Image.open(io.BytesIO(base64.b64decode(one["colour"]))) as picture:
            rgb = np.asarray(picture.convert("RGB"))
        frames.append(PageFrame(one["stamp"], one["apart"], rgb, metres))
    return said, frames


@dataclass(frozen=True)
class Shot:
    """A frame to record.

    Attributes:
        rgb: uint8 [H, W, 3].
        depth: millimetres, uint16 [H, W].
        stamp: when it was taken, nanoseconds.
    """

    rgb: Array
    depth: Array
    stamp: int

    @property
    def png(self) -> bytes:
        """Its colour as a PNG file."""
        file = io.BytesIO()
        Image.fromarray(self.rgb).save(file, "PNG")
        return file.getvalue()

    @property
    def depth_png(self) -> bytes:
        """Its depth as a PNG file."""
        return png16(self.depth)


def shots(count: int) -> list[Shot]:
    """Return frames of coloured squares before a slope, all of them different, with a hole in depth."""
    random = np.random.default_rng(7)
    made = []
    for index in range(count):
        squares = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        rgb = np.ascontiguousarray(np.kron(squares, np.ones((8, 8, 1), np.uint8)))
        depth = np.linspace(900 + 60 * index, 4000, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
        depth[: 4 + index % 30, :9] = 0
        made.append(Shot(rgb, depth, START + index * STEP))
    return made


def recorded(frames: list[Shot], version: int = 2) -> Ros:
    """Return frames as topics of a camera that aligns depth itself; depth is taken 3 ms later."""
    ros = Ros(version)
    for shot in frames:
        ros.image(COLOUR, shot.stamp, shot.rgb, "rgb8")
        ros.image(DEPTH, shot.stamp + 3_000_000, shot.depth, "16UC1")
    return ros
