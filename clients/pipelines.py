"""Pipelines in the Triton configurations that a server sends; what they say is read by `crosswire.contract`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosswire.clients.errors import InputError, InternalServerError, PipelineNotFoundError
from crosswire.contract import ContractError, PipelineDescription
from crosswire.contract.pipeline_description import PARAMETER


def find_pipeline(config: Mapping[str, Any]) -> PipelineDescription | None:
    """Read a pipeline from its Triton configuration.

    It is an ensemble with another model's contract, or a network without steps around it, which names itself as its
    only step; None for every other model.

    Raises:
        InternalServerError: its description is damaged or of another schema version.
    """
    if PARAMETER not in config.get("parameters", {}):
        return None
    try:
        found = PipelineDescription.from_config(config)
    except ContractError as error:
        raise InternalServerError(str(error)) from error
    if found.is_network:
        return found if found.steps == (found.name,) else None
    return found if config.get("platform") == "ensemble" else None


def check_takes_files(pipeline: PipelineDescription) -> None:
    """Raise `InputError` where a pipeline takes no files: an embedder takes numbers."""
    if not pipeline.files:
        name = pipeline.inputs[0].name
        raise InputError(
            f"pipeline {pipeline.name!r} takes {name}, which are numbers and no files of images or clips; ask it with "
            f"Predictor.embed, or with: crosswire predict --input {name}=FEATURES.npy"
        )


def read_pipeline(config: Mapping[str, Any]) -> PipelineDescription:
    """Read a pipeline from its Triton configuration.

    Raises:
        PipelineNotFoundError: the model is no pipeline.
        InternalServerError: its description is damaged or of another schema version.
    """
    found = find_pipeline(config)
    if found is None:
        raise PipelineNotFoundError(f"model {config['name']!r} is no pipeline; list the pipelines with: crosswire list")
    return found
