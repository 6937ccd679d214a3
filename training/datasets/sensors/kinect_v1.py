"""Structured light: Microsoft Kinect of 2010, and the Asus Xtion with the same chip.

Sources:

* Khoshelham and Elberink, Accuracy and Resolution of Kinect Depth Data for Indoor Mapping Applications, Sensors 12(2),
  2012: depth is inverse to a disparity in whole levels, so neighbouring depths lie 2.85e-3 z^2 metres apart (z in
  metres), and so grows the random error.
* Barron and Malik, CVPR 2013, and Handa et al., A Benchmark for RGB-D Visual Odometry, ICRA 2014: the same in one line,
  z' = 351.3 / round(351.3 / z(x + n) + N), n normal with half a pixel.
* Nguyen, Izadi and Lovell, Modeling Kinect Sensor Noise, 3DIMPVT 2012: axial deviation
  0.0012 + 0.0019 (z - 0.4)^2 metres, more beyond 60 degrees: + 0.0001 / sqrt(z) * a^2 / (pi/2 - a)^2.

What no paper gives was set by looking at Kinect frames of tables: most of the error is smooth, since the chip matches
windows of 9x9 pixels and its calibration leaves a slow wave; the projector's shadow lies on the left of objects.
"""

import numpy as np

from crosswire.training.datasets.sensors.view import (
    Array,
    DepthView,
    dazzled,
    edges,
    grain,
    jitter,
    lose_border,
    occluded,
    smooth_field,
)

WIDTH = 640
LEVELS = 351.3
"""Levels of disparity times metres."""
WINDOW = 4
"""Pixels of the camera over which errors hang together."""
JITTER = 0.5
"""Lateral deviation in pixels of the camera."""
BASELINE_M = 0.075
NEAREST_M, FARTHEST_M = 0.45, 8.0
FAINTEST = 0.012
"""Least of reflectance * cosine / z^2 that is read."""
GRAZING = 0.1
"""Least cosine that is read."""
BORDER = 0.025


def axial_deviation(z: Array, cosine: Array) -> Array:
    """Standard deviation of the depth in metres, after Nguyen et al.

    Args:
        z: depth, metres.
        cosine: between ray and normal, 0..1.
    """
    deviation = 0.0012 + 0.0019 * (z - 0.4) ** 2
    steep = cosine < 0.5
    angle = np.arccos(np.clip(cosine[steep], 0.02, 1))
    deviation[steep] += 0.0001 / np.sqrt(z[steep]) * angle**2 / (np.pi / 2 - angle) ** 2
    return np.asarray(deviation, np.float32)


def measure(view: DepthView, rng: np.random.Generator) -> Array:
    """Return depth as the camera reads it, float32 [H, W], metres, 0 = no reading."""
    height, width = view.range.shape
    edge = edges(view.range, 0.02 + 0.05 * view.range)
    z = jitter(view.range, edge, rng, JITTER * width / WIDTH)
    noise = np.float32(0.65) * smooth_field(rng, (height, width), (12, 16, 1.0))
    noise += np.float32(0.6) * grain(rng, (height, width), round(WINDOW * width / WIDTH))
    noisy = z + noise * axial_deviation(view.range, view.cosine)
    depth = LEVELS / np.maximum(np.rint(LEVELS / np.maximum(noisy, 0.1)), 1)
    lost = (view.range < NEAREST_M) | (view.range > FARTHEST_M)
    lost |= view.reflectance * view.cosine < FAINTEST * (1 + 0.5 * noise) * view.range**2
    lost |= view.cosine < GRAZING * (1 + 0.5 * noise)
    lost |= occluded(view.range, -BASELINE_M * view.focal)
    lost |= dazzled(view, rng)
    lost |= edge & (noise > 0.2)
    depth[lost] = 0
    lose_border(depth, rng, BORDER)
    return np.asarray(depth, np.float32)
