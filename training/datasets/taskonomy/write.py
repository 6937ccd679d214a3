"""Writing rooms in the layout of Taskonomy: an example to look at, and data for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from crosswire.training.datasets.rooms import DOMAINS, render
from crosswire.training.datasets.taskonomy.images import STORED, UNITS_PER_METRE, place
from crosswire.training.tasks.translation.config import SEMSEG


def write_taskonomy(seed: int, count: int, size: tuple[int, int], to: Path) -> None:
    """Write rooms of a seed and a size (H, W), a PNG per room and domain, each in the range of its domain.

    The class indices of `semseg` are the rooms' own.
    """
    for index in tqdm(range(count), desc="writing views", unit="view", disable=None):
        room = render(seed, index, *size)
        for name in DOMAINS:
            stored, picture = STORED[name], room.labels if name == SEMSEG else room.domain(name)
            if stored.top is None:
                picture = np.rint(picture.astype(np.float64) * UNITS_PER_METRE).astype(np.uint16)
            elif stored.top > 255:
                grey = picture.astype(np.float64).mean(2)
                picture = np.rint(grey * (stored.top / 255)).astype(np.uint16)
            path = place(to, f"point_{index}_view_0", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.squeeze(picture)).save(path)
