"""Run in an environment that has Open3D: reads a labelled cloud and leaves its arrays for a comparison.

`tests/soak/sensors/outputs.py` makes that environment; called with the cloud and the file of arrays to write.
"""

from __future__ import annotations

import sys

import numpy as np
import open3d

cloud = open3d.t.io.read_point_cloud(sys.argv[1])
names = {"positions", "colors", "label", "confidence"}
assert names <= set(cloud.point), sorted(cloud.point)
np.savez(sys.argv[2], **{name: cloud.point[name].numpy() for name in names})
