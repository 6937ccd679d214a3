"""Names and colours of the classes; the position in the tuple is the label's value."""

CLASSES: tuple[str, ...] = ("background", "table", "object")
"""Class names; ``CLASSES[label]`` names a label."""

PALETTE: tuple[tuple[int, int, int], ...] = ((70, 80, 90), (176, 190, 197), (255, 152, 0))
"""Display colour (red, green, blue, 0..255) of each class."""

BACKGROUND, TABLE, OBJECT = range(3)
