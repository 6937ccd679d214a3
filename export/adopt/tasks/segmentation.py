"""An adopted segmentation: scores of classes, or labels, become our labels and confidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import CLASS_INDEX, CONFIDENCE, LABELS
from crosswire.export.adopt.description import OutputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.adopt.graphs.segmentation import Scores, segmentation_nodes
from crosswire.export.adopt.proof.reference import decided
from crosswire.export.adopt.tasks.classes import kept_classes
from crosswire.export.graph_file import LOGITS
from crosswire.export.quantization.precision import EXACT
from crosswire.media.palettes import spread_palette

Array = NDArray[Any]
Size = tuple[int, int]
#: Labels are bytes, and 255 is that of pixels without one.
MOST_CLASSES = 255
_NEARLY = 1e-3


class SegmentationAnswer:
    """Labels and confidence.

    Args:
        described: the one output that is wanted, as far as it was said.
        given: what the graph gave for noise with a batch of 1, under the name that is described.
        size: H and W of the graph's images.

    Raises:
        AdoptError: the output is no segmentation, or does not fit its description.
    """

    def __init__(self, described: OutputDescription, given: Array, size: Size) -> None:
        self.size = size
        filled, self.scores = _filled(described, given, size)
        self.described: tuple[OutputDescription, ...] = (filled,)
        self.classes = filled.classes or ()
        self.palette = filled.palette or ()
        axes = ("height", "width")
        reach = (0.0, len(self.classes) - 1.0)
        sure = "probability * 255" if filled.kind != "labels" else "255 everywhere: the graph gives labels alone"
        self.outputs: tuple[TensorSpec, ...] = (
            TensorSpec(LABELS, "UINT8", size, axes, CLASS_INDEX, valid_range=reach),
            TensorSpec(CONFIDENCE, "UINT8", size, axes, sure, valid_range=(0.0, 255.0)),
        )
        self.taps: tuple[str, ...] = (LOGITS,)
        self.tolerances = tuple(sorted(EXACT, key=lambda one: (LOGITS, LABELS, CONFIDENCE).index(one.output)))
        self.remarks = tuple(_remarks(described, filled, self.scores))

    def nodes(self, *, cpu: bool) -> tuple[Nodes, ...]:
        """Return the nodes behind the network."""
        scores = dataclasses.replace(self.scores, tensor=f"{INSIDE}{self.scores.tensor}")
        return (segmentation_nodes(scores, self.size, residues=cpu),)

    def reference(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Return labels, confidence and logits as they have to be."""
        return decided(found[self.scores.tensor], self.scores, self.size)


def _filled(one: OutputDescription, given: Array, size: Size) -> tuple[OutputDescription, Scores]:
    """Return a description with every field that applies, and what it says of the graph's output."""
    assert one.graph_output is not None
    layout = _layout(one.graph_output, given, size, one.layout)
    kind = one.kind or _kind(given, layout)
    if kind not in ("logits", "probabilities", "labels"):
        raise AdoptError(f"output {one.graph_output!r} is {kind}; a segmentation has logits, probabilities or labels")
    if kind != "labels" and layout == "NHW":
        raise AdoptError(f"output {one.graph_output!r} {list(given.shape)} has no axis of classes, so it is no {kind}")
    if kind == "labels" and "C" in layout:
        if given.shape[layout.index("C")] != 1:
            raise AdoptError(
                f"output {one.graph_output!r} {list(given.shape)} has several channels, so it is no labels"
            )
        layout = "NHW"
    channels = given.shape[layout.index("C")] if "C" in layout else 1
    kept = kept_classes(one, channels) if kind != "labels" else (0,)
    single = kind != "labels" and len(kept) == 1
    count = 2 if single else len(kept)
    classes = one.classes or _numbered(one, given, count, kind)
    if kind != "labels" and len(classes) != count:
        raise AdoptError(
            f"output {one.graph_output!r} has {count} classes, and {len(classes)} names were given; name each, or say "
            "with drop which of the graph's are none"
        )
    if kind == "labels":
        _check_labels(one, given, len(classes))
    if len(classes) > MOST_CLASSES:
        raise AdoptError(
            f"output {one.graph_output!r} has {len(classes)} classes; labels are bytes, at most 255 classes"
        )
    if one.palette is not None and len(one.palette) != len(classes):
        raise AdoptError(f"palette has {len(one.palette)} colours for {len(classes)} classes; give one for each")
    filled = dataclasses.replace(
        one,
        kind=kind,
        sigmoid=one.sigmoid if one.sigmoid is not None else single,
        upsampling=one.upsampling or ("nearest" if kind == "labels" else "bilinear"),
        align_corners=bool(one.align_corners),
        first_class=one.first_class or 0,
        drop=one.drop or (),
        classes=tuple(classes),
        palette=one.palette or spread_palette(len(classes)),
    )
    shape = (
        tuple(given.shape[1:]) if layout != "NHW" else tuple(given.shape[-2:] if given.ndim > 2 else given.shape[1:])
    )
    if layout == "NHW" and given.ndim == 4:
        shape = tuple(given.shape[1:])
    if layout == "NHW" and given.ndim == 4:
        shape = shape[1:] if _layout("", given, size) == "NCHW" else shape[:2]
    scores = Scores(
        tensor=one.graph_output,
        dtype=_dtype(given),
        layout=layout,
        shape=shape,
        kept=kept,
        kind=kind,
        sigmoid=bool(filled.sigmoid),
        threshold=0.5 if one.threshold is None else one.threshold,
        align_corners=bool(one.align_corners),
        linear=filled.upsampling == "bilinear",
    )
    return filled, scores


def _check_labels(one: OutputDescription, given: Array, count: int) -> None:
    """Refuse labels that are no whole numbers, or have no name."""
    values = given.astype(np.float64)
    if not np.array_equal(values, np.rint(values)):
        raise AdoptError(f"output {one.graph_output!r} gives fractions, so it is no labels; say kind = logits")
    if values.size and not 0 <= values.min() <= values.max() < count:
        raise AdoptError(
            f"output {one.graph_output!r} gives labels {values.min():g} to {values.max():g} for noise, and {count} "
            "classes were named; name all that the graph has"
        )


def _layout(name: str, given: Array, size: Size, said: str | None = None) -> str:
    """Return the order of an output's axes: height and width have the proportions of the images."""
    if given.ndim == 3 and _proportional(given.shape[1:], size):
        return "NHW"
    if given.ndim != 4:
        raise AdoptError(
            f"output {name!r} is {list(given.shape)} for images of {size[0]}x{size[1]}; a segmentation has one value, "
            "or one per class, for every pixel: name another with graph_output"
        )
    sizes = {"NCHW": given.shape[2:], "NHWC": given.shape[1:3]}
    fitting = [layout for layout, own in sizes.items() if said in (None, layout) and _proportional(own, size)]
    exact = [layout for layout in fitting if sizes[layout][0] * size[1] == sizes[layout][1] * size[0]]
    if len(exact) == 1:
        return exact[0]
    if len(fitting) > 1 and given.shape[1] != 1 != given.shape[3]:
        raise AdoptError(f"output {name!r} {list(given.shape)} may be NCHW or NHWC; say --set output.layout=NCHW")
    if fitting:
        return fitting[0]
    raise AdoptError(f"output {name!r} {list(given.shape)} has not the proportions of {size[0]}x{size[1]} images")


def _proportional(own: Sequence[int], size: Size) -> bool:
    """Say whether a height and a width are those of images of a size, or of a stride of it."""
    height, width = own
    return abs(height * size[1] - width * size[0]) <= max(size) and height > 1 and width > 1


def _kind(given: Array, layout: str) -> str:
    """Return what an output is, by its values for noise."""
    if given.dtype.kind in "iub" or layout == "NHW":
        return "labels"
    low, high = float(given.min()), float(given.max())
    return "probabilities" if low >= 0 and high <= 1 + _NEARLY and high > low else "logits"


def _numbered(one: OutputDescription, given: Array, count: int, kind: str) -> Sequence[str]:
    """Return names for classes that have none."""
    if kind == "labels":
        raise AdoptError(
            f"output {one.graph_output!r} gives labels, which do not tell how many classes there are; name them with "
            "--classes FILE, one per line"
        )
    return [f"class {place}" for place in range(count)]


def _remarks(said: OutputDescription, filled: OutputDescription, scores: Scores) -> list[str]:
    """Say what a person should know."""
    remarks = []
    if said.classes is None:
        remarks.append("nothing names the classes, so they are numbered; name them with --classes FILE, one per line")
    if filled.kind == "labels":
        remarks.append("the graph gives labels alone, so confidence is 255 everywhere; logits would tell more")
    if said.kind is None:
        remarks.append(f"output {filled.graph_output!r} was taken for {filled.kind}, by its values for noise")
    return remarks


def _dtype(given: Array) -> str:
    """Return ONNX's name of an array's element type."""
    names = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "FLOAT16"}
    return names.get(str(np.dtype(given.dtype)), str(given.dtype).upper())
