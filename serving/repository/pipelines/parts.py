"""What every pipeline is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crosswire.contract import Contract, Geometry, TensorSpec
from crosswire.contract.wire_names import (
    CAMERA,
    DEFAULT_UNITS_PER_METRE,
    DEPTH_UNITS,
    IMAGE_FACTS,
    IMAGE_SUFFIX,
    RGB,
)
from crosswire.serving.steps.runtime.graph_choice import PRESENT

DECODE_DOMAINS = "decode.decode_domains:DecodeDomains"


@dataclass(frozen=True)
class StepSpec:
    """A step of a pipeline that stands before or after its network.

    Attributes:
        model: its name, and that of its Triton model where it has a process of its own.
        code: where its class is, below `crosswire.serving.steps`: `decode.decode_clip:DecodeClip`.
        inputs: its input tensors.
        outputs: its output tensors.
    """

    model: str
    code: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class PipelineSpec:
    """One ensemble. A tensor keeps its name in every step but those `renamed`, so the wiring is by name.

    Attributes:
        name: name of the Triton model.
        contract: the network's contract.
        inputs: tensors that a client sends.
        outputs: tensors that a client gets.
        before: the step that feeds the network.
        after: the steps that read the network's answer.
        renamed: the network's outputs that go by another name in the ensemble. One of them at least must be no output
            of the ensemble: where nobody asks for any output of a step, Triton leaves it out, even if other steps wait
            for it.
    """

    name: str
    contract: Contract
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    before: StepSpec
    after: tuple[StepSpec, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of its steps in order, wherever they run."""
        return (self.before.model, self.contract.name, *(step.model for step in self.after))

    @property
    def in_process(self) -> str:
        """Name of the one model that does what all steps do, where there is one."""
        return f"{self.contract.name}_fused"


def network_inputs(contract: Contract) -> tuple[TensorSpec, ...]:
    """Return the input tensors of a network's own model.

    In an ensemble every step gets all of its tensors, so the step before a network with variants says in one more
    which of them are there.
    """
    if not contract.variants:
        return contract.inputs
    unit = "names of the inputs that are there, joined by +; all that came if left out"
    return (*contract.inputs, item(PRESENT, "BYTES", unit, optional=True))


def item(name: str, dtype: str, unit: str, *, optional: bool = False) -> TensorSpec:
    """Describe a tensor with one element per sample."""
    return TensorSpec(name, dtype, (1,), ("item",), unit, optional=optional)


def image_facts() -> TensorSpec:
    """Describe what a decoder says of the images of a sample, see `crosswire.serving.steps.media.image_facts`."""
    return item(IMAGE_FACTS, "BYTES", "JSON text about the images")


def depth_units(geometry: Geometry | None = None) -> TensorSpec:
    """Describe the scale of a depth image.

    Args:
        geometry: how the network's training data hold it; None where they do not say, which stands for millimetres.
    """
    scale = DEFAULT_UNITS_PER_METRE if geometry is None else geometry.scale
    unit = "metre" if geometry is None or geometry.metric else geometry.unit
    return item(DEPTH_UNITS, "FP32", f"depth picture values per {unit}; {scale:.10g} if left out", optional=True)


def cameras(inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Describe the camera by which depth is registered to colour, for a network that takes both.

    Args:
        inputs: the network's tensors.

    Returns:
        one tensor; none where colour is missing, or where there is no depth in metres, or several: lenses say nothing
        of other geometry.
    """
    metric = [spec for spec in inputs if spec.dtype == "FP32" and (spec.geometry is None or spec.geometry.metric)]
    if len(metric) != 1 or RGB not in {spec.name for spec in inputs}:
        return ()
    unit = "JSON text of the colour and the depth camera's lenses; depth is taken as registered to colour if left out"
    return (item(CAMERA, "BYTES", unit, optional=True),)


def encoded_depth(spec: TensorSpec) -> TensorSpec:
    """Describe the encoded image that becomes a network's tensor of depth, or of other geometry."""
    geometry = spec.geometry
    of, missing = ("", 0) if geometry is None or geometry.metric else (f" of {geometry.quantity}", geometry.missing)
    unit = f"16-bit greyscale PNG file{of}; {missing} is no reading"
    return dataclasses.replace(
        item(f"{spec.name}{IMAGE_SUFFIX}", "BYTES", unit, optional=spec.optional), geometry=geometry
    )


def label_image(tensor: str, contract: Contract) -> TensorSpec:
    """Describe an image of labels: what its pixels are."""
    pixel = "a class index"
    if contract.label_values:
        numbered = ", ".join(
            f"{value} {one}" for value, one in zip(contract.label_values, contract.classes, strict=True)
        )
        pixel = f"a label as the training data number them: {numbered}"
    return item(tensor, "BYTES", f"8-bit palette PNG file; a pixel is {pixel}")
