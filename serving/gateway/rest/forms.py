"""Pipelines as forms: what people send to `POST /v1/pipelines/NAME`, derived from what each pipeline publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc.model_config_pb2 import ModelConfig

from crosswire.serving.repository.published import PARAMETER

_PICTURE_INPUT, _PICTURE_OUTPUT = "_image", "_png"
_DRAWN = "overlay"
_JSON = "JSON text"


@dataclass(frozen=True)
class Field:
    """One part of a form, or one output that can be asked for.

    Attributes:
        name: the tensor's name without its ending: `rgb` for `rgb_image`, `labels` for `labels_png`.
        tensor: the tensor's wire name.
        dtype: `BYTES` or `FP32`.
        unit: what it holds, in words.
        optional: whether it may be left out.
        single: whether it is one element rather than a list.
    """

    name: str
    tensor: str
    dtype: str
    unit: str
    optional: bool
    single: bool

    @property
    def is_file(self) -> bool:
        """Whether it is a file rather than a number."""
        return self.dtype == "BYTES"

    @property
    def is_picture(self) -> bool:
        """Whether an output is a PNG file rather than a text."""
        return self.tensor.endswith(_PICTURE_OUTPUT)

    @property
    def is_json(self) -> bool:
        """Whether an output is a JSON text."""
        return self.unit == _JSON


@dataclass(frozen=True)
class Form:
    """One pipeline.

    Attributes:
        pipeline: its name.
        published: what its configuration says under the key `crosswire`.
        fields: the parts of the form by name.
        outputs: what can be asked for by name.
    """

    pipeline: str
    published: Mapping[str, Any]
    fields: Mapping[str, Field]
    outputs: Mapping[str, Field]

    @classmethod
    def from_config(cls, config: ModelConfig) -> Form | None:
        """Read it from a model's configuration; None unless the model is a pipeline."""
        text = config.parameters[PARAMETER].string_value if PARAMETER in config.parameters else ""
        if config.platform != "ensemble" or not text:
            return None
        published = json.loads(text)
        if published["name"] == published["network"]:  # an ensemble, too, where steps are fused
            return None
        fields = [_field(spec, _PICTURE_INPUT) for spec in published["inputs"]]
        encoded = (spec for spec in published["outputs"] if spec["dtype"] == "BYTES")  # people cannot use raw tensors
        outputs = [_field(spec, _PICTURE_OUTPUT) for spec in encoded]
        return cls(
            config.name, published, {field.name: field for field in fields}, {field.name: field for field in outputs}
        )

    @property
    def example(self) -> str:
        """The options by which curl sends what the pipeline needs; every file where it needs none of them in itself."""
        needed = [name for name in self.files if not self.fields[name].optional] or self.files
        return " ".join(f"-F {name}=@FILE" for name in needed)

    @property
    def files(self) -> tuple[str, ...]:
        """The fields that are files."""
        return tuple(field.name for field in self.fields.values() if field.is_file)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The outputs that are pictures, the one that people look at first."""
        names = [field.name for field in self.outputs.values() if field.is_picture]
        return tuple(sorted(names, key=lambda name: name != _DRAWN))

    @property
    def texts(self) -> tuple[str, ...]:
        """The outputs that are texts."""
        return tuple(field.name for field in self.outputs.values() if not field.is_picture)

    def described(self) -> dict[str, Any]:
        """Return what `GET /v1/pipelines` says about it."""
        known = ("network", "task", "classes", "palette", "metrics", "data", "steps", "limits")
        return {
            "name": self.pipeline,
            "url": f"/v1/pipelines/{self.pipeline}",
            **{key: self.published[key] for key in known},
            "inputs": [
                {
                    "field": field.name,
                    "kind": "file" if field.is_file else "number",
                    "unit": field.unit,
                    "optional": field.optional,
                    "tensor": field.tensor,
                }
                for field in self.fields.values()
            ],
            "outputs": [
                {"output": field.name, "unit": field.unit, "tensor": field.tensor} for field in self.outputs.values()
            ],
        }


def _field(spec: Mapping[str, Any], ending: str) -> Field:
    """Return a tensor's field."""
    name = spec["name"]
    single = spec["shape"] == [1]
    return Field(name.removesuffix(ending), name, spec["dtype"], spec["unit"], spec["optional"], single)
