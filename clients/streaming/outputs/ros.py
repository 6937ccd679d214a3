"""Labels as a ROS 2 recording, `.mcap`, with the time stamps of the frames.

The container is written by the library `mcap`, messages by `rosbags`; both come with the extra `recordings`. Message
definitions are embedded (MCAP's `ros2msg`), so that a viewer needs no ROS. Topics, all in the colour camera:

    /crosswire/labels               sensor_msgs/msg/Image            mono8, the class of every pixel
    /crosswire/labels/colours       sensor_msgs/msg/Image            rgb8, the same in the classes' colours
    /crosswire/confidence           sensor_msgs/msg/Image            mono8, 255 is certain; where the server says it
    /crosswire/overlay/compressed   sensor_msgs/msg/CompressedImage  jpeg, the colours over the image
    /crosswire/summary              std_msgs/msg/String              JSON, what the server says of the frame
    /crosswire/label_info           vision_msgs/msg/LabelInfo        names of the classes; latched
    /crosswire/classes              std_msgs/msg/String              JSON, names and colours of the classes; latched
    /crosswire/camera_info          sensor_msgs/msg/CameraInfo       where the lens is known and ROS has its model
"""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, StreamFacts, told
from crosswire.media.cameras.camera import Distortion, Lens

FRAME_ID = "camera_color_optical_frame"
_JPEG_QUALITY = 90
_LIBRARY = "crosswire"
_LABEL_INFO = "vision_msgs/msg/LabelInfo"
#: As https://github.com/ros-perception/vision_msgs defines them; rosbags knows no more than ROS' common interfaces.
_DEFINITIONS = {
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    _LABEL_INFO: "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n",
}
#: How ROS calls a lens' distortion, where it has the model.
_MODELS = {
    Distortion.NONE: "plumb_bob",
    Distortion.BROWN_CONRADY: "plumb_bob",
    Distortion.RATIONAL: "rational_polynomial",
    Distortion.KANNALA_BRANDT: "equidistant",
}
#: QoS as ros2bag stores it, in numbers, which every release reads: reliable; volatile (2) or transient local (1).
_FOREVER = "{sec: 9223372036, nsec: 854775807}"
_QOS = (
    "- {{history: 1, depth: 10, reliability: 1, durability: {durability}, deadline: {never}, lifespan: {never}, "
    "liveliness: 1, liveliness_lease_duration: {never}, avoid_ros_namespace_conventions: false}}"
)


def check_mcap(path: Path) -> None:
    """Raise `InputError` unless a file's ending is that of MCAP and the libraries are there."""
    if path.suffix.lower() != ".mcap":
        raise InputError(f"got the ROS 2 recording {path}, expected a file that ends in .mcap; try labels.mcap")
    _libraries()


class RosWriter(ResultWriter):
    """Writes labels as a ROS 2 recording; see the module for its topics.

    Example:
        >>> with RosWriter(Path("labels.mcap"), StreamFacts()) as bag:
        ...     bag.add(frame)
    """

    confident = True

    def __init__(self, path: Path, facts: StreamFacts, frame_id: str = FRAME_ID) -> None:
        """Make the file.

        Args:
            path: of the file.
            facts: its lens becomes the topic `camera_info`.
            frame_id: the coordinate frame that messages name.

        Raises:
            InputError: it is called otherwise, or a package is missing.
            OutputError: it cannot be written.
        """
        check_mcap(path)
        prepare_folder(path.parent)
        self._path, self._facts, self._frame_id = path, facts, frame_id
        self._store, mcap = _libraries()
        with told(path):
            self._file: IO[bytes] | None = path.open("wb")
            self._writer = mcap.Writer(self._file, enable_data_crcs=True)
            self._writer.start(profile="ros2", library=_LIBRARY)
            self._writer.add_metadata("crosswire", {"source": facts.source})
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}

    def add(self, frame: LabelledFrame) -> None:
        """Write the messages of a frame."""
        stamp = _stamp(frame)
        header = self._message("std_msgs/msg/Header", stamp=self._time(stamp), frame_id=self._frame_id)
        result, lens = frame.result, self._facts.lens_for(frame.result.labels)
        with told(self._path):
            if not self._channels:
                self._write_classes(frame, header)
            colours = result.palette[np.minimum(result.labels, len(result.palette) - 1)]
            self._image("/crosswire/labels", stamp, header, "mono8", result.labels)
            self._image("/crosswire/labels/colours", stamp, header, "rgb8", colours)
            if result.confidence is not None:
                self._image("/crosswire/confidence", stamp, header, "mono8", result.confidence)
            self._overlay(frame, stamp, header)
            self._text("/crosswire/summary", stamp, json.dumps(dict(result.summary)))
            if lens is not None:
                self._camera(lens, stamp, header)

    def close(self) -> None:
        """Write the index and close the file."""
        file, self._file = self._file, None
        if file is None:
            return
        with told(self._path), file:
            self._writer.finish()

    def _write_classes(self, frame: LabelledFrame, header: Any) -> None:
        """Write what the labels mean, once and latched: whoever comes later gets it, too."""
        result, stamp = frame.result, _stamp(frame)
        names = [
            self._message("vision_msgs/msg/VisionClass", class_id=index, class_name=name)
            for index, name in enumerate(result.class_names)
        ]
        info = self._message(_LABEL_INFO, header=header, class_map=names, threshold=0.0)
        self._write("/crosswire/label_info", _LABEL_INFO, stamp, info, latched=True)
        classes = [
            {"label": index, "name": name, "colour": colour}
            for index, (name, colour) in enumerate(zip(result.class_names, result.palette.tolist(), strict=True))
        ]
        plain = json.dumps({"pipeline": result.pipeline, "classes": classes})
        self._text("/crosswire/classes", stamp, plain, latched=True)

    def _image(self, topic: str, stamp: int, header: Any, encoding: str, pixels: NDArray[np.uint8]) -> None:
        """Write an image, uint8 [H, W] or [H, W, 3]."""
        height, width = pixels.shape[:2]
        message = self._message(
            "sensor_msgs/msg/Image",
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=pixels[0].size,
            data=np.ascontiguousarray(pixels).reshape(-1),
        )
        self._write(topic, "sensor_msgs/msg/Image", stamp, message)

    def _overlay(self, frame: LabelledFrame, stamp: int, header: Any) -> None:
        """Write the overlay as JPEG."""
        buffer = io.BytesIO()
        frame.overlay.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)  # borders of classes stay sharp
        kind = "sensor_msgs/msg/CompressedImage"
        data = np.frombuffer(buffer.getvalue(), np.uint8)
        self._write(
            "/crosswire/overlay/compressed", kind, stamp, self._message(kind, header=header, format="jpeg", data=data)
        )

    def _camera(self, lens: Lens, stamp: int, header: Any) -> None:
        """Write the lens, where ROS has its model."""
        model = ros_model(lens)
        if model is None:
            return
        region = self._message(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
        message = self._message(
            "sensor_msgs/msg/CameraInfo",
            header=header,
            height=lens.height,
            width=lens.width,
            distortion_model=model,
            d=np.array(lens.coefficients or (0.0,) * 5),
            k=matrix.reshape(-1),
            r=np.eye(3).reshape(-1),
            p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=region,
        )
        self._write("/crosswire/camera_info", "sensor_msgs/msg/CameraInfo", stamp, message)

    def _text(self, topic: str, stamp: int, text: str, *, latched: bool = False) -> None:
        message = self._message("std_msgs/msg/String", data=text)
        self._write(topic, "std_msgs/msg/String", stamp, message, latched=latched)

    def _write(self, topic: str, kind: str, stamp: int, message: Any, *, latched: bool = False) -> None:
        """Write a message; its topic and type are declared with the first one."""
        if kind not in self._schemas:
            text, _ = self._store.generate_msgdef(kind, ros_version=2)
            self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", text.encode())
        if topic not in self._channels:
            qos = _QOS.format(durability=1 if latched else 2, never=_FOREVER)
            self._channels[topic] = self._writer.register_channel(
                topic, "cdr", self._schemas[kind], {"offered_qos_profiles": qos}
            )
        data = bytes(self._store.serialize_cdr(message, kind))
        self._writer.add_message(self._channels[topic], log_time=stamp, data=data, publish_time=stamp)

    def _message(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _time(self, stamp: int) -> Any:
        return self._message("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)


def ros_model(lens: Lens) -> str | None:
    """Return how ROS calls a lens' distortion, or None where it has no such model."""
    if lens.distortion is Distortion.INVERSE_BROWN_CONRADY and not any(lens.coefficients):
        return "plumb_bob"
    return _MODELS.get(lens.distortion)


def _stamp(frame: LabelledFrame) -> int:
    """Return a frame's time stamp, where ROS can say it: seconds in 31 bits.

    Raises:
        InputError: it cannot.
    """
    if not 0 <= frame.stamp_ns < 2**31 * 10**9:
        raise InputError(f"frame {frame.index} has the time stamp {frame.stamp_ns} ns; ROS 2 counts 0 to 2^31 seconds")
    return frame.stamp_ns


def _libraries() -> tuple[Any, Any]:
    """Return rosbags' store of message types, and mcap's module of writers.

    Raises:
        InputError: one of them is missing.
    """
    try:
        types = importlib.import_module("rosbags.typesys")
        writer = importlib.import_module("mcap.writer")
        importlib.import_module("zstandard")
    except ImportError as error:
        raise InputError(
            "writing a ROS 2 recording needs rosbags, mcap and zstandard; install them: "
            "pip install -e '.[client,recordings]'"
        ) from error
    store = types.get_typestore(types.Stores.ROS2_HUMBLE)
    for name, text in _DEFINITIONS.items():
        store.register(types.get_types_from_msg(text, name))
    return store, writer
