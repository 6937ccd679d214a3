"""Step `<name>_rank`: probabilities become the likeliest labels and a summary."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.contract import MODALITIES, PipelineDescription
from crosswire.contract.wire_names import CLIP_FACTS, PROBABILITIES, SUMMARY, TOP_LABELS
from crosswire.serving.steps.decode.decode_clip import facts_of
from crosswire.serving.steps.media.clip_header import Facts
from crosswire.serving.steps.runtime.graph_choice import USED
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column


def ranked(probabilities: npt.NDArray[np.float32], classes: Sequence[str], count: int) -> list[tuple[str, float]]:
    """Return the likeliest classes with their probabilities, float32 [C]; those with equal ones in their own order."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(classes[index], float(probabilities[index])) for index in order]


def summarise(
    network: str, classes: Sequence[str], probabilities: npt.NDArray[np.float32], used: str, facts: Facts
) -> dict[str, Any]:
    """Say what was heard and seen.

    Args:
        network: its name.
        classes: class names by index.
        probabilities: float32 [C].
        used: names of the modalities used, joined by `+`.
        facts: what is known about the clip.

    Returns:
        `network`; `modalities` that were used; `classes`: every class with its `name` and `probability`, the likeliest
        first; `clip`: `container`, `seconds`, `pictures`, `sound`; `warnings`.
    """
    clip = dataclasses.asdict(facts)
    warnings = clip.pop("warnings")
    return {
        "network": network,
        "modalities": used.split("+"),
        "classes": [
            {"name": name, "probability": round(share, 6)}
            for name, share in ranked(probabilities, classes, len(classes))
        ],
        "clip": clip,
        "warnings": warnings,
    }


class RankLabels(Step):
    """Ranks the classes of every clip."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read class names from the model's own parameters."""
        description = PipelineDescription.from_config(config)
        self._network, self._classes = description.network, description.classes
        self._count = next(spec.shape[0] for spec in description.outputs if spec.name == TOP_LABELS)

    def run(self, request: StepRequest) -> Arrays:
        """Rank the samples of one request."""
        probabilities, used, facts = map(request.array, (PROBABILITIES, USED, CLIP_FACTS))
        labels = [[name.encode() for name, _ in ranked(one, self._classes, self._count)] for one in probabilities]
        summaries = [
            summarise(self._network, self._classes, one, word.decode(), facts_of(text))
            for one, word, text in zip(probabilities, used[:, 0], facts[:, 0], strict=True)
        ]
        texts = [json.dumps(summary, ensure_ascii=False).encode() for summary in summaries]
        return {TOP_LABELS: np.array(labels, dtype=np.object_), MODALITIES: used, SUMMARY: column(texts)}
