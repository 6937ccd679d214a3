"""Labelled point clouds: a PLY file per frame, of every pixel that has depth.

Points are metres in the colour camera: x to the right, y down, z forward. A file is binary, little endian, with the
properties x, y, z (float), red, green, blue (uchar), label (uchar) and, where the server says it, confidence (uchar,
255 is certain); its comments name frame, time stamp and classes. The format is Greg Turk's PLY 1.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, StreamFacts
from crosswire.clients.tasks.segmentation import Segmentation
from crosswire.media.cameras.lenses import rays

COLOURS = ("classes", "image")
_PLY_TYPES = {"<f4": "float", "|u1": "uchar"}


class CloudWriter(ResultWriter):
    """Writes `<index>.ply` for every frame.

    Example:
        >>> with CloudWriter(Path("clouds"), StreamFacts(lens)) as clouds:
        ...     clouds.add(frame)
    """

    confident = True

    def __init__(self, folder: Path, facts: StreamFacts, colours: str = "classes") -> None:
        """Make the folder.

        Args:
            folder: where to.
            facts: its lens says where pixels look.
            colours: of the points: those of their classes, or of the image.

        Raises:
            InputError: the lens is not known, or the colours are called otherwise.
            OutputError: the folder cannot be written to.
        """
        if colours not in COLOURS:
            raise InputError(f"got cloud colours {colours!r}, expected {' or '.join(COLOURS)}")
        if facts.lens is None:
            raise InputError(
                f"{facts.source or 'the recording'} has no calibration of its colour camera, and points in space need "
                "one; give it with --camera FILE"
            )
        self._folder = prepare_folder(folder)
        self._facts, self._colours = facts, colours
        self._rays: NDArray[np.float32] | None = None

    def add(self, frame: LabelledFrame) -> None:
        """Write the cloud of a frame."""
        lens = self._facts.lens_for(frame.result.labels)
        assert lens is not None
        if self._rays is None or self._rays.shape[:2] != (lens.height, lens.width):
            self._rays = rays(lens).astype(np.float32)
        shown = None if self._colours == "classes" else frame.rgb
        vertices = points_of(frame.result, frame.readings, self._rays, shown)
        write_whole(self._folder / f"{frame.index:06d}.ply", ply(vertices, comments_of(frame)))

    def close(self) -> None:
        """Nothing is left to write: every file is whole."""


def points_of(
    result: Segmentation,
    depth: NDArray[np.float32],
    directions: NDArray[np.float32],
    image: NDArray[np.uint8] | None = None,
) -> NDArray[np.void]:
    """Return the points of all pixels that have depth, row after row.

    Args:
        result: labels, uint8 [H, W].
        depth: metres along the axis, float32 [H, W], 0 where there is no reading.
        directions: where pixels look, float32 [H, W, 2], x and y at z = 1; not finite where that is not defined.
        image: colour of the points, uint8 [H, W, 3]; None takes those of the classes.

    Returns:
        A structured array with the properties of the file.
    """
    seen = (depth > 0) & np.isfinite(directions).all(axis=-1)
    labels, z = result.labels[seen], depth[seen]
    colours = result.palette[labels] if image is None else image[seen]
    columns: list[tuple[str, str, NDArray[np.generic]]] = [
        ("x", "<f4", directions[seen, 0] * z),
        ("y", "<f4", directions[seen, 1] * z),
        ("z", "<f4", z),
        *((name, "|u1", colours[:, channel]) for channel, name in enumerate(("red", "green", "blue"))),
        ("label", "|u1", labels),
    ]
    if result.confidence is not None:
        columns.append(("confidence", "|u1", result.confidence[seen]))
    points = np.empty(len(z), [(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        points[name] = values
    return points


def ply(vertices: NDArray[np.void], comments: tuple[str, ...] = ()) -> bytes:
    """Return a PLY file of vertices, a structured array of `<f4` and `|u1`."""
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {' '.join(text.split())}" for text in comments]
    lines += [f"element vertex {len(vertices)}"]
    lines += [f"property {_PLY_TYPES[vertices.dtype[name].str]} {name}" for name in vertices.dtype.names or ()]
    return "\n".join([*lines, "end_header", ""]).encode("ascii", "backslashreplace") + vertices.tobytes()


def comments_of(frame: LabelledFrame) -> tuple[str, ...]:
    """Return what a file says of itself."""
    result = frame.result
    classes = [
        f"class {index} {' '.join(map(str, colour))} {name}"
        for index, (name, colour) in enumerate(zip(result.class_names, result.palette.tolist(), strict=True))
    ]
    axes = "metres in the colour camera: x right, y down, z forward"
    return (f"frame {frame.index}", f"stamp_ns {frame.stamp_ns}", axes, *classes)
