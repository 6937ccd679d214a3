"""Pipelines in the Triton configurations that a server sends; what they say is read by `crosswire.contract`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosswire.clients.errors import InternalServerError, PipelineNotFoundError
from crosswire.contract import ContractError, PipelineDescription
from crosswire.contract.pipeline_description import PARAMETER


def find_pipeline(config: Mapping[str, Any]) -> PipelineDescription | None:
    """Read a pipeline from its Triton configuration; None unless it is an ensemble with another model's contract.

    Raises:
        InternalServerError: its description is damaged or of another schema version.
    """
    if config.get("platform") != "ensemble" or PARAMETER not in config.get("parameters", {}):
        return None
    try:
        found = PipelineDescription.from_config(config)
    except ContractError as error:
        raise InternalServerError(str(error)) from error
    return None if found.is_network else found


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
