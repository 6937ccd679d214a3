"""What the labels of a network look like: names, colours, and a label image in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract import PipelineDescription
from crosswire.serving.steps.media.images import nearest


@dataclass(frozen=True)
class LabelSpec:
    """What the labels of one network mean.

    Attributes:
        network: the network's name.
        classes: class names by index.
        palette: RGB colours by index.
        values: values in label images by index; empty where they are the indices.
    """

    network: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    values: tuple[int, ...] = ()

    @classmethod
    def of(cls, description: PipelineDescription) -> LabelSpec:
        """Take it from the description of a model."""
        return cls(description.network, description.classes, description.palette, description.label_values)


def palette_image(labels: npt.NDArray[np.uint8], label_spec: LabelSpec) -> Image.Image:
    """Return class indices, uint8 [H, W], as a palette image whose pixels are the classes' values, each in its colour.

    The palette has 256 colours: with fewer than 17 Pillow would write fewer than 8 bits per pixel.
    """
    colours = np.zeros((256, 3), np.uint8)
    places = np.asarray(label_spec.values or range(len(label_spec.palette)), np.uint8)
    colours[places] = label_spec.palette
    if label_spec.values:
        table = np.zeros(256, np.uint8)
        table[: len(places)] = places
        labels = table[labels]
    image = Image.fromarray(np.ascontiguousarray(labels), "L")
    image.putpalette(colours.tobytes())
    return image


def labels_at(labels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return labels, uint8 [H, W], at another width and height, by nearest neighbour."""
    width, height = size
    return nearest(labels, height, width).astype(np.uint8, copy=False)


def classes_in(labels: npt.NDArray[np.uint8], label_spec: LabelSpec) -> list[dict[str, Any]]:
    """Return what is known of every class present in labels, largest share first.

    Returns:
        its `index`, `name` and `share` of the area, 0..1; `value` in label images, where that is not the index.
    """
    counts = np.array(Image.fromarray(np.ascontiguousarray(labels), "L").histogram())  # 4 times as fast as bincount
    order = sorted(np.flatnonzero(counts), key=lambda index: (-counts[index], index))
    return [
        {
            "index": int(index),
            **({"value": label_spec.values[index]} if label_spec.values else {}),
            "name": label_spec.classes[index],
            "share": round(float(counts[index]) / labels.size, 6),
        }
        for index in order
    ]
