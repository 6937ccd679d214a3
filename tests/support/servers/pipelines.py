"""Descriptions of pipelines that no server made."""

from __future__ import annotations

from typing import Any

from crosswire.contract import PipelineDescription, TensorSpec


def described(name: str, network: str, task: str, inputs: tuple[str, ...], **fields: Any) -> PipelineDescription:
    """Describe a pipeline that takes files; `outputs` are names of files, too, the other fields are as they are."""
    outputs = _files(fields.pop("outputs", ()))
    classes, palette = fields.pop("classes", ()), fields.pop("palette", ())
    return PipelineDescription(name, network, task, classes, palette, _files(inputs), outputs, **fields)


def as_config(description: PipelineDescription) -> dict[str, Any]:
    """Return the configuration by which Triton tells of it."""
    kinds = (("input", description.inputs), ("output", description.outputs))
    tensors = {
        kind: [{"name": one.name, "data_type": "TYPE_STRING", "dims": ["1"]} for one in specs] for kind, specs in kinds
    }
    parameters = {"crosswire": {"string_value": description.to_json()}}
    return {"name": description.name, "platform": "ensemble", **tensors, "parameters": parameters}


def _files(names: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """Return a tensor of one file per name."""
    return tuple(TensorSpec(name, "BYTES", (1,), ("item",), "file") for name in names)
