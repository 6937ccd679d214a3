"""Labels that were painted: their colours are counted, and the line that makes them classes is proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.files.label_colours import RGB, colour_keys, colour_of
from crosswire.training.datasets.files.problems import Problem
from crosswire.training.datasets.measured import spread

#: Label files that are looked at where nobody says how many.
FILES = 40
#: More colours than that are no palette: labels that were smoothed, or pictures.
MOST_COLOURS = 64
_SHOWN = 12


def painted_colours(frames: FileFrames, most: int = FILES) -> dict[RGB, float]:
    """Return the colours of labels with their share of all pixels, the commonest first.

    Nothing where any label file that can be read is one of class indices, as those of mode L and P are.

    Args:
        frames: of a data set.
        most: label files that are looked at, spread over all.
    """
    pixels: Counter[int] = Counter()
    for number in spread(len(frames), most):
        try:
            with Image.open(frames.entries[number].labels) as picture:
                if picture.mode not in ("RGB", "RGBA"):
                    return {}
                colours = np.array(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # named with its file
        keys, counts = np.unique(colour_keys(colours), return_counts=True)
        pixels.update(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
    total = sum(pixels.values())
    return {colour_of(key): number / total for key, number in pixels.most_common()}


def painted_problem(colours: dict[RGB, float], classes: Sequence[str], place: str) -> Problem:
    """Return the problem of labels that are colours, with what to write into the manifest.

    Args:
        colours: from `painted_colours`, at least one.
        classes: names in the manifest.
        place: what to call the labels.
    """
    if len(colours) > MOST_COLOURS:
        what = f"are colour pictures of {len(colours)} colours, more than a palette has"
        return Problem(place, what, "save class indices, or one colour per class without smoothing and compression")
    shares = ", ".join(f"{list(colour)} {share:.1%}" for colour, share in [*colours.items()][:_SHOWN])
    more = ", …" if len(colours) > _SHOWN else ""
    line = f'"label_colours": {[list(colour) for colour in colours]}'
    order = f"in the order of {', '.join(classes)}"
    if len(colours) != len(classes):
        order = f"one for each of the {len(classes)} classes {', '.join(classes)}"
        order += '; that of unlabelled pixels is "ignore_colour"' if len(colours) == len(classes) + 1 else ""
    return Problem(place, f"are painted: {shares}{more} of the pixels", f"add {line} to manifest.json, {order}")
