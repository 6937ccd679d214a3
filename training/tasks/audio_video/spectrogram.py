"""Spectrograms as fixed convolutions, so that they live inside the exported graph.

A window times the rows of the discrete Fourier transform are the filters of one strided convolution; a mel filter bank
is one matrix. Source of the settings: the GMF paper, appendix G.2.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from crosswire.training.tasks.audio_video.config import SpectrogramConfig

FLOOR = 1e-8


class Spectrogram(nn.Module):
    """Maps sound to its spectrogram; has no parameters and nothing to save.

    Args:
        config: how.
        sample_rate: samples per second, which the mel scale needs.
    """

    def __init__(self, config: SpectrogramConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("filters", torch.from_numpy(fourier_filters(config)), persistent=False)
        bank = mel_bank(config, sample_rate) if config.mels else None
        self.register_buffer("bank", None if bank is None else torch.from_numpy(bank), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Map sound, float [N, S] in -1..1, to [N, 1, segments, bands, windows]."""
        config = self.config
        sound = torch.unflatten(waveform, 1, (config.segments, -1)).flatten(0, 1).unsqueeze(1)
        if config.padding != "none":
            half = config.n_fft // 2
            sound = F.pad(sound, (half, half), config.padding)
        parts = F.conv1d(sound, self.get_buffer("filters"), stride=config.hop)
        real, imaginary = parts.tensor_split(2, 1)
        values = real.square() + imaginary.square()
        if "magnitude" in config.value:
            values = values.sqrt()
        if config.mels:
            values = self.get_buffer("bank") @ values
        if config.value.startswith("log"):
            # log(x + 1e-8) in these words, since the ONNX exporter takes the addition of 1e-8 for one of nothing.
            values = (values / FLOOR + 1).log() + math.log(FLOOR)
        if config.drop_last:
            values = values[..., :-1]
        values = (values - config.mean) / config.std
        return torch.unflatten(values, 0, (-1, config.segments)).unsqueeze(1)


def fourier_filters(config: SpectrogramConfig) -> NDArray[np.float32]:
    """Return the convolution's filters [2 * (n_fft // 2 + 1), 1, n_fft]: windowed cosines, then windowed sines."""
    size = config.n_fft
    place = np.arange(size)
    turns = 2 * np.pi * place / size
    window = 0.5 - 0.5 * np.cos(turns)
    if config.window == "blackman":
        window = 0.42 - 0.5 * np.cos(turns) + 0.08 * np.cos(2 * turns)
    angles = 2 * np.pi * (np.arange(size // 2 + 1)[:, None] * place % size) / size
    rows = np.concatenate((np.cos(angles), -np.sin(angles))) * window
    filters: NDArray[np.float32] = rows[:, None].astype(np.float32)
    return filters


def mel_bank(config: SpectrogramConfig, sample_rate: int) -> NDArray[np.float32]:
    """Return triangular bands over the bins, [mels, n_fft // 2 + 1], from 0 Hz to half the sample rate."""
    top = sample_rate / 2
    bins = np.linspace(0, top, config.n_fft // 2 + 1)
    low, high = _to_mel(np.array([0.0, top]), config.mel_scale)
    edges = _to_hertz(np.linspace(low, high, config.mels + 2), config.mel_scale)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank = np.maximum(0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    if config.mel_norm == "slaney":
        bank *= 2 / (right - left)
    return bank.astype(np.float32)


#: Slaney's scale is linear up to 1000 Hz, 200/3 Hz a step, and logarithmic above, 27 steps for a factor of 6.4.
_STEP, _KNEE, _OCTAVE = 200 / 3, 1000.0, np.log(6.4) / 27


def _to_mel(hertz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Map frequencies to mels."""
    if scale == "htk":
        mels: NDArray[np.float64] = 2595 * np.log10(1 + hertz / 700)
        return mels
    above = _KNEE / _STEP + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _OCTAVE
    mixed: NDArray[np.float64] = np.where(hertz < _KNEE, hertz / _STEP, above)
    return mixed


def _to_hertz(mels: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Map mels to frequencies."""
    if scale == "htk":
        hertz: NDArray[np.float64] = 700 * (10 ** (mels / 2595) - 1)
        return hertz
    above = _KNEE * np.exp(_OCTAVE * (mels - _KNEE / _STEP))
    mixed: NDArray[np.float64] = np.where(mels < _KNEE / _STEP, mels * _STEP, above)
    return mixed
