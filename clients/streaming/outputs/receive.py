"""From what a stream hands out to what writers take: depth in metres, the recording's own clock."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.depth import depth_image
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter
from crosswire.clients.streaming.run import Deliver, FrameOutcome
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE
from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.media.depth import SATURATED
from crosswire.media.orientation import orientation_of, upright


def receiver(
    writer: ResultWriter,
    pipeline: PipelineDescription,
    units_per_metre: float | None,
    *,
    depth: bool,
    camera: RgbdCamera | None = None,
) -> Deliver:
    """Return what hands every frame to a writer.

    Args:
        writer: of results.
        pipeline: that was asked.
        units_per_metre: what one metre counts in depth files of a folder, or None for the pipeline's default.
        depth: whether the writer wants depth.
        camera: by which the server registered the depth of files, or None.
    """
    geometry = pipeline.geometry
    metric = geometry is None or geometry.metric
    units = units_per_metre or (DEFAULT_UNITS_PER_METRE if geometry is None else geometry.scale)

    def receive(outcome: FrameOutcome) -> None:
        found = _metres(outcome, units, camera) if depth and metric else None
        writer.add(labelled_frame(outcome, found))

    return receive


def labelled_frame(outcome: FrameOutcome, depth: NDArray[np.float32] | None = None) -> LabelledFrame:
    """Return a frame that has a result, as writers take it.

    Args:
        outcome: the frame.
        depth: metres in the colour camera, float32 [H, W], or None.
    """
    frame, result = outcome.frame, outcome.result
    assert result is not None
    stamp = round(frame.time_s * 1e9) if frame.stamp_ns is None else frame.stamp_ns
    colour = None if frame.pair is None else frame.pair.recorded.colour
    return LabelledFrame(frame.index, frame.time_s, stamp, result, colour, depth, outcome.latency_ms)


def _metres(outcome: FrameOutcome, units: float, camera: RgbdCamera | None) -> NDArray[np.float32] | None:
    """Return the depth of a frame in the colour camera, metres, float32 [H, W], or None without.

    Raises:
        InputError: the camera is not that of the images.
    """
    frame = outcome.frame
    if frame.pair is not None:
        return frame.pair.depth
    if frame.depth is None:
        return None
    sent = depth_image(frame.depth, units)
    with Image.open(io.BytesIO(sent.image.data)) as image:
        numbers = np.asarray(upright(image, orientation_of(image)))
    metres = np.where(numbers == SATURATED, 0, numbers).astype(np.float32)
    metres /= np.float32(sent.units_per_metre or units)
    if camera is None:
        return metres
    assert outcome.result is not None
    height, width = outcome.result.labels.shape
    try:
        return np.asarray(register_depth(metres, camera, size=(width, height)))
    except CameraError as error:
        raise InputError(f"camera: {error}") from error
