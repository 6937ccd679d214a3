"""What samples tell of a wrong description: a proof of a graph against itself cannot see a wrong mean.

Networks are trained on inputs around zero with a spread of about one. Where real samples, normalised as described, lie
far from that, the description is doubted by name; that is a suspicion, no proof, for a network may have been trained on
anything. The order of channels leaves such numbers nearly as they are: it is told by labels alone, see `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosswire.contract.wire_names import DEPTH, PROBABILITIES
from crosswire.export.adopt.prepare import Prepared
from crosswire.export.adopt.proof.prove import normalised_name, reference_of
from crosswire.export.adopt.proof.samples import Sample
from crosswire.export.adopt.proof.sessions import Run

#: A mean farther from zero than this, or a spread outside of these bounds, is far from what networks are trained on.
FARTHEST_MEAN, SPREAD = 3.0, (0.05, 5.0)

CANNOT_KNOW = (
    "no sample can show whether the order of channels, or a rate, is that of the training; labelled data can: "
    "--evaluate FOLDER",
    "a graph proves nothing about its training: mean, std and units are as described, see the figures above",
)


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
        if prepared.dtypes[graph_input] == "UINT8":
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
    return found + _one_answer(steps)


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
