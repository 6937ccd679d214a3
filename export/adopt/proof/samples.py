"""Real inputs of the user: a folder with one folder per input, and labels where there are some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import DEPTH
from crosswire.export.adopt.errors import AdoptError
from crosswire.media.depth import to_metres
from crosswire.media.orientation import orientation_of, upright
from crosswire.media.resize import nearest

Array = NDArray[Any]
LABELS = "labels"
_ENDINGS = (".png", ".jpg", ".jpeg")
#: Stored depth that is one metre where nobody says otherwise.
MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Sample:
    """One view.

    Attributes:
        stem: name of its files.
        raw: by role as it is sent, with a batch axis of 1, at the network's size.
        labels: its truth: of a clip the number of its class, else uint8 [H, W] at the network's size, 255 where there
            is none; None without one.
    """

    stem: str
    raw: Mapping[str, Array]
    labels: Array | None = None


def read_samples(
    folder: Path, inputs: Sequence[TensorSpec], count: int, *, units: float = MILLIMETRES, labelled: bool = False
) -> list[Sample]:
    """Read up to `count` views, in alphabetical order of their names.

    Colour is resized as the server does it, depth and labels to the nearest pixel.

    Args:
        folder: with one folder per input, named after it, and `labels/` where that is asked for: `rgb/NAME.jpg` or
            `.png`, `depth/NAME.png` of 16 bits, `labels/NAME.png` of 8 bits.
        inputs: of the adopted graph.
        count: how many at most.
        units: stored depth that is one metre.
        labelled: whether labels are needed.

    Raises:
        AdoptError: there is no view with every file, or a file cannot be used.
    """
    if not folder.is_dir():
        raise AdoptError(f"{folder} is no folder; name one with {', '.join(f'{spec.name}/' for spec in inputs)} in it")
    if count < 1:
        raise AdoptError(f"got --frames {count}; give 1 or more")
    if not 0 < units < float("inf"):
        raise AdoptError(f"got --depth-units {units:g}; give what one metre is in the files, such as 1000")
    wanted = [*(spec.name for spec in inputs), *([LABELS] if labelled else [])]
    files = {name: _files(folder / name) for name in wanted}
    stems = sorted(set.intersection(*(set(found) for found in files.values())))
    if not stems:
        held = ", ".join(f"{name}/ {len(found)}" for name, found in files.items())
        raise AdoptError(
            f"{folder} holds no files of one name in {', '.join(f'{name}/' for name in wanted)} (found: {held}); "
            "give folders of these names with files of equal names"
        )
    samples = []
    for stem in stems[:count]:
        raw = {spec.name: _read(files[spec.name][stem], spec, units)[None] for spec in inputs}
        labels = _labels(files[LABELS][stem], inputs[0].shape[:2]) if labelled else None
        samples.append(Sample(stem, raw, labels))
    return samples


def in_batches(samples: Sequence[Sample], max_batch: int) -> list[dict[str, Array]]:
    """Return views in batches of 1, 2 and 3 and then the rest alone, as the proof takes them."""
    batches, rest, sizes = [], list(samples), [1, 2, 3]
    while rest:
        size = min(sizes.pop(0) if sizes else 1, max_batch)
        group, rest = rest[:size], rest[size:]
        batches.append({name: np.concatenate([one.raw[name] for one in group]) for name in group[0].raw})
    return batches


def _files(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their stem."""
    paths = (path for path in folder.glob("*") if path.suffix.lower() in _ENDINGS and not path.name.startswith("."))
    return {path.stem: path for path in sorted(paths, reverse=True)}


def _read(path: Path, spec: TensorSpec, units: float) -> Array:
    """Read the file of one input, at the network's size."""
    height, width = spec.shape[:2]
    image = opened(path)
    if spec.name == DEPTH:
        stored = np.asarray(image)
        if stored.ndim != 2 or stored.dtype.kind not in "iu" or image.mode in ("L", "P", "1"):
            raise AdoptError(f"{path} is an image of mode {image.mode}; depth is a 16-bit grey PNG")
        return to_metres(nearest(stored, height, width), units)
    colour = image.convert("RGB")
    if colour.size != (width, height):
        colour = colour.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(colour)


def _labels(path: Path, size: tuple[int, ...]) -> Array:
    """Read labels, uint8 [H, W]."""
    image = opened(path)
    if image.mode not in ("L", "P"):
        raise AdoptError(f"{path} is an image of mode {image.mode}; labels are an 8-bit grey or palette PNG")
    return nearest(np.asarray(image), size[0], size[1])


def opened(path: Path) -> Image.Image:
    """Open and decode an image, turned as it says."""
    try:
        image = Image.open(path)
        image.load()
        return upright(image, orientation_of(image))
    except (OSError, SyntaxError, ValueError) as error:
        raise AdoptError(f"{path} cannot be read: {error}; give whole PNG or JPEG files") from error
