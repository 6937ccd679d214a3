"""Segmentation: `<network>_image` takes encoded images and gives encoded images.

    <name>_decode (python) -> <name> (the network) -> <name>_render (python)

Where the network has variants, one of the two images may be absent; a network of one stream takes that alone. The
overlay is drawn only where somebody asked for it.
"""

from __future__ import annotations

from crosswire.contract import MODALITIES, Contract, TensorSpec
from crosswire.contract.wire_names import (
    CONFIDENCE,
    CONFIDENCE_PNG,
    DEPTH,
    IMAGE_SUFFIX,
    LABELS,
    LABELS_PNG,
    OVERLAY_PNG,
    RGB,
    RGB_IMAGE,
    SUMMARY,
)
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
    label_image,
    network_inputs,
)

_RENDER = "render.render_labels:RenderLabels"
_STREAMS = (RGB, DEPTH)
_ANSWERS = (LABELS, CONFIDENCE)


def segmentation(contract: Contract) -> PipelineSpec:
    """Colour and depth images in, or one of them; a label image, an overlay and a summary out."""
    found = {spec.name: spec for spec in (*contract.inputs, *contract.outputs)}
    answers = (*_ANSWERS, MODALITIES) if contract.variants else _ANSWERS
    streams = [spec for spec in contract.inputs if spec.name in _STREAMS]
    if not streams or sorted(found) != sorted((*(spec.name for spec in streams), *answers)):
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join(found)}; a segmentation pipeline needs exactly "
            f"{', '.join((*_STREAMS, *answers))}, or one of the first two alone"
        )
    labels, confidence, *used = (found[name] for name in answers)
    streams.sort(key=lambda spec: _STREAMS.index(spec.name))
    images = tuple(map(_image, streams))
    scale = tuple(depth_units(spec.geometry) for spec in streams if spec.name == DEPTH)
    outputs = (
        label_image(LABELS_PNG, contract),
        item(OVERLAY_PNG, "BYTES", "RGB PNG file"),
        item(SUMMARY, "BYTES", "JSON text"),
        item(CONFIDENCE_PNG, "BYTES", "8-bit grey PNG file of the network's size; 255 is certain"),
    )
    name = contract.name
    decode = StepSpec(
        f"{name}_decode",
        DECODE_DOMAINS,
        (*images, *scale, *cameras(streams)),
        (*network_inputs(contract), image_facts()),
    )
    sent = images if used else images[:1]
    render = StepSpec(f"{name}_render", _RENDER, (labels, confidence, *sent, image_facts(), *used), outputs)
    return PipelineSpec(f"{name}{IMAGE_SUFFIX}", contract, decode.inputs, outputs, decode, (render,))


def _image(spec: TensorSpec) -> TensorSpec:
    """Describe the encoded image that becomes a stream."""
    return (
        encoded_depth(spec)
        if spec.name == DEPTH
        else item(RGB_IMAGE, "BYTES", "JPEG or PNG file", optional=spec.optional)
    )
