"""Translation, cycle fusion and multitask: `<network>_image` takes an image per input domain and gives one per output.

<name>_decode (python) -> <name> (the network) -> <name>_render (python)
"""

from __future__ import annotations

from crosswire.contract import MODALITIES, Contract, TensorSpec
from crosswire.contract.wire_names import CLASS_COLOUR, CLASS_INDEX, IMAGE_SUFFIX, PNG_SUFFIX, PREDICTED, SUMMARY
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.pipelines.parts import (
    DECODE_DOMAINS,
    PipelineSpec,
    StepSpec,
    cameras,
    depth_units,
    encoded_depth,
    image_facts,
    item,
    network_inputs,
)

_RENDER = "render.render_domains:RenderDomains"
DEPTH_IMAGE_UNIT = "16-bit greyscale PNG file of millimetres; 0 is no reading"


def translation(contract: Contract) -> PipelineSpec:
    """An image per input domain in; an image per output domain and a summary out."""
    outputs = [spec for spec in contract.outputs if spec.computed]
    for spec in (*contract.inputs, *outputs):
        _check(contract.name, spec)
    if wrong := [spec.name for spec in outputs if not spec.name.startswith(PREDICTED)]:
        raise ServingError(f"network {contract.name!r} has the output {wrong[0]!r}; name it {PREDICTED}<domain>")
    name = contract.name
    images = tuple(
        encoded_depth(spec)
        if _is_depth(spec)
        else item(f"{spec.name}{IMAGE_SUFFIX}", "BYTES", _sent(spec), optional=spec.optional)
        for spec in contract.inputs
    )
    scale = tuple(depth_units(spec.geometry) for spec in contract.inputs if _is_depth(spec))[:1]
    drawn = tuple(item(f"{domain_of(spec.name)}{PNG_SUFFIX}", "BYTES", _drawn(spec)) for spec in outputs)
    summary = item(SUMMARY, "BYTES", "JSON text")
    used = tuple(spec for spec in contract.outputs if spec.name == MODALITIES)
    decode = StepSpec(
        f"{name}_decode",
        DECODE_DOMAINS,
        (*images, *scale, *cameras(contract.inputs)),
        (*network_inputs(contract), image_facts()),
    )
    render = StepSpec(
        f"{name}_render",
        _RENDER,
        (*outputs, *used, *images, image_facts()),
        (*drawn, summary),
    )
    return PipelineSpec(f"{name}{IMAGE_SUFFIX}", contract, decode.inputs, render.outputs, decode, (render,))


def domain_of(output: str) -> str:
    """Return the domain of an output tensor by its name: `depth` of `predicted_depth`."""
    return output.removeprefix(PREDICTED)


def _check(network: str, spec: TensorSpec) -> None:
    """Refuse a tensor that is no image."""
    channels = spec.shape[2:] or (1,)
    if len(spec.shape) not in (2, 3) or channels[0] not in (1, 3) or (_is_depth(spec) and channels != (1,)):
        raise ServingError(
            f"network {network!r} has the tensor {spec.name} of {spec.dtype} {list(spec.shape)}; a picture is UINT8 "
            "[H, W], [H, W, 1] or [H, W, 3], or FP32 [H, W] in metres"
        )


def _is_depth(spec: TensorSpec) -> bool:
    """Say whether a tensor holds metres."""
    return spec.dtype == "FP32"


def _sent(spec: TensorSpec) -> str:
    """Say what a client sends for an input that is no depth."""
    return "PNG file of classes in the palette's colours" if spec.unit == CLASS_COLOUR else "JPEG or PNG file"


def _drawn(spec: TensorSpec) -> str:
    """Say what a client gets for an output."""
    if _is_depth(spec):
        return DEPTH_IMAGE_UNIT if spec.unit == "metre" else f"16-bit greyscale PNG file of thousandths of {spec.unit}"
    if spec.unit == CLASS_INDEX:
        return "8-bit palette PNG file; a pixel is a class index"
    return "RGB PNG file" if spec.shape[2:] == (3,) else "8-bit greyscale PNG file"
