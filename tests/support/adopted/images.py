"""Images that networks tell apart: smooth colours, an edge, a little noise."""

from __future__ import annotations

from typing import Any

import numpy as np


def smooth_images(size: tuple[int, int], count: int, seed: int) -> list[np.ndarray[Any, Any]]:
    """Return images with smooth colours and edges, uint8 [H, W, 3]."""
    generator = np.random.default_rng(seed)
    down, across = np.mgrid[0 : size[0], 0 : size[1]]
    images = []
    for _ in range(count):
        waves = [np.sin(across / generator.uniform(3, 20) + down / generator.uniform(3, 20)) for _ in range(3)]
        image = 127 + 90 * np.stack(waves, axis=-1) + generator.normal(0, 8, (*size, 3))
        image[size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = generator.integers(0, 256, 3)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images
