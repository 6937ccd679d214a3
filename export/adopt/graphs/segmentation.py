"""The end of an adopted segmentation: what the network gives becomes labels and confidence at full size.

Arithmetic and names as in `crosswire.export.tasks.segmentation.argmax_head`, written as nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crosswire.contract.wire_names import CONFIDENCE, LABELS
from crosswire.export.adopt.graphs.nodes import Nodes
from crosswire.export.graph_file import LOGITS

#: As in `crosswire.export.tasks.segmentation.argmax_head`.
LARGEST_FACTOR = 4


@dataclass(frozen=True)
class Scores:
    """What a network says of every pixel.

    Attributes:
        tensor: name of its output.
        dtype: ONNX's name of the element type.
        layout: `NCHW` or `NHWC`; `NHW` of labels.
        shape: sizes without the batch axis.
        kept: channels that are classes of the answer, in order.
        kind: `logits`, `probabilities` or `labels`.
        sigmoid: whether classes are independent of each other.
        threshold: of one channel, from where on a probability means the second class.
        align_corners: whether the corners of both sizes lie on each other.
        linear: whether scores are interpolated; else the nearest counts.
    """

    tensor: str
    dtype: str
    layout: str
    shape: tuple[int, ...]
    kept: tuple[int, ...]
    kind: str
    sigmoid: bool = False
    threshold: float = 0.5
    align_corners: bool = False
    linear: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        place = self.layout.index("H") - 1
        return self.shape[place], self.shape[place + 1]

    @property
    def channels(self) -> int:
        """Channels of the network's output; 1 of labels."""
        return self.shape[self.layout.index("C") - 1] if "C" in self.layout else 1


def segmentation_nodes(scores: Scores, size: tuple[int, int], *, residues: bool) -> Nodes:
    """Return the nodes that make `labels` and `confidence`, uint8 [N, H, W], of what a network gives.

    Args:
        scores: what it gives.
        size: H and W.
        residues: whether scores may be up-sampled one residue at a time, as a CPU likes it.
    """
    nodes = Nodes("tail")
    if scores.kind == "labels":
        _label_map(nodes, scores, size)
        return nodes
    logits = _classes(nodes, scores)
    factor = size[0] // scores.size[0]
    fits = 1 < factor <= LARGEST_FACTOR and size == (factor * scores.size[0], factor * scores.size[1])
    if residues and fits and scores.linear and not scores.align_corners:
        labels, probability = _by_residues(nodes, logits, scores, factor, size)
    else:
        labels, probability = _whole(nodes, logits, scores, size)
    nodes.cast(labels, "UINT8", output=LABELS)
    nodes.cast(nodes.add("Round", nodes.add("Mul", probability, nodes.number(255.0))), "UINT8", output=CONFIDENCE)
    return nodes


def _label_map(nodes: Nodes, scores: Scores, size: tuple[int, int]) -> None:
    """Write labels that the network decided itself; how sure it is of them it does not say."""
    shape = (0, 1, *scores.size)
    labels = nodes.reshape(nodes.cast(scores.tensor, "FLOAT"), *shape, output=LOGITS)
    if scores.size != size:
        labels = nodes.resize(labels, scores.size, size, **NEAREST)
    flat = nodes.reshape(labels, 0, *size)
    nodes.cast(flat, "UINT8", output=LABELS)
    full = nodes.add("Add", nodes.add("Mul", flat, nodes.number(0.0)), nodes.number(255.0))
    nodes.cast(full, "UINT8", output=CONFIDENCE)


def _classes(nodes: Nodes, scores: Scores) -> str:
    """Write the scores of the answer's classes, float32 [N, K, h, w]; one channel becomes those of two classes."""
    tensor = scores.tensor
    if scores.dtype != "FLOAT":
        tensor = nodes.cast(tensor, "FLOAT")
    if scores.layout == "NHWC":
        tensor = nodes.add("Transpose", tensor, perm=[0, 3, 1, 2])
    if len(scores.kept) < scores.channels:
        tensor = nodes.add("Gather", tensor, nodes.whole(*scores.kept), axis=1)
    if len(scores.kept) > 1:
        return nodes.add("Identity", tensor, output=LOGITS)
    if scores.kind == "probabilities":
        return nodes.add("Concat", nodes.add("Sub", nodes.number(1.0), tensor), tensor, axis=1, output=LOGITS)
    none = nodes.add("Mul", tensor, nodes.number(0.0))
    return nodes.add("Concat", none, tensor, axis=1, output=LOGITS)


def _whole(nodes: Nodes, logits: str, scores: Scores, size: tuple[int, int]) -> tuple[str, str]:
    """Write up-sampling and decision on all scores at once; see `argmax_head.whole`."""
    if scores.size != size:
        mode = {**LINEAR, "coordinate_transformation_mode": "align_corners"} if scores.align_corners else LINEAR
        logits = nodes.resize(logits, scores.size, size, **(mode if scores.linear else NEAREST))
    labels = _decided(nodes, logits, scores, axis=1)
    best = nodes.add("ReduceMax", logits, nodes.whole(1), keepdims=1)
    return labels, _certainty(nodes, logits, best, scores, size)


def _certainty(nodes: Nodes, logits: str, best: str, scores: Scores, size: tuple[int, int]) -> str:
    """Write the probability of the best class, [N, H, W]."""
    if scores.kind == "probabilities":
        return nodes.reshape(best, 0, *size)
    if scores.sigmoid and len(scores.kept) > 1:
        return nodes.reshape(nodes.add("Sigmoid", best), 0, *size)
    powers = nodes.add("Exp", nodes.add("Sub", logits, best))
    partition = nodes.add("ReduceSum", powers, nodes.whole(1), keepdims=0)
    return nodes.add("Div", nodes.number(1.0), partition)


def _decided(nodes: Nodes, logits: str, scores: Scores, axis: int) -> str:
    """Write the class of every pixel; of one channel against its threshold."""
    if len(scores.kept) > 1 or scores.threshold == 0.5:
        return nodes.add("ArgMax", logits, axis=axis, keepdims=0)
    level = scores.threshold if scores.kind == "probabilities" else np.log(scores.threshold / (1 - scores.threshold))
    shape = [1, 1, 1, 1]
    shape[axis] = 2
    lift = np.asarray([0.0, 0.0], np.float32)
    lift[1] = (1 - 2 * level) if scores.kind == "probabilities" else -level
    return nodes.add("ArgMax", nodes.add("Add", logits, nodes.constant(lift.reshape(shape))), axis=axis, keepdims=0)


def _by_residues(nodes: Nodes, logits: str, scores: Scores, factor: int, size: tuple[int, int]) -> tuple[str, str]:
    """Write up-sampling and decision one residue of rows and columns at a time; see `argmax_head.by_residues`."""
    small = nodes.add("Transpose", logits, perm=[0, 2, 3, 1])
    height, width = scores.size
    rows = _residues(nodes, small, 1, height, factor)
    parts = [part for row in rows for part in _residues(nodes, row, 2, width, factor)]
    labels, certain = [], []
    for part in parts:
        labels.append(_decided(nodes, part, scores, axis=3))
        certain.append(_part_certainty(nodes, part, scores))
    return _woven(nodes, labels, scores.size, factor, size), _woven(nodes, certain, scores.size, factor, size)


def _part_certainty(nodes: Nodes, part: str, scores: Scores) -> str:
    """Write the probability of the best class of one residue, [N, h, w]."""
    if scores.kind == "logits" and not (scores.sigmoid and len(scores.kept) > 1):
        part = nodes.add("Softmax", part, axis=3)
    best = nodes.add("ReduceMax", part, nodes.whole(3), keepdims=0)
    return nodes.add("Sigmoid", best) if scores.kind == "logits" and scores.sigmoid and len(scores.kept) > 1 else best


def _residues(nodes: Nodes, small: str, axis: int, length: int, factor: int) -> list[str]:
    """Write linear up-sampling along an axis, edges repeated: every factor-th element in a tensor of its own."""
    along = nodes.whole(axis)
    later = nodes.add("Slice", small, nodes.whole(1), nodes.whole(length), along)
    earlier = nodes.add("Slice", small, nodes.whole(0), nodes.whole(length - 1), along)
    step = nodes.add("Sub", later, earlier)
    pads = [0] * 8
    pads[axis] = 1
    before = nodes.add("Pad", step, nodes.whole(*pads))
    behind = nodes.add("Pad", step, nodes.whole(*pads[4:], *pads[:4]))
    offsets = [(index + 0.5) / factor - 0.5 for index in range(factor)]
    found = []
    for offset in offsets:
        change = nodes.add("Mul", before if offset < 0 else behind, nodes.number(offset))
        found.append(nodes.add("Add", small, change) if offset else small)
    return found


def _woven(nodes: Nodes, parts: list[str], small: tuple[int, int], factor: int, size: tuple[int, int]) -> str:
    """Write residues [N, h, w], rows first, back into an image [N, H, W]."""
    stacked = nodes.add("Concat", *(nodes.reshape(part, 0, *small, 1) for part in parts), axis=3)
    blocks = nodes.reshape(stacked, 0, *small, factor, factor)
    return nodes.reshape(nodes.add("Transpose", blocks, perm=[0, 1, 3, 2, 4]), 0, *size)


LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
