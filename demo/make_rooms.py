"""Writes the demo's rooms: `python -m demo.make_rooms`. Their seed is none that training, validation or tests use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from crosswire.training.datasets.rooms import PALETTE, render

FOLDER = Path(__file__).resolve().parent / "rooms"
SEED = 20_261_120
SIZE = (256, 320)
COUNT = 8
#: The room whose other domains are shown too, and which.
OTHER, DOMAINS = 6, ("texture", "shade", "normal")


def main() -> None:
    """Write colour (JPEG), depth (16-bit PNG, millimetres) and labels (palette PNG) of every room, and more of one."""
    FOLDER.mkdir(exist_ok=True)
    for index in range(COUNT):
        room = render(SEED, index, *SIZE)
        stem = FOLDER / f"room_{index}"
        Image.fromarray(room.rgb).save(stem.with_suffix(".rgb.jpg"), quality=92)
        millimetres = np.round(room.depth * 1000).astype(np.uint16)
        Image.fromarray(millimetres).save(stem.with_suffix(".depth.png"))
        labels = Image.fromarray(room.labels, mode=None).convert("P")
        labels.putdata(room.labels.ravel().tolist())
        labels.putpalette([channel for colour in PALETTE for channel in colour])
        labels.save(stem.with_suffix(".labels.png"))
        for name in DOMAINS if index == OTHER else ():
            Image.fromarray(np.squeeze(room.domain(name))).save(stem.with_suffix(f".{name}.png"))


if __name__ == "__main__":
    main()
