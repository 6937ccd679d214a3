"""The camera of a recording of ROS: lenses from `CameraInfo`, and the chain of frames between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.recordings.recording import Fact, RecordingError
from crosswire.media.recordings.ros.calibration import lens_of
from crosswire.media.recordings.ros.files.messages import MessageFile
from crosswire.media.recordings.ros.topics import ImageTopic, says_registered
from crosswire.media.recordings.ros.transforms import FrameTree, Pose, frame_name

INFO = "sensor_msgs/msg/CameraInfo"
TRANSFORMS = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
#: How many messages of moving frames are looked at where the fixed ones do not connect the cameras.
_MOVING = 500


@dataclass(frozen=True)
class Calibration:
    """What is known of a camera.

    Attributes:
        camera: lenses and how they stand to each other, or None.
        registered: whether depth lies in the colour camera; None where nobody knows.
        facts: where that comes from.
    """

    camera: RgbdCamera | None
    registered: bool | None
    facts: tuple[Fact, ...]


def calibration_of(file: MessageFile, colour: ImageTopic, depth: ImageTopic) -> Calibration:
    """Return the camera of two topics, as far as the recording knows it."""
    facts: list[Fact] = []
    eye, other = _lens(file, colour, facts), _lens(file, depth, facts)
    promised = says_registered(colour, depth)
    if promised:
        facts.append(Fact("registration", "depth lies in the colour camera", f"the names {_names(colour, depth)} say"))
        return Calibration(_same(eye, other, colour, depth), True, tuple(facts))
    one_frame = bool(colour.frame) and frame_name(colour.frame) == frame_name(depth.frame)
    if one_frame and eye is not None and eye == other:
        origin = f"frame {colour.frame} and CameraInfo of both topics are the same, which says that"
        facts.append(Fact("registration", "depth lies in the colour camera", origin))
        return Calibration(RgbdCamera(eye, eye), True, tuple(facts))
    if eye is None or other is None:
        return Calibration(None, None, tuple(facts))
    pose, fact = _pose(file, colour, depth)
    facts.append(fact)
    if pose is None:
        return Calibration(None, False, tuple(facts))
    facts.append(Fact("registration", "depth lies in its own camera", "CameraInfo and frames of both topics say"))
    rotation = tuple(float(one) for one in pose.rotation.ravel())
    translation = tuple(float(one) for one in pose.translation)
    return Calibration(RgbdCamera(eye, other, rotation, translation), False, tuple(facts))


def _names(colour: ImageTopic, depth: ImageTopic) -> str:
    return f"{colour.name} and {depth.name}"


def _same(colour: Lens | None, depth: Lens | None, about: ImageTopic, other: ImageTopic) -> RgbdCamera | None:
    """Return the camera of registered topics: one lens serves both where the other is not known."""
    if colour is None and depth is None:
        return None
    eye = colour or (depth.scaled(*about.size) if depth and about.size else depth)
    seen = depth or (colour.scaled(*other.size) if colour and other.size else colour)
    if eye is None or seen is None:
        return None
    return RgbdCamera(eye, eye if eye.size == seen.size else eye.scaled(*seen.size))


def _lens(file: MessageFile, image: ImageTopic, facts: list[Fact]) -> Lens | None:
    """Return the lens of a topic's camera; what is wrong with it becomes a fact."""
    what = f"{'depth' if image.is_16_bit else 'colour'} lens"
    for info, name, guessed in _infos(file, image):
        try:
            lens = lens_of(info, image.size, image.rectified)
        except CameraError as error:
            facts.append(Fact(what, "not known", f"{name} cannot be used: {error}"))
            return None
        matrix = "P of " if image.rectified else "K and D of "
        said = f"fx {lens.fx:.1f}, {lens.width} x {lens.height}, distortion {lens.distortion.value}"
        facts.append(Fact(what, said, f"{matrix}{name} say" if not guessed else f"{name} has its frame", guessed))
        return lens
    facts.append(Fact(what, "not known", f"no CameraInfo beside {image.base} says"))
    return None


def _infos(file: MessageFile, image: ImageTopic) -> Iterator[tuple[Any, str, bool]]:
    """Yield what may be the `CameraInfo` of a topic: of its neighbours, else one of the same frame, a guess."""
    folder = image.base.rpartition("/")[0]
    names = (f"{folder}/camera_info", f"{image.base}/camera_info")
    others = [one.name for one in file.topics if one.kind == INFO and one.name not in names]
    for name in (*names, *others):
        topic = file.topic(name)
        try:
            message = file.first(name) if topic is not None and topic.kind == INFO else None
            info = None if message is None else message.decode()
        except RecordingError:
            continue
        if info is None:
            continue
        if name in names or (image.frame and frame_name(info.header.frame_id) == frame_name(image.frame)):
            yield info, name, name not in names


def _pose(file: MessageFile, colour: ImageTopic, depth: ImageTopic) -> tuple[Pose | None, Fact]:
    """Return what takes points of the depth camera into the colour camera, and who says so."""
    what = "extrinsics"
    ends = f"{depth.frame} to {colour.frame}"
    if not (colour.frame and depth.frame):
        return None, Fact(what, "not known", "images without frame_id say")
    tree = FrameTree()
    if frame_name(colour.frame) == frame_name(depth.frame):
        return tree.between(depth.frame, colour.frame), Fact(what, "none", f"both topics have the frame {colour.frame}")
    tf = [one for one in file.topics if one.kind in TRANSFORMS]
    fixed = [one.name for one in tf if one.name.endswith("tf_static")]
    for names, count, guessed in ((fixed, None, False), ([one.name for one in tf], _MOVING, True)):
        if not names:
            continue
        try:
            for message in islice(file.read(names), count):
                tree.add(message.decode().transforms)
        except RecordingError:
            pass  # said when frames are read
        pose = tree.between(depth.frame, colour.frame)
        if pose is not None:
            apart = 1000 * float((pose.translation**2).sum() ** 0.5)
            origin = f"frames that move are where {', '.join(names)} begins" if guessed else f"{', '.join(names)} says"
            return pose, Fact(what, f"{ends}, {apart:.1f} mm", origin, guessed)
    return None, Fact(what, "not known", f"no chain of transforms from {ends} is recorded, which says nothing")
