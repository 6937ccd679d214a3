#!/usr/bin/env bash
# librealsense bends a point by one formula under two names of a distortion, and undoes it under one of them alone.
#
# Expected: `rs2_deproject_pixel_to_point` leads a pixel of `rs2_project_point_to_pixel` back to its point, under every
# name; and "inverse" Brown-Conrady is another way to bend than "modified". Both names project to the same pixel.
# Deprojecting it leads back under `inverse_brown_conrady`; under `modified_brown_conrady` the coefficients count for
# nothing and the point is off by what the lens bends, here five millimetres at a metre. The wheel needs libusb-1.0 on the
# machine.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv pyrealsense2==2.59.1.11053 numpy==2.2.6
"$python" - <<'PYTHON'
import importlib.metadata as packages

import pyrealsense2 as rs

print("pyrealsense2", packages.version("pyrealsense2"))
point, seen, back = [0.3, -0.2, 1.0], {}, {}
for name in ("inverse_brown_conrady", "modified_brown_conrady"):
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 640, 480, 600, 600, 320, 240
    lens.model, lens.coeffs = getattr(rs.distortion, name), [0.1, -0.02, 0.003, 0.004, 0.005]
    seen[name] = rs.rs2_project_point_to_pixel(lens, point)
    back[name] = rs.rs2_deproject_pixel_to_point(lens, seen[name], 1.0)
    off = max(abs(one - other) for one, other in zip(back[name], point))
    print(f"{name}: pixel {seen[name][0]:.2f}, {seen[name][1]:.2f}; back at {back[name][0]:.4f}, {back[name][1]:.4f}; off by {1e3 * off:.2f} mm")
pixels, points = list(seen.values()), list(back.values())
assert max(abs(one - other) for one, other in zip(*pixels)) < 1e-3, "the two models project alike"
assert max(abs(one - other) for one, other in zip(points[0], point)) < 1e-4, "inverse is undone"
assert max(abs(one - other) for one, other in zip(points[1], point)) > 2e-3, "modified is not"
PYTHON

# Seen:
#   pyrealsense2 2.59.1.11053
#   inverse_brown_conrady: pixel 502.81, 118.57; back at 0.3000, -0.2000; off by 0.00 mm
#   modified_brown_conrady: pixel 502.81, 118.57; back at 0.3047, -0.2024; off by 4.69 mm
