"""The pictures of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True)
class Scene:
    """One RGB-D pair.

    Attributes:
        name: for people and for file names.
        rgb: colour file.
        depth: 16-bit depth file.
        units: of the depth file, per metre.
        truth: true labels, uint8 [H, W], or None where nobody knows them.
        notice: what a viewer must know about it.
    """

    name: str
    rgb: Path
    depth: Path
    units: float = 1000.0
    truth: NDArray[np.uint8] | None = None
    notice: str = ""

    def metres(self) -> NDArray[np.float32]:
        """Return the depth in metres, float32 [H, W], 0 = no reading."""
        return np.asarray(Image.open(self.depth), np.float32) / np.float32(self.units)


def rooms(folder: Path = HERE / "rooms") -> list[Scene]:
    """Return the procedural rooms that come as files with their labels."""
    scenes = []
    for rgb in sorted(folder.glob("*.rgb.jpg")):
        stem = rgb.name.removesuffix(".rgb.jpg")
        truth = np.asarray(Image.open(folder / f"{stem}.labels.png"))
        scenes.append(Scene(stem, rgb, folder / f"{stem}.depth.png", truth=truth))
    return scenes


def foreign_scenes(folder: Path = HERE / "real") -> list[Scene]:
    """Return frames that the network was not trained for: a real one, and one rendered by others."""
    outside = "out of the training domain"
    return [
        Scene("tum_desk", folder / "tum_desk.rgb.png", folder / "tum_desk.depth.png", 5000.0, None, f"real, {outside}"),
        Scene(
            "redwood_livingroom",
            folder / "redwood_livingroom.rgb.jpg",
            folder / "redwood_livingroom.depth.png",
            notice=f"rendered by others, {outside}",
        ),
    ]


def relative(path: Path) -> str:
    """Return a path relative to the repository, or as it is where it lies elsewhere."""
    path = Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
