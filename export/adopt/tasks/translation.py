"""An adopted translation: depth of a picture, or pictures of other domains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import TensorSpec, Tolerance
from crosswire.contract.wire_names import DEPTH, PREDICTED
from crosswire.export.adopt.description import OutputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.inputs import spread
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.adopt.graphs.segmentation import LINEAR, NEAREST
from crosswire.export.adopt.proof.resize import resized

Array = NDArray[Any]
Size = tuple[int, int]
#: What one unit of a depth output is in the unit of the answer.
METRES = {"m": 1.0, "mm": 0.001, "relative": 1.0}
RELATIVE_UNIT = "relative depth"


@dataclass(frozen=True)
class Picture:
    """One output of a graph.

    Attributes:
        described: with every field that applies.
        spec: what becomes of it.
        channels: 1 or 3.
        size: its own height and width.
        last: whether its channels are the last axis.
    """

    described: OutputDescription
    spec: TensorSpec
    channels: int
    size: Size
    last: bool


class TranslationAnswer:
    """Pictures of some domains.

    Args:
        described: the outputs that are wanted, as far as they were said.
        given: what the graph gave for noise with a batch of 1, by its own names.
        size: H and W of the graph's images.

    Raises:
        AdoptError: an output is no picture, or does not fit its description.
    """

    def __init__(self, described: Sequence[OutputDescription], given: Mapping[str, Array], size: Size) -> None:
        self.size = size
        self.pictures = tuple(_picture(one, given[str(one.graph_output)], size) for one in described)
        self.described: tuple[OutputDescription, ...] = tuple(one.described for one in self.pictures)
        self.outputs: tuple[TensorSpec, ...] = tuple(one.spec for one in self.pictures)
        if len({spec.name for spec in self.outputs}) < len(self.outputs):
            raise AdoptError(f"two outputs have the domain {self.described[0].domain!r}; say domain for each")
        self.classes: tuple[str, ...] = ()
        self.palette: tuple[tuple[int, int, int], ...] = ()
        self.taps: tuple[str, ...] = ()
        self.tolerances = tuple(bound for spec in self.outputs for bound in _bounds(spec))
        relative = [spec.name for spec in self.outputs if spec.unit == RELATIVE_UNIT]
        words = "{} is relative: larger or smaller is nearer as the network has it, and its unit is none"
        self.remarks = tuple(words.format(name) for name in relative)

    def nodes(self, *, cpu: bool) -> tuple[Nodes, ...]:
        """Return the nodes behind the network."""
        return tuple(self._nodes(one) for one in self.pictures)

    def reference(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Return the pictures as they have to be."""
        return {one.spec.name: self._reference(one, found[str(one.described.graph_output)]) for one in self.pictures}

    def _nodes(self, one: Picture) -> Nodes:
        """Return the nodes behind one output."""
        nodes, said = Nodes(one.spec.name), one.described
        tensor = nodes.cast(f"{INSIDE}{said.graph_output}", "FLOAT")
        if one.last:
            tensor = nodes.add("Transpose", nodes.reshape(tensor, 0, *one.size, one.channels), perm=[0, 3, 1, 2])
        tensor = nodes.reshape(tensor, 0, one.channels, *one.size)
        if one.size != self.size:
            mode = {**LINEAR, "coordinate_transformation_mode": "align_corners"} if said.align_corners else LINEAR
            tensor = nodes.resize(tensor, one.size, self.size, **(mode if said.upsampling == "bilinear" else NEAREST))
        factor, summand = _back(said, one.channels)
        shape = (1, one.channels, 1, 1)
        tensor = nodes.add("Mul", tensor, nodes.constant(np.asarray(factor, np.float32).reshape(shape)))
        if any(summand):
            tensor = nodes.add("Add", tensor, nodes.constant(np.asarray(summand, np.float32).reshape(shape)))
        if said.kind == "depth":
            nodes.reshape(tensor, 0, *self.size, output=one.spec.name)
            return nodes
        if said.channel_order == "BGR":
            tensor = nodes.add("Gather", tensor, nodes.whole(2, 1, 0), axis=1)
        tensor = nodes.add("Clip", nodes.add("Round", tensor), nodes.number(0.0), nodes.number(255.0))
        nodes.cast(nodes.add("Transpose", tensor, perm=[0, 2, 3, 1]), "UINT8", output=one.spec.name)
        return nodes

    def _reference(self, one: Picture, given: Array) -> Array:
        """Return one picture."""
        said, count = one.described, len(given)
        values = given.astype(np.float32)
        if one.last:
            values = values.reshape(count, *one.size, one.channels).transpose(0, 3, 1, 2)
        values = values.reshape(count, one.channels, *one.size)
        linear = said.upsampling == "bilinear"
        values = resized(values, self.size, linear=linear, align_corners=bool(said.align_corners))
        if said.kind == "depth":
            return values[:, 0] * np.float32((said.scale or 1.0) * METRES[said.unit or "m"])
        mean, std = (
            np.asarray(spread(field, one.channels), np.float32).reshape(1, -1, 1, 1)
            for field in (said.mean or (0.0,), said.std or (1.0,))
        )
        pixels = np.rint((values * std + mean) / np.float32(said.scale or 1.0)).clip(0, 255).astype(np.uint8)
        pixels = pixels[:, ::-1] if said.channel_order == "BGR" else pixels
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def _picture(one: OutputDescription, given: Array, size: Size) -> Picture:
    """Return an output with every field of its description that applies."""
    channels, own, last = _form(one, given, size)
    kind = one.kind or ("depth" if channels == 1 else "image")
    if kind not in ("depth", "image"):
        raise AdoptError(f"output {one.graph_output!r} is {kind}; a translation gives depth or image")
    shared: dict[str, Any] = {"kind": kind, "upsampling": one.upsampling or "bilinear"}
    shared["align_corners"] = bool(one.align_corners)
    axes = ("height", "width")
    if kind == "depth":
        if channels != 1:
            raise AdoptError(f"output {one.graph_output!r} has {channels} channels, so it is no depth")
        if one.unit is None:
            raise AdoptError(
                f"nothing says in which unit output {one.graph_output!r} has depth, and the graph cannot tell; say "
                "--set output.unit=m, mm or relative"
            )
        domain = one.domain or DEPTH
        unit = RELATIVE_UNIT if one.unit == "relative" else "metre"
        spec = TensorSpec(f"{PREDICTED}{domain}", "FP32", size, axes, unit)
        filled = dataclasses.replace(one, domain=domain, scale=one.scale or 1.0, **shared)
        return Picture(filled, spec, channels, own, last)
    if one.scale is None and one.mean is None and one.std is None:
        raise AdoptError(
            f"nothing says how output {one.graph_output!r} holds colours; say --set output.scale=0.00392156862745098 "
            "where it gives 0 to 1"
        )
    shared |= {"domain": one.domain or "image", "scale": one.scale or 1.0, "mean": one.mean or (0.0,)}
    shared |= {"std": one.std or (1.0,), "channel_order": one.channel_order or "RGB"}
    filled = dataclasses.replace(one, **shared)
    shape = (*size, channels)
    spec = TensorSpec(
        f"{PREDICTED}{filled.domain}", "UINT8", shape, (*axes, "channel"), "intensity 0..255", None, (0.0, 255.0)
    )
    return Picture(filled, spec, channels, own, last)


def _form(one: OutputDescription, given: Array, size: Size) -> tuple[int, Size, bool]:
    """Return channels, height and width of an output, and whether its channels come last."""
    shape = given.shape[1:]
    candidates = [(1, shape, False)] if len(shape) == 2 else []
    if len(shape) == 3:
        candidates = [(shape[0], shape[1:], False), (shape[2], shape[:2], True)]
    for channels, (height, width), last in candidates:
        if channels in (1, 3) and abs(height * size[1] - width * size[0]) <= max(size):
            return channels, (height, width), last
    raise AdoptError(
        f"output {one.graph_output!r} is {list(given.shape)} for images of {size[0]}x{size[1]}; a picture has one or "
        "three channels and their proportions: name another with --output"
    )


def _back(said: OutputDescription, channels: int) -> tuple[list[float], list[float]]:
    """Return factor and summand per channel that bring an output into the unit of the answer."""
    scale = said.scale or 1.0
    if said.kind == "depth":
        return [scale * METRES[said.unit or "m"]], [0.0]
    mean, std = (spread(field, channels) for field in (said.mean or (0.0,), said.std or (1.0,)))
    return [one / scale for one in std], [one / scale for one in mean]


def _bounds(spec: TensorSpec) -> tuple[Tolerance, ...]:
    """Return how far a picture may lie from the original: as of our own translations."""
    if spec.dtype == "FP32":
        return (Tolerance(spec.name, "relative", 1e-3),)
    return (Tolerance(spec.name, "max_abs", 1.0), Tolerance(spec.name, "agreement", 0.99))
