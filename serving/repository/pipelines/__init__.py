"""Ensembles as data: which steps stand before and after a network, and which tensor feeds which."""

from __future__ import annotations

from crosswire.contract import Contract
from crosswire.serving.repository.pipelines.clip import clip
from crosswire.serving.repository.pipelines.parts import PipelineSpec, StepSpec, network_inputs
from crosswire.serving.repository.pipelines.segmentation import segmentation
from crosswire.serving.repository.pipelines.translation import translation

__all__ = ["PipelineSpec", "StepSpec", "network_inputs", "pipeline_of"]

_BY_TASK = {"segmentation": segmentation, "translation": translation, "classification": clip}


def pipeline_of(contract: Contract) -> PipelineSpec:
    """Return the pipeline that a network is served through.

    Raises:
        ServingError: the task has a pipeline, but the network's tensors do not fit it.
    """
    return _BY_TASK[contract.task](contract)
