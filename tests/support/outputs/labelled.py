"""Frames with results, as a stream hands them to its writers: rooms that were rendered, labelled with their truth."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from crosswire.clients import Segmentation, Timings
from crosswire.clients.streaming.outputs.frame import LabelledFrame
from crosswire.clients.tasks.segmentation import area_shares
from crosswire.media.cameras.camera import Lens
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render

HEIGHT, WIDTH = 48, 64
LENS = Lens(WIDTH, HEIGHT, 50.0, 51.0, 31.25, 23.5)
BEGIN_NS = 1_700_000_000_123_456_789


def labelled(index: int = 0, stamp_ns: int | None = None, **changes: Any) -> LabelledFrame:
    """Return a frame of a room, at 30 frames a second; its depth has holes, and infinity in one pixel."""
    room = render(5, index, HEIGHT, WIDTH)
    depth = room.depth.astype(np.float32)
    depth[:3], depth[10, 10] = 0, np.inf
    confidence = np.arange(HEIGHT * WIDTH, dtype=np.uint32).astype(np.uint8).reshape(HEIGHT, WIDTH)
    stamp = BEGIN_NS + index * 33_333_333 if stamp_ns is None else stamp_ns
    result = Segmentation(
        pipeline="rooms",
        labels=room.labels,
        class_names=CLASSES,
        palette=np.array(PALETTE, np.uint8),
        shares=area_shares(room.labels, CLASSES),
        confidences={CLASSES[0]: 0.5},
        mean_confidence=0.25 + index / 100,
        warnings=('holes: much of depth, "half" of it',) if index % 2 else (),
        summary={"mean_confidence": 0.25 + index / 100},
        timings=Timings(1.0, 2.0, 3.0, 6.0),
        rgb=jpeg_of(room.rgb),
        labels_png=b"",
        overlay_png=None,
        confidence=confidence,
    )
    fields: dict[str, Any] = {"colour": result.rgb, "depth": depth, "latency_ms": 12.5}
    return LabelledFrame(index, (stamp - BEGIN_NS) / 1e9, stamp, result, **{**fields, **changes})


def jpeg_of(rgb: np.ndarray[Any, Any]) -> bytes:
    """Return an image as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
