"""Logarithmic mel filter banks as Kaldi computes them, from which sound classifiers on spectrograms are trained.

Windows of 25 ms every 10 ms, only whole ones; of each the mean is taken away, 0.97 of every sample is taken from the
next one, a Hann window is laid over it, and the power of its Fourier transform, padded to a power of two, is summed
within triangles that are evenly spaced in mel from 20 Hz to half the rate. Source: the documentation of Kaldi's
`compute-fbank-feats` and of `torchaudio.compliance.kaldi.fbank`, with `htk_compat`, a Hann window and no dither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.export.adopt.graphs.nodes import Nodes

Array = NDArray[Any]
#: Power below which nothing is told apart: the spacing of floats at 1.
FLOOR = 2.0**-23
_LOWEST, _EMPHASIS = 20.0, 0.97


@dataclass(frozen=True)
class Banks:
    """Filter banks.

    Attributes:
        rate: samples a second.
        mels: how many bands.
    """

    rate: int
    mels: int

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.rate * 25 // 1000

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return self.rate * 10 // 1000

    @property
    def padded(self) -> int:
        """Samples of a Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    def windows(self, samples: int) -> int:
        """Return how many whole windows some samples hold."""
        return max(0, 1 + (samples - self.window) // self.step)

    def samples(self, windows: int) -> int:
        """Return how many samples some windows take."""
        return self.window + (windows - 1) * self.step

    def hann(self) -> Array:
        """Return the weights of a window, float64."""
        return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / (self.window - 1)))

    def triangles(self) -> Array:
        """Return what every frequency of a Fourier transform adds to every band, float64 [mels, padded / 2 + 1]."""
        low, high = _mel(np.asarray([_LOWEST, self.rate / 2]))
        corners = low + (high - low) / (self.mels + 1) * np.arange(self.mels + 2)
        mel = _mel(np.arange(self.padded // 2 + 1) * self.rate / self.padded)[None]
        left, middle, right = (corners[place : place + self.mels, None] for place in range(3))
        weights: Array = np.minimum((mel - left) / (middle - left), (right - mel) / (right - middle)).clip(0)
        weights[:, -1] = 0.0  # half the rate itself belongs to no band
        return weights

    def spectrum(self) -> Array:
        """Return the linear map from a window to real and imaginary parts of its spectrum, [padded + 2, window]."""
        count = self.window
        shift = np.eye(count, k=-1)
        shift[0, 0] = 1.0  # before the first sample stands itself
        prepared = self.hann()[:, None] * ((np.eye(count) - _EMPHASIS * shift) @ (np.eye(count) - 1.0 / count))
        angles = 2 * np.pi / self.padded * np.outer(np.arange(self.padded // 2 + 1), np.arange(count))
        return np.concatenate([np.cos(angles) @ prepared, -np.sin(angles) @ prepared])


def mel_nodes(nodes: Nodes, waveform: str, banks: Banks, windows: int, wanted: int) -> str:
    """Write filter banks of sound; returns the tensor [N, T, F].

    All that comes before the power is linear, so it is one convolution.

    Args:
        nodes: what is written to.
        waveform: tensor [N, S].
        banks: which.
        windows: that the sound has.
        wanted: T; zeros stand where the sound has fewer.
    """
    sound = nodes.add("Unsqueeze", waveform, nodes.whole(1))
    kernel = banks.spectrum().astype(np.float32)[:, None]
    parts = nodes.add("Conv", sound, nodes.constant(kernel), kernel_shape=[banks.window], strides=[banks.step])
    power = nodes.add("Mul", parts, parts)
    triangles = banks.triangles().astype(np.float32)
    bands = nodes.add("MatMul", nodes.constant(np.concatenate([triangles, triangles], 1)), power)
    loud = nodes.add("Log", nodes.add("Max", bands, nodes.number(FLOOR)))
    rows = nodes.add("Transpose", loud, perm=[0, 2, 1])
    return nodes.add("Pad", rows, nodes.whole(0, 0, 0, 0, wanted - windows, 0)) if wanted > windows else rows


def mel_reference(waveform: Array, banks: Banks, windows: int) -> Array:
    """Return filter banks of sound float32 [N, S] in numpy, float32 [N, windows, mels], step by step as Kaldi does."""
    taken = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), banks.window, axis=1)
    taken = taken[:, :: banks.step]
    taken = taken - taken.mean(2, keepdims=True)
    before = np.concatenate([taken[:, :, :1], taken[:, :, :-1]], 2)
    power = np.abs(np.fft.rfft((taken - _EMPHASIS * before) * banks.hann(), banks.padded, axis=2)) ** 2
    found = np.log(np.maximum(power @ banks.triangles().T, FLOOR))
    made = np.zeros((len(waveform), windows, banks.mels), np.float32)
    made[:, : found.shape[1]] = found
    return made


def _mel(hertz: Array) -> Array:
    """Return pitches in mel."""
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))
