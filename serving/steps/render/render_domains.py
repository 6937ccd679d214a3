"""Step `<name>_render` of a translation network: its tensors become images of the size that was sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract import MODALITIES, PipelineDescription, TensorSpec
from crosswire.contract.wire_names import (
    CLASS_INDEX,
    DEFAULT_UNITS_PER_METRE,
    IMAGE_FACTS,
    IMAGE_SUFFIX,
    PNG_SUFFIX,
    PREDICTED,
    SUMMARY,
)
from crosswire.serving.repository.pipelines.translation import domain_of
from crosswire.serving.steps.media.image_facts import read_facts, registered_of, turns_of, warnings_of
from crosswire.serving.steps.media.images import nearest
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.render.label_spec import LabelSpec, classes_in, labels_at, palette_image
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column

_MOST = 65535


def depth_image(metres: npt.NDArray[np.float32], size: tuple[int, int], missing: float | None) -> Image.Image:
    """Return a depth map, float32 [H, W], as a 16-bit image of millimetres at a size (width, height).

    Where a value can say "no reading" it stays apart from the readings and becomes 0; else the map is interpolated.
    What no 16-bit image can hold is cut to 65.535 m.
    """
    width, height = size
    if missing is None:
        smooth = Image.fromarray(metres, "F").resize(size, Image.Resampling.BILINEAR)
        metres = np.asarray(smooth, np.float32)
    else:
        metres = np.where(metres == missing, np.float32(0), metres)
        metres = nearest(metres, height, width)
    values = np.nan_to_num(metres * DEFAULT_UNITS_PER_METRE, nan=0.0, posinf=_MOST, neginf=0.0)
    return Image.fromarray(np.clip(np.rint(values), 0, _MOST).astype(np.uint16))


def domain_image(
    values: npt.NDArray[Any], spec: TensorSpec, label_spec: LabelSpec, size: tuple[int, int]
) -> Image.Image:
    """Return one sample of one output as an image.

    Args:
        values: as the network gave them, of the shape of `spec`.
        spec: the tensor.
        label_spec: what labels mean.
        size: width and height of the image sent.
    """
    if spec.dtype == "FP32":
        return depth_image(values.reshape(values.shape[:2]), size, spec.missing)
    if spec.unit == CLASS_INDEX:
        return palette_image(labels_at(values.reshape(values.shape[:2]), size), label_spec)
    flat = values[..., 0] if values.shape[2:] == (1,) else values
    return Image.fromarray(np.ascontiguousarray(flat)).resize(size, Image.Resampling.BILINEAR)


class RenderDomains(Step):
    """Writes an image for every output domain."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read the tensors from the model's own parameters."""
        description = PipelineDescription.from_config(config)
        inputs = description.inputs
        self._label_spec = LabelSpec.of(description)
        self._outputs = [spec for spec in inputs if spec.name.startswith(PREDICTED)]
        self._labels = next((spec.name for spec in self._outputs if spec.unit == CLASS_INDEX), None)
        self._images = [spec.name for spec in inputs if spec.name.endswith(IMAGE_SUFFIX)]

    def run(self, request: StepRequest) -> Arrays:
        """Render the samples of one request."""
        arrays = {spec.name: request.array(spec.name) for spec in self._outputs}
        sent = {name: array for name in self._images if (array := request.array(name)) is not None}
        used = request.array(MODALITIES)
        first = next(iter(sent))
        drawn: dict[str, list[bytes]] = {spec.name: [] for spec in self._outputs}
        texts = []
        for index, facts in enumerate(read_facts(request.array(IMAGE_FACTS))):
            size = facts[first.removesuffix(IMAGE_SUFFIX)].size
            for spec in self._outputs:
                image = domain_image(arrays[spec.name][index], spec, self._label_spec, size)
                drawn[spec.name].append(png_bytes(image))
            streams = [name.removesuffix(IMAGE_SUFFIX) for name in sent] if used is None else _names(used[index, 0])
            said = self._summary(size, streams, warnings_of(facts, streams))
            said |= turns_of(facts) | registered_of(facts)
            if self._labels is not None:
                labels = arrays[self._labels][index]
                said["classes"] = classes_in(labels_at(labels.reshape(labels.shape[:2]), size), self._label_spec)
            texts.append(json.dumps(said, ensure_ascii=False).encode())
        images = {f"{domain_of(name)}{PNG_SUFFIX}": column(items) for name, items in drawn.items()}
        return {**images, SUMMARY: column(texts)}

    def _summary(self, size: tuple[int, int], streams: list[str], warnings: list[str]) -> dict[str, Any]:
        """Say what was made of what."""
        outputs = [{"domain": domain_of(spec.name), "unit": spec.unit} for spec in self._outputs]
        return {
            "network": self._label_spec.network,
            "width": size[0],
            "height": size[1],
            "streams": streams,
            "outputs": outputs,
            "warnings": warnings,
        }


def _names(joined: bytes) -> list[str]:
    """Return the names that `+` joins."""
    return joined.decode().split("+")
