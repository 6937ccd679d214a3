"""Names of the classes of Taskonomy's `segment_semantic`; the position in the tuple is the value of a pixel.

Source: the README of Taskonomy's data and its `coco_selected_classes.txt`: 16 classes of MS COCO, found by a network
(FCIS). "Background" is surely none of them, "uncertain" may be any.
"""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "uncertain",
    "background",
    "bottle",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
)
