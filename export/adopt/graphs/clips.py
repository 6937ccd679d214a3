"""The front of an adopted classifier of clips: raw frames and sound become what the network wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from crosswire.contract.wire_names import FRAMES, WAVEFORM
from crosswire.export.adopt.description import SPECTROGRAM, InputDescription
from crosswire.export.adopt.graphs.inputs import affine, scaled
from crosswire.export.adopt.graphs.mel import Banks, mel_nodes
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS

#: How the axes of frames [N, T, H, W, C] come into the order of a layout.
FRAMES_ORDER = {"NTCHW": (0, 1, 4, 2, 3), "NCTHW": (0, 4, 1, 2, 3)}
#: What is added to the variance of sound, so that silence can be standardised.
LEAST_VARIANCE = 1e-7


def clip_nodes(
    one: InputDescription, graph_input: str, shape: Sequence[int], dtype: str, banks: Banks | None = None
) -> Nodes:
    """Return the nodes that make one input of a network.

    Args:
        one: what is put into it; every field that applies is filled.
        graph_input: the network's own name of the input.
        shape: sizes of the input; -1 for a batch of any size.
        dtype: ONNX's name of its element type.
        banks: of a spectrogram.
    """
    nodes = Nodes(f"input.{graph_input}")
    made = _frames(nodes, one, dtype) if one.role == FRAMES else _sound(nodes, one, shape, banks)
    if dtype not in ("FLOAT", "UINT8"):
        made = nodes.cast(made, dtype)
    nodes.reshape(made, *shape, output=f"{INSIDE}{graph_input}")
    return nodes


def _frames(nodes: Nodes, one: InputDescription, dtype: str) -> str:
    """Write what becomes of frames of bytes [N, T, H, W, 3]; returns them in the graph's layout."""
    assert one.size is not None and one.length is not None
    (height, width), frames = one.size, FRAMES
    factor, summand = affine(one, 3)
    if dtype not in WHOLE_NUMBERS:
        order = -1 if one.channel_order == "BGR" else 1
        rows = nodes.reshape(nodes.cast(frames, "FLOAT"), 0, one.length * height, width * 3)
        rows = scaled(nodes, rows, np.tile(factor[::order], width), np.tile(summand[::order], width))
        frames = nodes.reshape(rows, 0, one.length, height, width, 3)
    if one.channel_order == "BGR":
        frames = nodes.add("Gather", frames, nodes.whole(2, 1, 0), axis=4)
    order_of_axes = FRAMES_ORDER.get(str(one.layout))
    return nodes.add("Transpose", frames, perm=list(order_of_axes)) if order_of_axes else frames


def _sound(nodes: Nodes, one: InputDescription, shape: Sequence[int], banks: Banks | None) -> str:
    """Write what becomes of sound [N, S], or of its spectrogram; returns it without an axis of one channel."""
    sound = WAVEFORM
    if one.standardise:
        axis = nodes.whole(1)
        centred = nodes.add("Sub", sound, nodes.add("ReduceMean", sound, axis, keepdims=1))
        variance = nodes.add("ReduceMean", nodes.add("Mul", centred, centred), axis, keepdims=1)
        deviation = nodes.add("Sqrt", nodes.add("Add", variance, nodes.number(LEAST_VARIANCE)))
        sound = nodes.add("Div", centred, deviation)
    if one.role != SPECTROGRAM:
        factor, summand = affine(one, 1)
        return scaled(nodes, sound, np.asarray(factor), np.asarray(summand))
    assert one.layout is not None and banks is not None and one.length is not None
    wanted = shape[one.layout.index("T")]
    sound = scaled(nodes, sound, np.asarray([one.scale or 1.0]), np.zeros(1))  # of a spectrogram, sound is scaled
    made = mel_nodes(nodes, sound, banks, banks.windows(one.length), wanted)
    factor, summand = affine(dataclasses.replace(one, scale=1.0), 1)
    made = scaled(nodes, made, np.asarray(factor), np.asarray(summand))
    return nodes.add("Transpose", made, perm=[0, 2, 1]) if one.layout.endswith("FT") else made
