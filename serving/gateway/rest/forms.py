"""Pipelines as forms: what people send to `POST /v1/pipelines/NAME`, derived from what each pipeline publishes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc.model_config_pb2 import ModelConfig

from crosswire.contract import Geometry, PipelineDescription, TensorSpec
from crosswire.contract.wire_names import CAMERA, IMAGE_SUFFIX, PNG_SUFFIX
from crosswire.serving.repository.published import description_of
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun

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
        """Whether it is a picture or a clip rather than a number or a text."""
        return self.dtype == "BYTES" and not self.is_text

    @property
    def is_text(self) -> bool:
        """Whether a part of a form is a text, which may come as a file, too."""
        return self.tensor == CAMERA

    @property
    def kind(self) -> str:
        """What a part of a form is, in a word."""
        return "text" if self.is_text else "file" if self.is_file else "number"

    @property
    def is_image(self) -> bool:
        """Whether an output is a PNG file rather than a text."""
        return self.tensor.endswith(PNG_SUFFIX)

    @property
    def is_json(self) -> bool:
        """Whether an output is a JSON text."""
        return self.unit == _JSON


@dataclass(frozen=True)
class Form:
    """One pipeline.

    Attributes:
        pipeline: its name.
        description: what its configuration says about it.
        fields: the parts of the form by name.
        outputs: what can be asked for by name.
    """

    pipeline: str
    description: PipelineDescription
    fields: Mapping[str, Field]
    outputs: Mapping[str, Field]

    @classmethod
    def from_config(cls, config: ModelConfig) -> Form | None:
        """Read it from a model's configuration; None unless the model is a pipeline."""
        if config.platform != "ensemble":
            return None
        found = description_of(config)
        if found is None or found.is_network:  # an ensemble, too, where steps run in one process
            return None
        fields = [_field(spec, IMAGE_SUFFIX) for spec in found.inputs]
        encoded = (spec for spec in found.outputs if spec.dtype == "BYTES")  # people cannot use raw tensors
        outputs = [_field(spec, PNG_SUFFIX) for spec in encoded]
        return cls(
            config.name, found, {field.name: field for field in fields}, {field.name: field for field in outputs}
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
    def images(self) -> tuple[str, ...]:
        """The outputs that are images, the one that people look at first."""
        names = [field.name for field in self.outputs.values() if field.is_image]
        return tuple(sorted(names, key=lambda name: name != _DRAWN))

    @property
    def texts(self) -> tuple[str, ...]:
        """The outputs that are texts."""
        return tuple(field.name for field in self.outputs.values() if not field.is_image)

    def in_fields(self, message: str) -> str:
        """Return a message about tensors with the names of their fields, which are what a form knows."""
        tensors = {field.tensor: field.name for field in self.fields.values()}
        return re.sub(rf"\b(?:{'|'.join(map(re.escape, tensors))})\b", lambda found: tensors[found[0]], message)

    def described(self, graphs: Iterable[GraphRun] = ()) -> dict[str, Any]:
        """Return what `GET /v1/pipelines` says about it; of what runs the graphs of all networks its own."""
        found = self.description
        return {
            "name": self.pipeline,
            "url": f"/v1/pipelines/{self.pipeline}",
            "network": found.network,
            "task": found.task,
            "classes": found.classes,
            "palette": found.palette,
            "label_values": found.label_values,
            "metrics": found.metrics,
            "data": found.data,
            "steps": found.steps,
            "limits": found.limits,
            "runs_on": [dataclasses.asdict(run) for run in graphs if run.network == found.network],
            "geometry": _described(found.geometry or Geometry()),
            "inputs": [
                {
                    "field": field.name,
                    "kind": field.kind,
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


def takes_numbers(config: ModelConfig) -> bool:
    """Say whether a model is a network without steps around it, which names itself as its only step."""
    found = description_of(config)
    return found is not None and found.steps == (config.name,)


def _field(spec: TensorSpec, ending: str) -> Field:
    """Return a tensor's field."""
    single = spec.shape == (1,)
    return Field(spec.name.removesuffix(ending), spec.name, spec.dtype, spec.unit, spec.optional, single)


def _described(geometry: Geometry) -> dict[str, Any]:
    """Return what the page has to know of the numbers in a depth image."""
    return {**dataclasses.asdict(geometry), "unit": geometry.unit, "larger_is_nearer": not geometry.metric}
