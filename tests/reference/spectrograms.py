"""`python -m tests.reference.spectrograms` writes what librosa computes of a sound; importing librosa takes longest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FILE = Path(__file__).with_suffix(".npz")
RATE = 16000
PADDINGS = ("reflect", "constant", "none")
MELS = [
    (scale, norm, value)
    for scale in ("htk", "slaney")
    for norm in ("none", "slaney")
    for value in ("power", "magnitude")
]


def sound(seconds: float, batch: int) -> Array:
    """Return tones, a chirp and noise, float32 [batch, samples]."""
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).normal(0, 0.05, (batch, time.size))
    tones = 0.4 * np.sin(2 * np.pi * 440 * time) + 0.3 * np.sin(2 * np.pi * (200 + 3000 * time) * time)
    return (tones + noise).astype(np.float32)


def short() -> Array:
    """Return the sound that the file is about, float32 [1, 2400]."""
    return sound(0.15, 1)


def computed() -> dict[str, Array]:
    """Return librosa's spectrograms [1, bands, windows], by padding or by mel scale, norm and value."""
    import librosa

    found = {}
    for padding in PADDINGS:
        centred = {"pad_mode": padding} if padding != "none" else {"center": False}
        found[padding] = np.abs(librosa.stft(short(), n_fft=1024, hop_length=256, window="blackman", **centred))
    for scale, norm, value in MELS:
        found[f"{scale}-{norm}-{value}"] = librosa.feature.melspectrogram(
            y=short(),
            sr=RATE,
            n_fft=400,
            hop_length=160,
            n_mels=64,
            htk=scale == "htk",
            norm=None if norm == "none" else norm,
            power=2 if value == "power" else 1,
            pad_mode="reflect",
        )
    return found


def kept() -> dict[str, Array]:
    """Return the same from the file."""
    with np.load(FILE) as file:
        return dict(file)


if __name__ == "__main__":
    np.savez_compressed(FILE, **computed())
    print(f"written: {FILE}")
