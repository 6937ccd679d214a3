"""The described work before a classifier of clips in numpy: what an adopted graph is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract.wire_names import FRAMES, WAVEFORM
from crosswire.export.adopt.description import SPECTROGRAM, InputDescription
from crosswire.export.adopt.graphs.clips import FRAMES_ORDER, LEAST_VARIANCE
from crosswire.export.adopt.graphs.inputs import spread
from crosswire.export.adopt.graphs.mel import Banks, mel_reference
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS

Array = NDArray[Any]
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64"}


def normalised_clips(
    raw: Mapping[str, Array], one: InputDescription, dtype: str, shape: tuple[int, ...], banks: Banks | None
) -> Array:
    """Return one input of the original graph.

    Args:
        raw: what is sent: `frames`, uint8 [N, T, H, W, 3], and `waveform`, float32 [N, S], those that it takes.
        one: what the input is made of.
        dtype: ONNX's name of its element type.
        shape: its sizes without the batch axis.
        banks: of a spectrogram.
    """
    made = _frames(raw[FRAMES], one, dtype) if one.role == FRAMES else _sound(raw[WAVEFORM], one, shape, banks)
    return np.ascontiguousarray(made).reshape(len(made), *shape).astype(_DTYPES.get(dtype, dtype.lower()))


def _frames(raw: Array, one: InputDescription, dtype: str) -> Array:
    """Return frames in the graph's order of channels and axes, normalised where it takes floats."""
    ordered = raw[..., ::-1] if one.channel_order == "BGR" else raw
    if dtype not in WHOLE_NUMBERS:
        mean, std = (np.asarray(spread(values, 3), np.float32) for values in (one.mean or (0.0,), one.std or (1.0,)))
        ordered = (ordered.astype(np.float32) * np.float32(one.scale or 1.0) - mean) / std
    return ordered.transpose(FRAMES_ORDER.get(str(one.layout), (0, 1, 2, 3, 4)))


def _sound(raw: Array, one: InputDescription, shape: tuple[int, ...], banks: Banks | None) -> Array:
    """Return sound, or its spectrogram."""
    sound = raw.astype(np.float64)
    if one.standardise:
        deviation = np.sqrt(sound.var(1, keepdims=True) + LEAST_VARIANCE)
        sound = (sound - sound.mean(1, keepdims=True)) / deviation
    sound = sound * (one.scale or 1.0)
    if one.role == SPECTROGRAM:
        assert banks is not None and one.layout is not None
        sound = mel_reference(sound, banks, shape[one.layout.index("T") - 1])
    sound = (sound - (one.mean or (0.0,))[0]) / (one.std or (1.0,))[0]
    return sound.transpose(0, 2, 1) if str(one.layout).endswith("FT") else sound
