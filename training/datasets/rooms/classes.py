"""Names and colours of the classes; the position in the tuple is the label's value."""

CLASSES: tuple[str, ...] = (
    "floor",
    "wall",
    "ceiling",
    "door",
    "picture",
    "window",
    "rug",
    "cabinet",
    "table",
    "sofa",
    "column",
    "ball",
)
"""Class names; ``CLASSES[label]`` names a label."""

PALETTE: tuple[tuple[int, int, int], ...] = (
    (140, 110, 80),
    (176, 190, 197),
    (236, 239, 241),
    (109, 60, 30),
    (233, 30, 99),
    (79, 195, 247),
    (142, 36, 170),
    (255, 152, 0),
    (251, 222, 60),
    (67, 160, 71),
    (30, 80, 190),
    (229, 57, 53),
)
"""Display colour (red, green, blue, 0..255) of each class."""
