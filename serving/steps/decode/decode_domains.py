"""Step `<name>_decode`: one encoded image per input domain becomes the network's tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract import Geometry, PipelineDescription, TensorSpec
from crosswire.contract.wire_names import (
    CAMERA,
    CLASS_COLOUR,
    DEFAULT_UNITS_PER_METRE,
    DEPTH_UNITS,
    IMAGE_FACTS,
    IMAGE_SUFFIX,
    RGB,
)
from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.depth import to_values
from crosswire.media.orientation import orientation_of, upright_size
from crosswire.media.registration import View, registration_warnings
from crosswire.serving.config.limits import ImageLimits, MediaLimits
from crosswire.serving.steps.decode.cameras import camera_of, read_camera, registered_numbers
from crosswire.serving.steps.decode.sample_errors import named_sample
from crosswire.serving.steps.media.depth_warnings import depth_warnings, holes_warnings, reading_warnings
from crosswire.serving.steps.media.image_facts import ImageFacts, facts_text
from crosswire.serving.steps.media.images import COLOUR_FORMATS, ImageError, colour_pixels, nearest, open_image
from crosswire.serving.steps.media.registered import (
    check_registered,
    check_units,
    depth_numbers,
    network_metres,
    open_depth,
)
from crosswire.serving.steps.runtime.graph_choice import PRESENT
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column, decoder_workers


def decode_some(wanted: list[int], specs: list[dict[str, Any]], units: list[float], *files: bytes) -> tuple[Any, ...]:
    """Decode some domains of one request, after a look at the headers of all; a worker process runs this.

    Args:
        wanted: places of the domains to decode among `specs`.
        specs: the tensors to make, one per domain: `name`, `dtype`, `shape`, `unit`, `missing`, `valid_range` and
            `geometry`, as plain JSON types.
        units: scale of every sample's depth image.
        *files: per domain the N images of the samples; then, where depth is to be registered, their N cameras.

    Returns:
        per wanted domain first uint8 [N, H, W, 3], [N, H, W, 1] or [N, H, W], or float32 [N, H, W] in metres; then N
        `ImageFacts` as plain JSON types.

    Raises:
        ImageError: an image or a camera is damaged, too large or of another kind, or those of a sample do not fit.
    """
    count, limits = len(units), MediaLimits.chosen().images
    samples = []
    for index, unit in enumerate(units):
        images = files[index::count][: len(specs)]
        cameras = files[len(specs) * count + index :][:1]
        with named_sample(index, count):
            samples.append(_sample(images, cameras, specs, unit, limits, wanted))
    found: list[Any] = []
    for domain in zip(*samples, strict=True):
        arrays, facts = zip(*domain, strict=True)
        found += [arrays[0][None] if count == 1 else np.stack(arrays), list(facts)]  # the ordinary request: no copy
    return tuple(found)


def _sample(
    images: Sequence[bytes],
    cameras: Sequence[bytes],
    specs: list[dict[str, Any]],
    unit: float,
    limits: ImageLimits,
    wanted: list[int],
) -> list[tuple[npt.NDArray[Any], dict[str, Any]]]:
    """Decode the images of one sample: per wanted domain an array, and its `ImageFacts` as plain JSON types."""
    names = [f"{spec['name']}{IMAGE_SUFFIX}" for spec in specs]
    opened = [_open(data, spec, unit, limits) for data, spec in zip(images, specs, strict=True)]
    views = [_view(name, image) for name, image in zip(names, opened, strict=True)]
    camera, views = _registering(cameras, specs, views, limits)
    for view in views[1:]:
        check_registered(views[0], view, limits.aspect_tolerance)
    found = []
    for place in wanted:
        view, spec, share = views[place], specs[place], None
        if camera is not None and _is_depth(spec):
            array, warnings, share = _registered(opened[place], view.name, spec, unit, camera)
        else:
            array, warnings = _decoded(opened[place], view.name, spec, unit)
        warnings += registration_warnings(views[0], view)
        found.append((array, ImageFacts(view.size, view.orientation, tuple(warnings), share).to_plain()))
    return found


def _registering(
    cameras: Sequence[bytes], specs: list[dict[str, Any]], views: list[View], limits: ImageLimits
) -> tuple[RgbdCamera | None, list[View]]:
    """Return the camera by which depth is registered, None without one, and the views as they are after that."""
    if not cameras:
        return None, views
    colour = next((view for view, spec in zip(views, specs, strict=True) if spec["name"] == RGB), None)
    depth = next((view for view, spec in zip(views, specs, strict=True) if _is_depth(spec)), None)
    camera = camera_of(read_camera(cameras[0], limits), colour, depth, limits)
    return camera, [View(view.name, camera.colour.size) if view is depth else view for view in views]


def _view(name: str, image: Image.Image) -> View:
    """Return what registration asks of an opened image; a JPEG that is decoded at a reduced scale changes its size."""
    orientation = orientation_of(image)
    return View(name, upright_size(image.size, orientation), orientation)


def _decoded(image: Image.Image, name: str, spec: dict[str, Any], unit: float) -> tuple[npt.NDArray[Any], list[str]]:
    """Decode one image; returns its values and what is odd about them."""
    shape = tuple(spec["shape"])
    if not _is_depth(spec):
        return _values(image, name, shape, blended=spec.get("unit") != CLASS_COLOUR), []
    stored = depth_numbers(image, name, shape[:2])
    trained, geometry = _trained(spec), _geometry(spec, unit)
    metres = to_values(stored, geometry)
    if geometry.metric:
        warnings = depth_warnings(stored, metres, trained)
    else:
        warnings = holes_warnings(float((metres > 0).mean()), geometry.quantity)
    return network_metres(metres, trained, spec["missing"]), warnings


def _registered(
    image: Image.Image, name: str, spec: dict[str, Any], unit: float, camera: RgbdCamera
) -> tuple[npt.NDArray[np.float32], list[str], float]:
    """Decode a depth image, moved into the colour camera.

    Returns:
        its values, what is odd about them, and the share of the colour image that has depth.
    """
    height, width = spec["shape"][:2]
    trained, geometry = _trained(spec), _geometry(spec, unit)
    stored, moved = registered_numbers(image, name, camera, unit)
    sent = nearest(stored, height, width)  # units and bytes are told by numbers as they were sent
    warnings = reading_warnings(sent, to_values(sent, geometry), trained)
    metres = to_values(nearest(moved, height, width), geometry)
    warnings += holes_warnings(np.count_nonzero(metres) / metres.size, "registered depth")
    share = round(np.count_nonzero(moved) / moved.size, 4)
    return network_metres(metres, trained, spec["missing"]), warnings, share


def _trained(spec: dict[str, Any]) -> tuple[float, float] | None:
    """Return the metres that a network was trained with, None where its contract does not say."""
    return None if spec["valid_range"] is None else (spec["valid_range"][0], spec["valid_range"][1])


def _geometry(spec: dict[str, Any], unit: float) -> Geometry:
    """Return what a tensor of depth holds, in the unit of a sample."""
    return dataclasses.replace(Geometry(**(spec.get("geometry") or {})), scale=unit)


def _open(data: bytes, spec: dict[str, Any], unit: float, limits: ImageLimits) -> Image.Image:
    """Open the image of one domain; nothing is decoded yet."""
    name = f"{spec['name']}{IMAGE_SUFFIX}"
    if not _is_depth(spec):
        return open_image(data, name, limits, COLOUR_FORMATS)
    check_units(unit, limits)
    return open_depth(data, name, limits)


def _is_depth(spec: dict[str, Any]) -> bool:
    """Say whether a tensor holds metres."""
    return bool(spec["dtype"] == "FP32")


def _values(image: Image.Image, name: str, shape: tuple[int, ...], *, blended: bool) -> npt.NDArray[np.uint8]:
    """Return the pixels of an 8-bit image as a network takes them, uint8 [H, W], [H, W, 1] or [H, W, 3].

    Colours of classes are not blended, as one between two classes is of neither.
    """
    if not blended:
        return np.asarray(nearest(np.asarray(colour_pixels(image, name)), *shape[:2]), np.uint8)
    colour = colour_pixels(image, name, (shape[1], shape[0]))
    return np.asarray(colour if shape[2:] == (3,) else colour.convert("L")).reshape(shape)


class DecodeDomains(Step):
    """Decodes the images of a request in worker processes."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read the tensors from the model's own parameters, and start a decoder."""
        outputs = PipelineDescription.from_config(config).outputs
        self._specs = [spec for spec in outputs if spec.name not in (PRESENT, IMAGE_FACTS)]
        self._scale = next((spec.geometry.scale for spec in self._specs if spec.geometry), DEFAULT_UNITS_PER_METRE)
        self._tells = any(spec.name == PRESENT for spec in outputs)
        self._workers = decoder_workers(f"{__name__}:decode_some")

    def run(self, request: StepRequest) -> Arrays:
        """Decode the samples of one request, its domains side by side while decoders have nothing to do."""
        came = {spec.name: request.array(f"{spec.name}{IMAGE_SUFFIX}") for spec in self._specs}
        there = [spec for spec in self._specs if came[spec.name] is not None]
        if not there:
            wanted = ", ".join(f"{name}{IMAGE_SUFFIX}" for name in came)
            raise ImageError(f"the request holds no picture; send some of {wanted}")
        count = len(came[there[0].name])
        units = request.array(DEPTH_UNITS)
        scales = [self._scale] * count if units is None else [float(unit) for unit in units[:, 0]]
        slim = [_slim(spec) for spec in there]
        cameras = request.array(CAMERA)
        files = [data for spec in there for data in came[spec.name][:, 0]]
        files += [] if cameras is None else list(cameras[:, 0])
        found = self._workers.spread(range(len(there)), slim, scales, *files)
        arrays = {spec.name: array for spec, (array, _) in zip(there, found, strict=True)}
        if self._tells:
            arrays[PRESENT] = np.full((count, 1), "+".join(arrays).encode(), np.object_)
        for spec in self._specs:
            if came[spec.name] is None:
                arrays[spec.name] = _nothing(spec, count)
        names = [spec.name for spec in there]
        samples = zip(*(facts for _, facts in found), strict=True)
        arrays[IMAGE_FACTS] = column([facts_text(dict(zip(names, sample, strict=True))) for sample in samples])
        return arrays

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()


def _slim(spec: TensorSpec) -> dict[str, Any]:
    """Return what a worker process needs of a tensor, as it can be sent there."""
    plain: dict[str, Any] = {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape), "unit": spec.unit}
    plain["missing"], plain["geometry"] = spec.missing, spec.geometry and dataclasses.asdict(spec.geometry)
    return {**plain, "valid_range": None if spec.valid_range is None else list(spec.valid_range)}


def _nothing(spec: TensorSpec, count: int) -> npt.NDArray[Any]:
    """Return zeros in the place of an absent image; no network sees them."""
    return np.zeros((count, *spec.shape), np.float32 if spec.dtype == "FP32" else np.uint8)
