"""Other libraries that move depth into the colour camera, each behind one function: made once, called per frame.

What a library does not do is left to it: librealsense keeps the depth camera's distances (`in_colour` turns them into
the colour camera's) and Open3D and OpenCV without dilation leave a grid. An aligner raises `ImportError` where its
library is not installed and `ValueError` where it does not know the distortion of a lens.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras import lenses
from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera

Depth = npt.NDArray[np.float32]
Align = Callable[[Depth], Callable[[], Depth]]
FURTHEST = 60.0


def librealsense(camera: RgbdCamera) -> Align:
    """Return `rs.align` on frames of a software device; 16-bit millimetres, in the depth camera's distances."""
    rs = importlib.import_module("pyrealsense2")
    device = rs.software_device()
    sensors: list[Any] = []
    profiles: list[Any] = []
    for stream, lens, form, size in (
        (rs.stream.depth, camera.depth, rs.format.z16, 2),
        (rs.stream.color, camera.colour, rs.format.rgb8, 3),
    ):
        video = rs.video_stream()
        video.type, video.index, video.uid, video.fmt, video.bpp, video.fps = stream, 0, len(sensors), form, size, 30
        video.width, video.height, video.intrinsics = lens.width, lens.height, realsense_lens(rs, lens, align=True)
        sensors.append(device.add_sensor(str(stream)))
        profiles.append(sensors[-1].add_video_stream(video))
    sensors[0].add_read_only_option(rs.option.depth_units, 0.001)
    extrinsics = rs.extrinsics()
    extrinsics.rotation = np.reshape(camera.rotation, (3, 3)).T.ravel().tolist()  # columns first
    extrinsics.translation = list(camera.translation)
    profiles[0].register_extrinsics_to(profiles[1], extrinsics)
    together, align, number = rs.syncer(), rs.align(rs.stream.color), 0
    for sensor, profile in zip(sensors, profiles, strict=True):
        sensor.open(profile)
        sensor.start(together)
    colour = np.zeros((camera.colour.height, camera.colour.width, 3), np.uint8)

    def prepared(depth: Depth) -> Callable[[], Depth]:
        nonlocal number
        stored = np.rint(depth * 1000).astype(np.uint16)
        while True:  # the first frames of a syncer come alone
            number += 1
            for sensor, profile, pixels in zip(sensors, profiles, (stored, colour), strict=True):
                frame = rs.software_video_frame()
                frame.pixels, frame.stride, frame.bpp = pixels, pixels.strides[0], pixels.strides[1]
                frame.timestamp, frame.domain = 33.0 * number, rs.timestamp_domain.hardware_clock
                frame.frame_number, frame.profile, frame.depth_units = number, profile.as_video_stream_profile(), 0.001
                sensor.on_video_frame(frame)
            pair = together.wait_for_frames(5000)
            if pair.size() == 2 and pair.get_depth_frame().get_frame_number() == number:
                return lambda: np.asanyarray(align.process(pair).get_depth_frame().get_data())

    return prepared


def realsense_lens(rs: Any, lens: Lens, align: bool = False) -> Any:
    """Return a lens as librealsense describes it.

    Args:
        rs: the library.
        lens: the lens.
        align: whether it is for `rs.align`, which bends colour (2.59.1, x86) where the model is called
            `modified_brown_conrady` and takes the same under the name `inverse_brown_conrady`, and what is called
            `brown_conrady`, for a pinhole.
    """
    models = {
        Distortion.NONE: rs.distortion.none,
        Distortion.BROWN_CONRADY: rs.distortion.brown_conrady,
        Distortion.INVERSE_BROWN_CONRADY: rs.distortion.inverse_brown_conrady,
        Distortion.KANNALA_BRANDT: rs.distortion.kannala_brandt4,
    }
    if lens.distortion not in models:
        raise ValueError(f"librealsense has no {lens.distortion.value} distortion")
    if align and lens.distortion not in (Distortion.NONE, Distortion.INVERSE_BROWN_CONRADY):
        raise ValueError(f"librealsense's align takes {lens.distortion.value} for a pinhole")
    model = models[lens.distortion]
    if align and lens.distortion is Distortion.INVERSE_BROWN_CONRADY:
        model = rs.distortion.modified_brown_conrady
    made = rs.intrinsics()
    made.width, made.height, made.fx, made.fy, made.ppx, made.ppy = *lens.size, lens.fx, lens.fy, lens.cx, lens.cy
    made.model, made.coeffs = model, [*lens.coefficients, 0, 0, 0, 0, 0][:5]
    return made


def in_colour(depth: npt.NDArray[Any], camera: RgbdCamera) -> Depth:
    """Return distances of the colour camera for those of the depth camera that librealsense leaves at its pixels."""
    looks = lenses.rays(camera.colour)
    turn, shift = np.reshape(camera.rotation, (3, 3)), np.asarray(camera.translation)
    back = looks @ turn[:2, 2] + turn[2, 2]  # z in the depth camera of a ray of the colour camera, per metre
    metres = depth.astype(np.float64) / 1000
    return np.where(depth > 0, (metres + turn[:, 2] @ shift) / back, 0).astype(np.float32)


def open3d(camera: RgbdCamera) -> Align:
    """Return Open3D's way: a cloud of points, projected into a depth image; no distortion, no patches."""
    library = importlib.import_module("open3d")
    if camera.depth.distortion is not Distortion.NONE or camera.colour.distortion is not Distortion.NONE:
        raise ValueError("Open3D has no distortion here")
    tensor, cloud = library.core.Tensor, library.t.geometry.PointCloud
    inner, outer, motion = (tensor(value) for value in (matrix(camera.depth), matrix(camera.colour), pose(camera)))
    size = camera.colour.size

    def prepared(depth: Depth) -> Callable[[], Depth]:
        image = library.t.geometry.Image(tensor(depth))

        def run() -> Depth:
            points = cloud.create_from_depth_image(image, inner, depth_scale=1.0, depth_max=FURTHEST)
            seen = points.project_to_depth_image(*size, outer, motion, depth_scale=1.0, depth_max=FURTHEST)
            return np.asarray(seen.as_tensor().numpy()[..., 0], np.float32)

        return run

    return prepared


def opencv(camera: RgbdCamera) -> Align:
    """Return OpenCV's `registerDepth` with its dilation; distortion of the colour camera alone."""
    library = importlib.import_module("cv2")
    register = getattr(library, "registerDepth", None) or getattr(getattr(library, "rgbd", None), "registerDepth", None)
    if register is None:
        raise ImportError("this OpenCV has no registerDepth: version 5, or opencv-contrib-python-headless 4")
    if camera.depth.distortion is not Distortion.NONE:
        raise ValueError("OpenCV's registerDepth has no distortion of the depth camera")
    bent = camera.colour.distortion in (Distortion.BROWN_CONRADY, Distortion.RATIONAL)
    if not bent and camera.colour.distortion is not Distortion.NONE:
        raise ValueError(f"OpenCV's registerDepth has no {camera.colour.distortion.value} distortion")
    coefficients = np.array(camera.colour.coefficients or (0.0,) * 5)
    library.setNumThreads(1)
    given = matrix(camera.depth), matrix(camera.colour), coefficients, pose(camera)

    def prepared(depth: Depth) -> Callable[[], Depth]:
        return lambda: np.nan_to_num(register(*given, depth, camera.colour.size, depthDilation=True))

    return prepared


def matrix(lens: Lens) -> npt.NDArray[np.float64]:
    """Return the camera matrix, [3, 3]."""
    return np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])


def pose(camera: RgbdCamera) -> npt.NDArray[np.float64]:
    """Return the motion of points from the depth to the colour camera, [4, 4]."""
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = np.reshape(camera.rotation, (3, 3)), camera.translation
    return motion


#: Name, package that holds it, and how it is made.
ALIGNERS: dict[str, tuple[str, Callable[[RgbdCamera], Align]]] = {
    "librealsense": ("pyrealsense2", librealsense),
    "open3d": ("open3d", open3d),
    "opencv": ("opencv-contrib-python-headless", opencv),
}
