"""Time of flight: Microsoft Kinect of 2014, and other cameras that measure the phase of modulated light.

Sources:

* Lange and Seitz, Solid-State Time-of-Flight Range Camera, IEEE Journal of Quantum Electronics 37(3), 2001: the
  deviation of the range is L / sqrt(8) * sqrt(B) / (2 A), inverse to the amplitude A of the light that comes back.
* Fankhauser et al., Kinect v2 for Mobile Robot Navigation, ICAR 2015: the noise grows with distance, incidence and
  towards the corners, where less light falls.
* Wasenmüller and Stricker, Comparison of Kinect v1 and v2 Depth Images, ACCV Workshops 2016: pixels at edges mix two
  surfaces and fly between them; the deviation is of 1 to 2 mm on the near, bright and facing ones.

Light that takes several ways is not modelled.
"""

import numpy as np

from crosswire.training.datasets.sensors.view import (
    Array,
    DepthView,
    dazzled,
    edges,
    highest,
    lose_border,
    lowest,
    occluded,
    smooth_field,
)

FLOOR_M, AT_FULL_AMPLITUDE_M = 0.0008, 0.0004
"""Deviation whatever the light, and what is added where reflectance * cosine / z^2 is 1."""
FAINTEST = 0.008
BASELINE_M = 0.052
"""From the colour camera, to which depth is registered, to the range camera."""
NEAREST_M, FARTHEST_M = 0.5, 4.5
FLYING, FILTERED = 0.5, 0.25
"""Shares of the pixels at edges that fly, and that are given up."""
STEP_M = 0.001
BORDER = 0.03


def measure(view: DepthView, rng: np.random.Generator) -> Array:
    """Return depth as the camera reads it, float32 [H, W], metres, 0 = no reading."""
    height, width = view.range.shape
    across = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / (width / 2)
    down = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / (height / 2))[:, None]
    amplitude = view.reflectance * view.cosine / view.range**2 * (1 - 0.3 * (across**2 + down**2))
    amplitude = np.maximum(amplitude, np.float32(1e-4))
    noise = rng.standard_normal((height, width), dtype=np.float32)
    wave = smooth_field(rng, (height, width), (8, 11, 1.0))
    edge = edges(view.range, 0.02 + 0.03 * view.range)
    near, far = lowest(view.range), highest(view.range)
    draw = rng.random(int(edge.sum()), dtype=np.float32)
    depth = view.range + noise * (FLOOR_M + AT_FULL_AMPLITUDE_M / amplitude) + np.float32(0.002) * wave
    mixed = near[edge] + draw / FLYING * (far - near)[edge]
    depth[edge] = np.where(draw < FLYING, mixed, depth[edge])
    lost = (view.range < NEAREST_M) | (view.range > FARTHEST_M) | (amplitude < FAINTEST)
    lost |= occluded(view.range, -BASELINE_M * view.focal)
    lost |= dazzled(view, rng)
    lost[edge] |= draw > 1 - FILTERED
    depth = STEP_M * np.rint(depth / STEP_M)
    depth[lost] = 0
    lose_border(depth, rng, BORDER)
    return np.asarray(depth, np.float32)
