"""The original graph with the described work before and behind it in numpy: what an adopted graph is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract.wire_names import DEPTH
from crosswire.export.adopt.description import InputDescription
from crosswire.export.adopt.graphs.inputs import UNITS, spread
from crosswire.export.adopt.graphs.segmentation import Scores
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS
from crosswire.export.adopt.proof.resize import resized

Array = NDArray[Any]


def normalised(raw: Mapping[str, Array], described: Sequence[InputDescription], dtype: str, channels: int) -> Array:
    """Return one input of the original graph.

    Args:
        raw: what is sent, by role: uint8 [N, H, W, C], or float32 metres [N, H, W].
        described: what the input is made of, one behind the other along its channels.
        dtype: ONNX's name of its element type.
        channels: of all of it.
    """
    parts = []
    for one in described:
        assert one.role is not None
        count = channels if len(described) == 1 else _part_channels(one)
        made = metres(raw[one.role], one, count) if one.role == DEPTH else pixels(raw[one.role], one, dtype)
        parts.append(made)
    axis = 1 if described[0].layout == "NCHW" else -1
    whole = np.concatenate(parts, axis) if len(parts) > 1 else parts[0]
    return whole.astype(_DTYPES.get(dtype, dtype.lower()))


def pixels(raw: Array, one: InputDescription, dtype: str = "FLOAT") -> Array:
    """Return bytes [N, H, W, C] as a graph wants them: in its order of channels and axes, normalised where floats."""
    ordered = raw[..., ::-1] if one.channel_order == "BGR" else raw
    if dtype not in WHOLE_NUMBERS:
        ordered = _standard(ordered.astype(np.float32), one)
    return np.ascontiguousarray(ordered.transpose(0, 3, 1, 2)) if one.layout == "NCHW" else ordered


def metres(raw: Array, one: InputDescription, channels: int) -> Array:
    """Return metres [N, H, W], 0 where there is no reading, as a graph wants them."""
    missing = raw <= 0
    values = raw.astype(np.float32)
    if one.clip is not None:
        values = values.clip(one.clip[0], one.clip[1])
    if one.unit == "relative":
        assert one.clip is not None
        near, far = map(np.float32, one.clip)
        values = (values - near) / (far - near)
    else:
        values = values * np.float32(UNITS[one.unit or "m"])
    invalid = np.float32(one.invalid or 0.0)
    if one.invalid_at != "normalised":
        values = np.where(missing, invalid, values)
    planes = _standard(np.repeat(values[..., None], channels, -1), one)
    if one.invalid_at == "normalised":
        planes = np.where(missing[..., None], invalid, planes)
    if one.layout == "NHW":
        return planes[..., 0]
    return np.ascontiguousarray(planes.transpose(0, 3, 1, 2)) if one.layout == "NCHW" else planes


def decided(scores: Array, how: Scores, size: tuple[int, int]) -> dict[str, Array]:
    """Return `labels` and `confidence`, uint8 [N, H, W], of a graph's output, with the scores that they come from.

    Args:
        scores: the output, floats or labels, with a batch axis.
        how: what it is.
        size: H and W.
    """
    count = len(scores)
    if how.kind == "labels":
        maps = scores.reshape(count, 1, *how.size).astype(np.float32)
        full = resized(maps, size, linear=False, align_corners=False)[:, 0].astype(np.uint8)
        return {"logits": maps, "labels": full, "confidence": np.full_like(full, 255)}
    logits = scores.astype(np.float32)
    if how.layout == "NHWC":
        logits = logits.transpose(0, 3, 1, 2)
    logits = logits[:, list(how.kept)]
    if len(how.kept) == 1:
        logits = np.concatenate([1 - logits if how.kind == "probabilities" else logits * 0, logits], 1)
    large = resized(logits, size, linear=how.linear, align_corners=how.align_corners)
    labels = large.argmax(1)
    if how.kind == "probabilities":
        certain = large.max(1)
    elif how.sigmoid and len(how.kept) > 1:
        certain = 1 / (1 + np.exp(-large.max(1).astype(np.float64)))
    else:
        certain = 1 / np.exp(large - large.max(1, keepdims=True)).sum(1)
    if len(how.kept) == 1 and how.threshold != 0.5:
        second = large[:, 1] if how.kind == "probabilities" else 1 / (1 + np.exp(-large[:, 1].astype(np.float64)))
        labels = second > how.threshold
    confidence = np.rint(255.0 * certain).astype(np.uint8)
    return {"logits": logits, "labels": labels.astype(np.uint8), "confidence": confidence}


def _standard(values: Array, one: InputDescription) -> Array:
    """Return values [..., C] times scale, minus mean, divided by std, float32."""
    channels = values.shape[-1]
    mean = np.asarray(spread(one.mean or (0.0,), channels), np.float32)
    std = np.asarray(spread(one.std or (1.0,), channels), np.float32)
    scale = np.float32(1.0 if one.scale is None else one.scale)
    return np.asarray((values * scale - mean) / std, np.float32)


def _part_channels(one: InputDescription) -> int:
    """Return how many channels a part of an input has."""
    return (one.tile or 1) if one.role == DEPTH else 3


_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64"}
