"""An adopted classification of clips: what a network says of the classes becomes probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import TensorSpec, Tolerance, used_spec
from crosswire.contract.wire_names import PROBABILITIES
from crosswire.export.adopt.description import OutputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.adopt.tasks.classes import kept_classes
from crosswire.export.graph_file import LOGITS

Array = NDArray[Any]
#: As of our own networks of clips.
BOUNDS = (Tolerance(LOGITS, "relative", 1e-3), Tolerance(PROBABILITIES, "max_abs", 1e-4))
#: How far probabilities may leave 0..1, and their sum 1, by rounding.
_NEARLY = 1e-3


class ClassificationAnswer:
    """Probabilities of classes.

    Args:
        described: the one output that is wanted, as far as it was said.
        given: what the graph gave for noise with a batch of 1, under the name that is described.

    Raises:
        AdoptError: the output is no classification, or does not fit its description.
    """

    palette: tuple[tuple[int, int, int], ...] = ()
    taps: tuple[str, ...] = (LOGITS,)
    tolerances: tuple[Tolerance, ...] = BOUNDS

    def __init__(self, described: OutputDescription, given: Array) -> None:
        channels = _channels(described, given)
        self.kept = kept_classes(described, channels)
        kind = _kind(described, given)
        single = len(self.kept) == 1
        count = 2 if single else len(self.kept)
        if described.classes is not None and len(described.classes) != count:
            raise AdoptError(
                f"output {described.graph_output!r} has {count} classes, and {len(described.classes)} names were "
                "given; name each, or say with drop which of the graph's are none"
            )
        self.classes = described.classes or tuple(f"class {place}" for place in range(count))
        sigmoid = _independent(described, given, kind, single=single)
        filled = dataclasses.replace(
            described,
            kind=kind,
            sigmoid=sigmoid,
            first_class=described.first_class or 0,
            drop=described.drop or (),
            classes=self.classes,
        )
        self.described: tuple[OutputDescription, ...] = (filled,)
        self.sigmoid, self.kind, self.channels = sigmoid, kind, channels
        axes = ("class",)
        unit = "probability 0..1, of each class by itself" if sigmoid and not single else "probability 0..1"
        probabilities = TensorSpec(PROBABILITIES, "FP32", (count,), axes, unit, valid_range=(0.0, 1.0))
        self.outputs: tuple[TensorSpec, ...] = (probabilities, used_spec())
        self.remarks = tuple(_remarks(described, filled))

    def nodes(self, *, cpu: bool) -> tuple[Nodes, ...]:
        """Return the nodes behind the network, which are the same for all targets."""
        nodes = Nodes("tail")
        tensor = nodes.reshape(nodes.cast(f"{INSIDE}{self.described[0].graph_output}", "FLOAT"), 0, self.channels)
        if len(self.kept) < self.channels:
            tensor = nodes.add("Gather", tensor, nodes.whole(*self.kept), axis=1)
        tensor = nodes.add("Identity", tensor, output=LOGITS)
        single = len(self.kept) == 1
        if self.kind == "logits":
            tensor = nodes.add("Sigmoid", tensor) if self.sigmoid else nodes.add("Softmax", tensor, axis=1)
        if single:
            tensor = nodes.add("Concat", nodes.add("Sub", nodes.number(1.0), tensor), tensor, axis=1)
        nodes.add("Clip", tensor, nodes.number(0.0), nodes.number(1.0), output=PROBABILITIES)
        return (nodes,)

    def reference(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Return logits and probabilities as they have to be."""
        given = found[str(self.described[0].graph_output)]
        scores = given.astype(np.float32).reshape(len(given), self.channels)[:, list(self.kept)]
        shares = scores.astype(np.float64)
        if self.kind == "logits" and self.sigmoid:
            shares = 0.5 * (1 + np.tanh(shares / 2))
        elif self.kind == "logits":
            powers = np.exp(shares - shares.max(1, keepdims=True))
            shares = powers / powers.sum(1, keepdims=True)
        if len(self.kept) == 1:
            shares = np.concatenate([1 - shares, shares], 1)
        return {LOGITS: scores, PROBABILITIES: shares.clip(0, 1).astype(np.float32)}


def _channels(one: OutputDescription, given: Array) -> int:
    """Return how many numbers an output has; all axes but one must be of one."""
    sizes = [size for size in given.shape[1:] if size != 1] or [1]
    if given.ndim < 2 or len(sizes) > 1 or given.dtype.kind != "f":
        raise AdoptError(
            f"output {one.graph_output!r} is {given.dtype} {list(given.shape)}; a classification has one number per "
            "class for a whole clip: name another with --output"
        )
    return sizes[0]


def _kind(one: OutputDescription, given: Array) -> str:
    """Return what an output is: as it was said, if its values for noise can be that, else by these values."""
    low, high, total = float(given.min()), float(given.max()), float(given.sum())
    inside = low >= 0 and high <= 1 + _NEARLY
    if one.kind not in (None, "logits", "probabilities"):
        raise AdoptError(f"output {one.graph_output!r} is {one.kind}; a classification has logits or probabilities")
    if one.kind == "probabilities" and not inside:
        raise AdoptError(
            f"output {one.graph_output!r} is {low:.4g} to {high:.4g} for noise, and probabilities are 0 to 1; say "
            "--set output.kind=logits"
        )
    if one.kind == "logits" and inside and given.size > 1 and abs(total - 1) <= _NEARLY:
        raise AdoptError(
            f"output {one.graph_output!r} is 0 to 1 for noise with the sum 1, so it is probabilities already; say "
            "--set output.kind=probabilities"
        )
    if one.kind is not None:
        return one.kind
    if not inside:
        return "logits"
    if given.size > 1 and abs(total - 1) <= _NEARLY:
        return "probabilities"
    raise AdoptError(
        f"output {one.graph_output!r} is {low:.4g} to {high:.4g} for noise, which may be logits or probabilities; say "
        "--set output.kind=logits, or probabilities where the graph ends in a sigmoid"
    )


def _independent(one: OutputDescription, given: Array, kind: str, *, single: bool) -> bool:
    """Return whether classes are independent of each other."""
    apart = kind == "probabilities" and abs(float(given.sum()) - 1) > _NEARLY
    if single or one.sigmoid is None:
        return single or apart
    if apart and not one.sigmoid:
        raise AdoptError(
            f"output {one.graph_output!r} has the sum {float(given.sum()):.4g} for noise, and probabilities of one "
            "class of several have 1; say --set output.sigmoid=true"
        )
    return one.sigmoid


def _remarks(said: OutputDescription, filled: OutputDescription) -> list[str]:
    """Say what a person should know."""
    remarks = []
    if said.classes is None:
        remarks.append("nothing names the classes, so they are numbered; name them with --classes FILE, one per line")
    if said.kind is None:
        remarks.append(f"output {filled.graph_output!r} was taken for {filled.kind}, by its values for noise")
    if said.sigmoid is None and not filled.sigmoid and filled.kind == "logits":
        remarks.append(
            "classes were taken to exclude each other (soft-max); where several may be true at once, say "
            "--set output.sigmoid=true"
        )
    return remarks
