"""The front of an adopted graph: raw pixels and metres become what the network wants, as its description says.

All of it is float arithmetic of operators that TensorRT has. What is multiplied and added is told by the description
alone, so it is put together here: a channel costs one product and one sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosswire.contract.wire_names import DEPTH
from crosswire.export.adopt.description import InputDescription
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS

#: A distance in metres times this is 1 or more wherever there is a reading.
_LARGE = 1e30
#: What one metre is in the unit that a graph wants.
UNITS = {"m": 1.0, "mm": 1000.0}


def image_nodes(
    described: Sequence[InputDescription], graph_input: str, shape: Sequence[int], dtype: str, channels: Sequence[int]
) -> Nodes:
    """Return the nodes that make one input of a network.

    Args:
        described: what is put into it, one behind the other along its channels; every field that applies is filled.
        graph_input: the network's own name of the input.
        shape: sizes of the input; -1 for a batch of any size.
        dtype: ONNX's name of its element type.
        channels: of each part, as it goes into the graph.
    """
    nodes = Nodes(f"input.{graph_input}")
    parts = [
        (_depth if one.role == DEPTH else _pixels)(nodes, one, dtype, count)
        for one, count in zip(described, channels, strict=True)
    ]
    axis = 1 if described[0].layout == "NCHW" else 3
    whole = nodes.add("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]
    target = f"{INSIDE}{graph_input}"
    if dtype == "FLOAT" or (dtype == "UINT8" and all(one.role != DEPTH for one in described)):
        nodes.reshape(whole, *shape, output=target)
    else:
        nodes.reshape(nodes.cast(whole, dtype), *shape, output=target)
    return nodes


def affine(described: InputDescription, channels: int) -> tuple[list[float], list[float]]:
    """Return factor and summand per channel that do the same as scale, mean and std, in the graph's order."""
    scale = 1.0 if described.scale is None else described.scale
    mean, std = (spread(values, channels) for values in (described.mean or (0.0,), described.std or (1.0,)))
    return [scale / s for s in std], [-m / s for m, s in zip(mean, std, strict=True)]


def spread(values: Sequence[float], channels: int) -> list[float]:
    """Return one value per channel, of those or of one for all."""
    return list(values) * channels if len(values) == 1 else list(values)


def _pixels(nodes: Nodes, one: InputDescription, dtype: str, channels: int) -> str:
    """Write what becomes of bytes [N, H, W, C]; returns [N, C, H, W] or [N, H, W, C]."""
    assert one.role is not None and one.size is not None
    height, width = one.size
    pixels = one.role
    factor, summand = affine(one, channels)
    if dtype not in WHOLE_NUMBERS:
        # Interleaved channels as one long row of pixels: see `crosswire.export.tasks.segmentation.servable`.
        order = -1 if one.channel_order == "BGR" else 1
        pixels = nodes.reshape(nodes.cast(pixels, "FLOAT"), 0, height, width * channels)
        pixels = scaled(nodes, pixels, np.tile(factor[::order], width), np.tile(summand[::order], width))
        pixels = nodes.reshape(pixels, 0, height, width, channels)
    if one.channel_order == "BGR":
        pixels = nodes.add("Gather", pixels, nodes.whole(2, 1, 0), axis=3)
    return nodes.add("Transpose", pixels, perm=[0, 3, 1, 2]) if one.layout == "NCHW" else pixels


def _depth(nodes: Nodes, one: InputDescription, dtype: str, channels: int) -> str:
    """Write what becomes of metres [N, H, W], 0 where there is no reading; returns them in the graph's layout."""
    assert one.role is not None and one.size is not None
    height, width = one.size
    metres = one.role
    if one.clip is not None:
        metres = nodes.add("Clip", metres, nodes.number(one.clip[0]), nodes.number(one.clip[1]))
    gain, offset = unit_of(one)
    if masked_raw(one):
        values = _masked(nodes, one, scaled(nodes, metres, np.asarray([gain]), np.asarray([offset])))
        gain, offset = 1.0, 0.0
    else:
        values = metres
    factor, summand = affine(one, channels)
    pairs = {pair: "" for pair in zip(factor, summand, strict=True)}
    for a, b in pairs:
        plane = scaled(nodes, values, np.asarray([gain * a]), np.asarray([offset * a + b]))
        pairs[a, b] = _masked(nodes, one, plane) if one.invalid_at == "normalised" else plane
    planes = [pairs[pair] for pair in zip(factor, summand, strict=True)]
    if one.layout == "NHW":
        return planes[0]
    shape, axis = ((0, 1, height, width), 1) if one.layout == "NCHW" else ((0, height, width, 1), 3)
    shaped = {plane: nodes.reshape(plane, *shape) for plane in dict.fromkeys(planes)}
    return shaped[planes[0]] if channels == 1 else nodes.add("Concat", *(shaped[one] for one in planes), axis=axis)


def unit_of(one: InputDescription) -> tuple[float, float]:
    """Return factor and summand that bring metres into the unit that a graph wants."""
    if one.unit == "relative":
        assert one.clip is not None
        near, far = one.clip
        return 1 / (far - near), -near / (far - near)
    return UNITS[one.unit or "m"], 0.0


def masked_raw(one: InputDescription) -> bool:
    """Say whether missing depth has another value than what becomes of 0 metres, before it is normalised."""
    near = 0.0 if one.clip is None else one.clip[0]
    return one.invalid_at != "normalised" and (near > 0 or bool(one.invalid))


def _masked(nodes: Nodes, one: InputDescription, values: str) -> str:
    """Write a value in the place of missing depth: by products with 0 and 1, which are exact."""
    assert one.role is not None
    many = nodes.add("Mul", one.role, nodes.number(_LARGE))
    there = nodes.add("Clip", many, nodes.number(0.0), nodes.number(1.0))
    kept = nodes.add("Mul", values, there)
    if not one.invalid:
        return kept
    holes = nodes.add("Sub", nodes.number(1.0), there)
    return nodes.add("Add", kept, nodes.add("Mul", holes, nodes.number(one.invalid)))


def scaled(nodes: Nodes, tensor: str, factor: np.ndarray, summand: np.ndarray) -> str:  # type: ignore[type-arg]
    """Write a product and a sum, of those that change anything; returns the tensor's name."""
    if np.any(factor != 1):
        tensor = nodes.add("Mul", tensor, nodes.constant(_slim(factor)))
    if np.any(summand != 0):
        tensor = nodes.add("Add", tensor, nodes.constant(_slim(summand)))
    return tensor


def _slim(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return one number where all are alike, float32."""
    return np.asarray(values[0] if np.all(values == values[0]) else values, np.float32)
