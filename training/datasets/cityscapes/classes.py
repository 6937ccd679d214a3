"""The 19 classes of Cityscapes that are trained and scored, with their stored values and colours.

Source: `cityscapesscripts/helpers/labels.py` of the data set's authors. Of the 34 values of a `_labelIds.png` the 15
others are ignored in evaluation, and in training here.
"""

from __future__ import annotations

from crosswire.training.datasets.files.images import LabelCode

_RGB = tuple[int, int, int]
#: Name, value in `_labelIds.png` and colour, in the order of the values of `_labelTrainIds.png`.
_TABLE: tuple[tuple[str, int, _RGB], ...] = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)
_STORED_VALUES = range(34)

CITYSCAPES_CLASSES: tuple[str, ...] = tuple(name for name, _, _ in _TABLE)
CITYSCAPES_PALETTE: tuple[_RGB, ...] = tuple(colour for _, _, colour in _TABLE)
#: Value of every class in `_labelIds.png`, and in results for the authors' evaluation server.
LABEL_IDS: tuple[int, ...] = tuple(value for _, value, _ in _TABLE)

#: How `_labelIds.png` holds classes.
ID_CODE = LabelCode(
    LABEL_IDS, ignore=0, also_ignored=tuple(value for value in _STORED_VALUES[1:] if value not in LABEL_IDS)
)
#: How `_labelTrainIds.png` holds them, which the authors' scripts write: 0 to 18, 255 for everything else.
TRAIN_ID_CODE = LabelCode(range(len(CITYSCAPES_CLASSES)))
