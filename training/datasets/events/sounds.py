"""What is heard: knocks, chirps, a siren, a bell or a hum, before noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def waveform(sound: str, samples: int, rate: int, random: np.random.Generator) -> NDArray[np.int16]:
    """Return mono sound as 16-bit samples, int16 [S].

    Args:
        sound: one of `SOUNDS`, or `none` for silence.
        samples: S.
        rate: samples per second.
        random: of everything that chance decides.
    """
    if sound == "none":
        return np.zeros(samples, np.int16)
    times = np.arange(samples) / rate
    heard = random.uniform(0.15, 0.5) * SOUNDS[sound](times, random)
    heard += random.uniform(0.01, 0.08) * _hum(times, random) + random.uniform(0.002, 0.03) * random.normal(
        size=samples
    )
    pressed: NDArray[np.int16] = (32767 * heard.clip(-1, 1)).astype(np.int16)
    return pressed


def _since(times: Array, random: np.random.Generator) -> Array:
    """Return the seconds since the last of some regular beats, [S]; the first one is in the past."""
    period = random.uniform(0.3, 0.6)
    since: Array = (times + random.uniform(0, period)) % period
    return since


def _knock(times: Array, random: np.random.Generator) -> Array:
    """Short low thuds."""
    since = _since(times, random)
    tone = np.sin(2 * np.pi * random.uniform(120, 350) * since)
    thuds: Array = np.exp(-since / random.uniform(0.02, 0.05)) * (tone + 0.3 * random.normal(size=times.size))
    return thuds


def _chirp(times: Array, random: np.random.Generator) -> Array:
    """Short rising whistles."""
    since = _since(times, random)
    low, slope = random.uniform(900, 1600), random.uniform(4000, 9000)
    whistles: Array = np.exp(-since / random.uniform(0.04, 0.08)) * np.sin(
        2 * np.pi * (low + slope * since / 2) * since
    )
    return whistles


def _siren(times: Array, random: np.random.Generator) -> Array:
    """One tone that goes up and down."""
    turn = 2 * np.pi * random.uniform(0.5, 1.5)
    middle, swing = random.uniform(600, 1200), random.uniform(150, 400)
    phase = middle * times - swing / turn * np.cos(turn * times + random.uniform(0, 6))
    tone: Array = np.sin(2 * np.pi * phase)
    return tone


def _bell(times: Array, random: np.random.Generator) -> Array:
    """Partials that are no multiples of each other and fade slowly."""
    since = (times + random.uniform(0, 0.9)) % 1.0
    low = random.uniform(300, 700)
    partials = [np.sin(2 * np.pi * low * ratio * since) / ratio for ratio in (1.0, 2.76, 5.4)]
    rung: Array = np.exp(-since / random.uniform(0.3, 0.6)) * np.sum(partials, 0)
    return rung


def _hum(times: Array, random: np.random.Generator) -> Array:
    """A mains hum with some overtones."""
    base = random.uniform(50, 120)
    hum: Array = np.sum([np.sin(2 * np.pi * base * k * times + random.uniform(0, 6)) / k for k in (1, 2, 3)], 0)
    return hum


#: By name: sound of about full scale at the times given.
SOUNDS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "knock": _knock,
    "chirp": _chirp,
    "siren": _siren,
    "bell": _bell,
    "hum": _hum,
}
