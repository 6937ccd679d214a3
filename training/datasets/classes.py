"""Names and colours of the classes of NYUv2 and SUN RGB-D; the position in the tuple is the label's value."""

from __future__ import annotations

from crosswire.media.palettes import spread_palette

SUNRGBD_CLASSES: tuple[str, ...] = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat"),
    *("clothes", "ceiling", "books", "fridge", "tv", "paper", "towel", "shower curtain", "box", "whiteboard"),
    *("person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag"),
)
"""The 37 classes of SUN RGB-D, in the order of its toolbox: the first 37 of NYUv2."""

_RENAMED = {"fridge": "refrigerator", "tv": "television"}

NYUV2_CLASSES: tuple[str, ...] = (
    *(_RENAMED.get(name, name) for name in SUNRGBD_CLASSES),
    *("other structure", "other furniture", "other prop"),
)
"""The 40 classes of NYUv2, in the order of its `classMapping40.mat`."""


NYUV2_PALETTE = spread_palette(len(NYUV2_CLASSES))
SUNRGBD_PALETTE = NYUV2_PALETTE[: len(SUNRGBD_CLASSES)]
