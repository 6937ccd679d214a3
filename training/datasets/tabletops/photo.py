"""What the colour camera makes of the light: exposure, white balance, vignette, blur and noise."""

import math

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.shapes import Array
from crosswire.training.datasets.tabletops.scene import Photo


def photograph(photo: Photo, light: Array, shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Take the picture; it is encoded with gamma 2.

    Args:
        photo: how.
        light: radiance [3, n].
        shape: height and width.
        rng: source of the noise.

    Returns:
        uint8 [height, width, 3].
    """
    height, width = shape
    gain = photo.exposure / max(float(light.mean()), 1e-6)
    signal = light.reshape(3, height, width) * (np.float32(gain) * np.asarray(photo.balance, np.float32)[:, None, None])
    for axis, reach in ((2, photo.blur[0]), (1, photo.blur[1])):
        signal = _blurred(signal, reach * width, axis)
    if photo.vignette > 0:
        across = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
        down = ((np.arange(height, dtype=np.float32) + 0.5) / height - 0.5)[:, None]
        signal *= 1 - np.float32(2 * photo.vignette) * (across * across + down * down)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    noise *= np.sqrt(np.float32(photo.photon) * signal + np.float32(photo.read * photo.read))
    signal += noise
    np.clip(signal, 0, 1, out=signal)
    return np.ascontiguousarray((255 * np.sqrt(signal) + 0.5).astype(np.uint8).transpose(1, 2, 0))


def _blurred(signal: Array, reach: float, axis: int) -> Array:
    """Average over ``reach`` pixels on either side, with a share of the outermost."""
    steps = math.ceil(reach)
    if reach < 0.1:
        return signal
    size = signal.shape[axis]
    padded = np.pad(signal, [(steps, steps) if i == axis else (0, 0) for i in range(3)], mode="edge")
    windows = [
        padded[tuple(slice(step, step + size) if i == axis else slice(None) for i in range(3))]
        for step in range(2 * steps + 1)
    ]
    total = (windows[0] + windows[-1]) * np.float32(reach + 1 - steps)
    for window in windows[1:-1]:
        total += window
    total *= np.float32(1 / (2 * reach + 1))
    return total
