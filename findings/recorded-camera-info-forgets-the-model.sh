#!/usr/bin/env bash
# librealsense 2.59 records ROS' CameraInfo with "plumb_bob" whatever the lens, and 16UC1 whatever the unit.
#
# Expected: what a tool of ROS reads from a recording is what the camera sees. The recorder writes a .db3 of ROS 2 with
# `sensor_msgs/CameraInfo` beside each image. A colour lens of the model Inverse Brown Conrady becomes `plumb_bob` with
# the same coefficients, another lens: the models differ where p1 or p2 is not 0. Depth of 0.25 mm a unit becomes `16UC1`,
# which is millimetres (REP 118), so 1000 units are 1 m for ROS and 0.25 m for librealsense. The header's stamp is when
# an image arrived, not when it was taken. The true values lie beside these as text, in topics of librealsense's own.
#
# Needs libusb-1.0.so.0, which the wheel of pyrealsense2 does not bring: apt-get install libusb-1.0-0.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv pyrealsense2==2.59.1.11053 rosbags==0.11.9 numpy==2.2.6
"$python" - "$work" <<'PYTHON'
import importlib.metadata as packages
import sys
import time
from pathlib import Path

import numpy as np
import pyrealsense2 as rs
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

print(", ".join(f"{name} {packages.version(name)}" for name in ("pyrealsense2", "rosbags")))
camera = rs.software_device()
sensor = camera.add_sensor("Stereo Module")
sensor.add_read_only_option(rs.option.depth_units, 0.00025)
stream, lens = rs.video_stream(), rs.intrinsics()
lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 64, 48, 50, 50, 32, 24
lens.model, lens.coeffs = rs.distortion.inverse_brown_conrady, [0.1, 0.02, 0.003, 0.004, 0.005]
stream.type, stream.index, stream.uid, stream.fps, stream.bpp = rs.stream.depth, 0, 1, 30, 2
stream.width, stream.height, stream.fmt, stream.intrinsics = 64, 48, rs.format.z16, lens
profile = sensor.add_video_stream(stream)
path = Path(sys.argv[1]) / "a.db3"
recorder = rs.recorder(str(path), camera)
(recorded,) = recorder.query_sensors()
recorded.open(recorded.get_stream_profiles())
recorded.start(rs.frame_queue(5))
frame = rs.software_video_frame()
frame.pixels, frame.stride, frame.bpp, frame.frame_number = np.full((48, 64), 1000, np.uint16), 128, 2, 1
frame.timestamp, frame.domain = 5000.0, rs.timestamp_domain.hardware_clock
frame.profile, frame.depth_units = profile.as_video_stream_profile(), 0.00025
sensor.on_video_frame(frame)
time.sleep(1)
recorded.stop()
recorded.close()
del recorder, recorded

store, seen = get_typestore(Stores.ROS2_HUMBLE), {}
with Reader(path) as reader:
    for connection, _, data in reader.messages():
        message = store.deserialize_cdr(data, connection.msgtype)
        name = connection.topic.removeprefix("/device_0/sensor_0/")
        if name == "Depth_0/image/camera_info":
            seen["CameraInfo"] = message.distortion_model
        elif name.startswith("Depth_0/image/data"):
            seen["image"] = f"{getattr(message, 'encoding', '') or message.format}"
            seen["stamp is 5 s"] = message.header.stamp.sec == 5
        elif name == "Depth_0/camera_info":
            seen["text"] = message.data.partition("model=")[2].partition(";")[0]
        elif name == "option/Depth_Units/value":
            seen["unit"] = message.data
for name in sorted(seen):
    print(f"{name}: {seen[name]}")
if (seen["CameraInfo"], seen["text"], seen["image"][:5]) != ("plumb_bob", "Inverse Brown Conrady", "16UC1"):
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   pyrealsense2 2.59.1.11053, rosbags 0.11.9
#   CameraInfo: plumb_bob
#   image: 16UC1; compressedDepth png
#   stamp is 5 s: False
#   text: Inverse Brown Conrady
#   unit: 0.000250
