"""A spectrogram to look at; what a network hears is computed in its own graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_WINDOW, _HOP = 512, 160
_DECIBELS = 70.0
#: From silence to the loudest: colours that get lighter evenly, also for people who do not tell red from green.
_COLOURS = ((8, 10, 30), (52, 24, 95), (137, 35, 105), (214, 74, 72), (251, 155, 50), (252, 245, 190))


def spectrogram(waveform: npt.NDArray[np.float32], width: int, height: int) -> Image.Image:
    """Draw the loudness of every pitch over time, the highest pitch on top.

    Args:
        waveform: mono, -1..1, float32 [S].
        width: of the image.
        height: of the image.

    Returns:
        an RGB image; decibels below the loudest, down to -70.
    """
    padded = np.pad(waveform, (0, max(0, _WINDOW - waveform.size)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-12) / max(float(power.max()), 1e-12))
    levels = np.clip(1 + decibels / _DECIBELS, 0, 1).T[::-1]
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = np.array(_COLOURS, np.float64)
    pixels = np.stack([np.interp(levels, steps, colours[:, channel]) for channel in range(3)], -1).astype(np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
