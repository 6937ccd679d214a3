"""Active stereo: Intel RealSense D415 and D435, two infrared cameras and a projected pattern.

Sources:

* Keselman et al., Intel RealSense Stereoscopic Depth Cameras, CVPR Workshops 2017, and Intel's Tuning Depth Cameras for
  Best Performance: the deviation is z^2 * s / (f b) with the deviation s of the disparity in pixels, about 0.08 on
  textured surfaces, for a focal length f in pixels and a baseline b.
* Intel's D400 Series Datasheet, invalid depth band: the leftmost b f / z columns have no match in the right camera.
* Intel's Subpixel Linearity Improvement: disparities come in steps of 1/32 pixel.

Matching windows smear the depth of near surfaces over their edges, leave errors that are smooth over several pixels,
and find nothing on plain surfaces that the pattern does not reach.
"""

import numpy as np

from crosswire.training.datasets.sensors.view import (
    Array,
    DepthView,
    dazzled,
    grain,
    lowest,
    occluded,
    smooth_field,
)

WIDTH = 848
BASELINE_M = 0.05
SUBPIXEL = 0.08
WINDOW = 7
"""Pixels of the camera over which errors hang together."""
STEP = 1 / 32
"""Of the disparity, pixels of the camera."""
NEAREST_M, FARTHEST_M = 0.25, 6.0
FAINTEST = 0.05
"""Least texture, or light of the pattern (reflectance * cosine / z^2), that is matched."""


def measure(view: DepthView, rng: np.random.Generator) -> Array:
    """Return depth as the camera reads it, float32 [H, W], metres, 0 = no reading."""
    height, width = view.range.shape
    focal = view.focal * WIDTH / width
    field = np.float32(0.4) * smooth_field(rng, (height, width), (17, 23, 1.0))
    field += np.float32(0.9) * grain(rng, (height, width), max(2, round(WINDOW * width / WIDTH)))
    pattern = view.reflectance * view.cosine / view.range**2
    matched = np.maximum(view.texture, pattern)
    smeared = np.where(field > -0.5, lowest(view.range), view.range)
    disparity = focal * BASELINE_M / smeared
    disparity += SUBPIXEL * field / np.sqrt(np.clip(2 * matched, 0.1, 1))
    depth = focal * BASELINE_M / np.maximum(STEP * np.rint(disparity / STEP), STEP)
    lost = (view.range < NEAREST_M) | (view.range > FARTHEST_M)
    lost |= matched < FAINTEST * (1 + 0.7 * field)
    lost |= occluded(smeared, -BASELINE_M * view.focal)
    lost |= np.arange(width, dtype=np.float32) < BASELINE_M * view.focal / view.range
    lost |= dazzled(view, rng)
    depth[lost] = 0
    return np.asarray(depth, np.float32)
