"""Draws procedural tables side by side, colour, depth and labels: `python -m demo.make_tabletops`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from crosswire.clients import blend_labels
from crosswire.clients.display.depth_colours import colour_depth
from crosswire.training.datasets.tabletops import PALETTE, render

SHEET = Path(__file__).resolve().parents[1] / "docs" / "tabletops.jpg"
SEED, SIZE = 4, (180, 240)
ROWS, PER_ROW = 4, 2


def main() -> None:
    """Write the sheet."""
    height, width = SIZE
    sheet = Image.new("RGB", (3 * PER_ROW * width, ROWS * height), "white")
    for place in range(ROWS * PER_ROW):
        table = render(SEED, 8 + place, *SIZE)
        colour = Image.fromarray(table.rgb)
        labelled = blend_labels(colour, table.labels, np.asarray(PALETTE, np.uint8), 0.6)
        row, column = divmod(place, PER_ROW)
        for step, image in enumerate((colour, colour_depth(table.depth), labelled)):
            sheet.paste(image, ((3 * column + step) * width, row * height))
    sheet.save(SHEET, quality=85)


if __name__ == "__main__":
    main()
