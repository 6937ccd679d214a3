"""Ensembles as data: which steps stand before and after a network, and which tensor feeds which."""

from __future__ import annotations

from collections.abc import Callable

from crosswire.contract import Contract
from crosswire.serving.repository.pipelines.clip import clip
from crosswire.serving.repository.pipelines.parts import PipelineSpec, StepSpec, network_inputs
from crosswire.serving.repository.pipelines.retrieval import retrieval
from crosswire.serving.repository.pipelines.segmentation import segmentation
from crosswire.serving.repository.pipelines.translation import translation

__all__ = ["PipelineSpec", "StepSpec", "network_inputs", "pipeline_of"]

_BY_TASK: dict[str, Callable[[Contract], PipelineSpec | None]] = {
    "segmentation": segmentation,
    "translation": translation,
    "classification": clip,
    "retrieval": retrieval,
}


def pipeline_of(contract: Contract) -> PipelineSpec | None:
    """Return the pipeline that a network is served through; None where its own model is all that is served.

    Raises:
        ServingError: the network's tensors do not fit its task.
    """
    return _BY_TASK[contract.task](contract)
