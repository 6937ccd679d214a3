"""Segmentation: `<network>_image` takes encoded images and gives encoded images.

    <name>_decode (python) -> <name> (the network) -> <name>_render (python)

Where the network has variants, one of the two images may be absent. The overlay is drawn only where somebody asked
for it.
"""

from __future__ import annotations

from crosswire.contract import MODALITIES, Contract
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
_WANTED = (RGB, DEPTH, LABELS, CONFIDENCE)


def segmentation(contract: Contract) -> PipelineSpec:
    """Colour and depth images in; a label image, an overlay and a summary out."""
    found = {spec.name: spec for spec in (*contract.inputs, *contract.outputs)}
    wanted = (*_WANTED, MODALITIES) if contract.variants else _WANTED
    if sorted(found) != sorted(wanted):
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join(found)}; "
            f"a segmentation pipeline needs exactly {', '.join(wanted)}"
        )
    rgb, depth, labels, confidence, *used = (found[name] for name in wanted)
    rgb_image = item(RGB_IMAGE, "BYTES", "JPEG or PNG file", optional=rgb.optional)
    depth_image = encoded_depth(depth)
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
        (rgb_image, depth_image, depth_units(depth.geometry), *cameras((rgb, depth))),
        (*network_inputs(contract), image_facts()),
    )
    sent = (rgb_image, depth_image) if used else (rgb_image,)
    render = StepSpec(f"{name}_render", _RENDER, (labels, confidence, *sent, image_facts(), *used), outputs)
    return PipelineSpec(f"{name}{IMAGE_SUFFIX}", contract, decode.inputs, outputs, decode, (render,))
