"""What samples tell of a wrong description: a proof of a graph against itself cannot see a wrong mean.

Networks are trained on inputs around zero with a spread of about one. Where real samples, normalised as described, lie
far from that, the description is doubted by name; that is a suspicion, no proof, for a network may have been trained on
anything. The order of channels leaves such numbers nearly as they are: it is told by labels alone, see `evaluate`. What
neither a proof nor samples can tell is said by name whenever a graph is adopted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosswire.contract.wire_names import DEPTH, PROBABILITIES
from crosswire.export.adopt.description import InputDescription, OutputDescription
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS
from crosswire.export.adopt.prepare import Prepared
from crosswire.export.adopt.proof.prove import normalised_name, reference_of
from crosswire.export.adopt.proof.samples import Sample
from crosswire.export.adopt.proof.sessions import Run

#: A mean farther from zero than this, or a spread outside of these bounds, is far from what networks are trained on.
FARTHEST_MEAN, SPREAD = 3.0, (0.05, 5.0)

#: Metres between which the depths of most scenes lie.
DEPTHS = (0.05, 200.0)


def unknowns(prepared: Prepared, *, samples: bool, labelled: bool) -> list[str]:
    """Return by name what is as described, and shown by nothing that was done.

    Args:
        prepared: the graph and its description.
        samples: whether there were real inputs.
        labelled: whether there were labels; what they say of channels, scales and units is told beside them.
    """
    lines = []
    for one in prepared.description.inputs:
        whole = prepared.dtypes[str(one.graph_input)] in WHOLE_NUMBERS
        said = _of_input(one, labelled=labelled, whole_numbers=whole)
        lines += [f"{words} of {one.graph_input!r} ({one.role})" for words in said]
    lines += [words for one in prepared.description.outputs for words in _of_output(one, labelled=labelled)]
    if not lines:
        return []
    hints = [] if samples else ["--samples DIR would show values far from 0 and 1"]
    if prepared.description.task != "translation" and not labelled:
        hints.append("--evaluate DIR would try other readings on labelled data")
    told = [f"not known: {line}: no proof can tell, it is as described" for line in lines]
    return [*told, *([f"hint: {'; '.join(hints)}"] if hints else [])]


def _of_input(one: InputDescription, *, labelled: bool, whole_numbers: bool) -> list[str]:
    """Return what nobody can tell of an input from its graph."""
    found = []
    if not labelled:
        found += [f"unit {one.unit}"] if one.unit else []
        found += [f"channel order {one.channel_order}"] if one.channel_order else []
        found += [f"rate {one.rate:g}"] if one.rate else []
        if one.scale is not None and not whole_numbers:
            found.append(f"scale {one.scale:.6g}, mean {_numbers(one.mean)} and std {_numbers(one.std)}")
    if one.invalid is not None:
        found.append(f"the value of missing readings ({one.invalid:g}, {one.invalid_at})")
    return found


def _of_output(one: OutputDescription, *, labelled: bool) -> list[str]:
    """Return what nobody can tell of an output from its graph."""
    if one.kind == "depth" and one.unit != "relative":
        return [f"unit {one.unit} of {one.graph_output!r}"]
    return [f"the order of the names of {len(one.classes)} classes"] if one.classes and not labelled else []


def _numbers(values: Sequence[float] | None) -> str:
    """Return numbers as messages have them."""
    return f"[{', '.join(f'{value:.6g}' for value in values or ())}]"


def suspicions(prepared: Prepared, samples: Sequence[Sample], run: Run) -> list[str]:
    """Return what is odd about real samples as they are normalised, in words; nothing where all is ordinary.

    Args:
        prepared: the graph and its description.
        samples: of the user.
        run: the original graph.
    """
    found = []
    steps = [reference_of(prepared, run, sample.raw) for sample in samples]
    for graph_input, parts in prepared.parts.items():
        if prepared.dtypes[graph_input] in WHOLE_NUMBERS:
            continue
        values = np.concatenate([step[normalised_name(graph_input)].ravel() for step in steps]).astype(np.float64)
        mean, spread = float(values.mean()), float(values.std())
        if abs(mean) > FARTHEST_MEAN or not SPREAD[0] <= spread <= SPREAD[1]:
            roles = " and ".join(str(one.role) for one in parts)
            keys = "unit, scale, mean and std" if any(one.role == DEPTH for one in parts) else "scale, mean and std"
            found.append(
                f"{graph_input!r} ({roles}) has mean {mean:.4g} and spread {spread:.4g} on the samples, where networks "
                f"are trained on about 0 and 1: check {keys}"
            )
    return found + _one_answer(steps) + _depths(prepared, steps)


def _depths(prepared: Prepared, steps: Sequence[dict[str, np.ndarray]]) -> list[str]:  # type: ignore[type-arg]
    """Doubt the unit of depths that no scene has."""
    found = []
    for one, spec in zip(prepared.description.outputs, prepared.answer.outputs, strict=False):
        if one.kind != "depth" or one.unit == "relative":
            continue
        middle = float(np.median(np.concatenate([step[spec.name].ravel() for step in steps])))
        if not DEPTHS[0] <= middle <= DEPTHS[1]:
            found.append(
                f"{one.graph_output!r} has a median depth of {middle:.4g} metres on the samples, where scenes have "
                f"{DEPTHS[0]:g} to {DEPTHS[1]:g}: check its unit ({one.unit}) and scale"
            )
    return found


def _one_answer(steps: Sequence[dict[str, np.ndarray]]) -> list[str]:  # type: ignore[type-arg]
    """Doubt a network that sees one class everywhere."""
    if PROBABILITIES in steps[0]:
        best = np.concatenate([step[PROBABILITIES].argmax(1) for step in steps])
        if len(best) > 3 and len(np.unique(best)) == 1:
            return [f"all {len(best)} samples are class {best[0]}: check the description"]
    if "labels" not in steps[0]:
        return []
    labels = np.concatenate([step["labels"].ravel() for step in steps])
    values, counts = np.unique(labels, return_counts=True)
    share = float(counts.max()) / labels.size
    if len(steps) > 1 and share > 0.98:
        return [f"{share:.1%} of all pixels of the samples are class {values[counts.argmax()]}: check the description"]
    return []
