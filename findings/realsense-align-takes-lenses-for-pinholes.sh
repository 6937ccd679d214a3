#!/usr/bin/env bash
# librealsense's align bends colour under one name of a distortion alone, and never changes the distance.
#
# Expected: `rs.align(rs.stream.color)` moves a depth pixel to where `rs2_project_point_to_pixel` puts its point, by the
# intrinsics of the colour stream, and its value becomes the distance to the colour camera. On x86 the model is looked at
# only where it is called `modified_brown_conrady`. The same coefficients as `inverse_brown_conrady`, which
# `rs2_project_point_to_pixel` treats the same way and which colour streams of D400 cameras carry, or as `brown_conrady`,
# change nothing: the pixel lands where a pinhole has it. The value stays the distance to the depth camera, though the
# colour camera stands half a metre nearer. The wheel needs libusb-1.0 on the machine.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv pyrealsense2==2.59.1.11053 numpy==2.2.6
"$python" - <<'PYTHON'
import importlib.metadata as packages
import sys

import numpy as np
import pyrealsense2 as rs

print(", ".join(f"{name} {packages.version(name)}" for name in ("pyrealsense2", "numpy")))
WIDTH, HEIGHT, ROW, COLUMN, MILLIMETRES = 640, 480, 400, 560, 2000


def intrinsics(model, coefficients):
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = WIDTH, HEIGHT, 600, 600, 320, 240
    lens.model, lens.coeffs = model, coefficients
    return lens


def aligned(colour, extrinsics):
    device, sensors, profiles = rs.software_device(), [], []
    plain = intrinsics(rs.distortion.none, [0.0] * 5)
    for number, (stream, lens, form) in enumerate(
        ((rs.stream.depth, plain, rs.format.z16), (rs.stream.color, colour, rs.format.rgb8))
    ):
        video = rs.video_stream()
        video.type, video.index, video.uid, video.fmt, video.bpp = stream, 0, number, form, 2 + number
        video.width, video.height, video.fps, video.intrinsics = WIDTH, HEIGHT, 30, lens
        sensors.append(device.add_sensor(str(stream)))
        profiles.append(sensors[-1].add_video_stream(video))
    sensors[0].add_read_only_option(rs.option.depth_units, 0.001)
    profiles[0].register_extrinsics_to(profiles[1], extrinsics)
    together = rs.syncer()
    for sensor, profile in zip(sensors, profiles):
        sensor.open(profile)
        sensor.start(together)
    depth = np.zeros((HEIGHT, WIDTH), np.uint16)
    depth[ROW, COLUMN] = MILLIMETRES
    for number in range(1, 10):
        for sensor, profile, pixels in zip(sensors, profiles, (depth, np.zeros((HEIGHT, WIDTH, 3), np.uint8))):
            frame = rs.software_video_frame()
            frame.pixels, frame.stride, frame.bpp = pixels, pixels.strides[0], pixels.strides[1]
            frame.timestamp, frame.domain = 33.0 * number, rs.timestamp_domain.hardware_clock
            frame.frame_number, frame.profile, frame.depth_units = number, profile.as_video_stream_profile(), 0.001
            sensor.on_video_frame(frame)
        pair = together.wait_for_frames(5000)
        if pair.size() == 2:
            seen = np.asanyarray(rs.align(rs.stream.color).process(pair).get_depth_frame().get_data())
            rows, columns = np.nonzero(seen)
            return float(columns.mean()), float(rows.mean()), int(seen.max())
    sys.exit("no pair of frames")


changed = False
still = rs.extrinsics()
still.rotation, still.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
point = [(COLUMN - 320) / 600 * 2, (ROW - 240) / 600 * 2, 2.0]
for name, bends in (("modified_brown_conrady", True), ("inverse_brown_conrady", False), ("brown_conrady", False)):
    lens = intrinsics(getattr(rs.distortion, name), [-0.3, 0.0, 0.0, 0.0, 0.0])
    expected = rs.rs2_project_point_to_pixel(lens, point)
    column, row, _ = aligned(lens, still)
    print(f"{name}: projected to ({expected[0]:.1f}, {expected[1]:.1f}), aligned to ({column:.1f}, {row:.1f})")
    changed |= (abs(column - expected[0]) < 2) != bends
nearer = rs.extrinsics()
nearer.rotation, nearer.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, -0.5]
column, row, value = aligned(intrinsics(rs.distortion.none, [0.0] * 5), nearer)
print(f"colour camera half a metre nearer: {MILLIMETRES} mm become {value} mm")
changed |= value != MILLIMETRES
if changed:
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   pyrealsense2 2.59.1.11053, numpy 2.2.6
#   modified_brown_conrady: projected to (543.4, 388.9), aligned to (543.0, 388.0)
#   inverse_brown_conrady: projected to (543.4, 388.9), aligned to (560.0, 400.0)
#   brown_conrady: projected to (543.4, 388.9), aligned to (560.0, 400.0)
#   colour camera half a metre nearer: 2000 mm become 2000 mm
