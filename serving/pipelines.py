"""Ensembles as data: which stages stand before and after a network, and which tensor feeds which.

A pipeline `<network>_image` takes encoded pictures and gives encoded pictures:

    <name>_decode (python) -> <name> (the network) -> <name>_render (python)
                                                   -> <name>_overlay (python)

The two last stages run side by side, and Triton leaves out one whose outputs nobody asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.contract import Contract, TensorSpec
from serving.errors import ServingError

DEPTH_UNITS_PER_METRE = 1000.0


@dataclass(frozen=True)
class Stage:
    """One python model of a pipeline.

    Attributes:
        model: name of the Triton model.
        module: module below `serving.stages` that holds it.
        inputs: its input tensors.
        outputs: its output tensors.
    """

    model: str
    module: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Pipeline:
    """One ensemble. A tensor keeps its name in every step, so the wiring is by name.

    Attributes:
        name: name of the Triton model.
        contract: the network's contract.
        inputs: tensors that a client sends.
        outputs: tensors that a client gets.
        before: the stage that feeds the network.
        after: the stages that read the network's answer.
    """

    name: str
    contract: Contract
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    before: Stage
    after: tuple[Stage, ...]


def pipelines_of(contract: Contract) -> tuple[Pipeline, ...]:
    """Return the pipelines that a network is served through.

    Raises:
        ServingError: the task has a pipeline, but the network's tensors do not fit it.
    """
    return (_segmentation(contract),)


def _item(name: str, dtype: str, unit: str, *, optional: bool = False) -> TensorSpec:
    """Describe a tensor with one element per sample."""
    return TensorSpec(name, dtype, (1,), ("item",), unit, optional=optional)


def _segmentation(contract: Contract) -> Pipeline:
    """Colour and depth pictures in; a label picture, an overlay and a summary out."""
    found = {spec.name: spec for spec in (*contract.inputs, *contract.outputs)}
    wanted = ("rgb", "depth", "labels", "confidence")
    if sorted(found) != sorted(wanted):
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join(found)}; "
            f"a segmentation pipeline needs exactly {', '.join(wanted)}"
        )
    rgb_image = _item("rgb_image", "BYTES", "JPEG or PNG file")
    depth_image = _item("depth_image", "BYTES", "16-bit greyscale PNG file; 0 is no reading")
    units = _item(
        "depth_units_per_metre",
        "FP32",
        f"depth picture values per metre; {DEPTH_UNITS_PER_METRE:g} if left out",
        optional=True,
    )
    outputs = (
        _item("labels_png", "BYTES", "8-bit palette PNG file; a pixel is a class index"),
        _item("overlay_png", "BYTES", "RGB PNG file"),
        _item("summary", "BYTES", "JSON text"),
        _item("confidence_png", "BYTES", "8-bit grey PNG file of the network's size; 255 is certain"),
    )
    rgb, depth, labels, confidence = (found[name] for name in wanted)
    decode = Stage(f"{contract.name}_decode", "decode_rgbd", (rgb_image, depth_image, units), (rgb, depth))
    labels_png, overlay_png, summary, confidence_png = outputs
    render = Stage(
        f"{contract.name}_render", "render_labels", (labels, confidence, rgb_image, depth), (labels_png, summary)
    )
    overlay = Stage(
        f"{contract.name}_overlay",
        "overlay_labels",
        (labels, confidence, rgb_image),
        (overlay_png, confidence_png),
    )
    return Pipeline(f"{contract.name}_image", contract, decode.inputs, outputs, decode, (render, overlay))
