"""Labels as a ROS 2 recording: another library reads back what was written, with the definitions in the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InputError, OutputError
from crosswire.clients.streaming.outputs.frame import LabelledFrame, StreamFacts
from crosswire.clients.streaming.outputs.ros import FRAME_ID, RosWriter, ros_model
from crosswire.media.cameras.camera import Distortion, Lens
from tests.support.outputs.labelled import BEGIN_NS, HEIGHT, LENS, WIDTH, labelled

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="needs the extra recordings")
typesys = pytest.importorskip("rosbags.typesys", reason="needs the extra recordings")
mcap_reader = pytest.importorskip("mcap.reader", reason="needs the extra recordings")

FRAMES = 3
EVERY = ("labels", "labels/colours", "confidence", "overlay/compressed", "summary", "camera_info")
ONCE = ("label_info", "classes")


def written(path: Path, frames: list[LabelledFrame], facts: StreamFacts | None = None) -> Path:
    with RosWriter(path, facts or StreamFacts(LENS, 30.0, "desk.bag")) as bag:
        for frame in frames:
            bag.add(frame)
    return path


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return stamps and messages by topic; types are built from what the file says of them alone."""
    store = typesys.get_typestore(typesys.Stores.EMPTY)
    found: dict[str, list[tuple[int, Any]]] = {}
    with rosbag2.Reader(path) as reader:
        for connection in reader.connections:
            types = typesys.get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({name: kind for name, kind in types.items() if name not in store.types})
        for connection, stamp, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic.removeprefix("/crosswire/"), []).append((stamp, message))
    return found


def test_every_frame_comes_back_to_the_last_bit_under_its_own_stamp(tmp_path: Path) -> None:
    frames = [labelled(index) for index in range(FRAMES)]
    found = read(written(tmp_path / "out/labels.mcap", frames))
    assert {topic: len(messages) for topic, messages in found.items()} == {
        **dict.fromkeys(EVERY, FRAMES),
        **dict.fromkeys(ONCE, 1),
    }
    for number, frame in enumerate(frames):
        result = frame.result
        images = {
            "labels": ("mono8", result.labels),
            "labels/colours": ("rgb8", result.palette[result.labels]),
            "confidence": ("mono8", result.confidence),
        }
        for topic, (encoding, pixels) in images.items():
            stamp, message = found[topic][number]
            assert (message.encoding, message.is_bigendian) == (encoding, 0)
            assert (message.height, message.width, message.step) == (HEIGHT, WIDTH, pixels[0].size)
            assert np.array_equal(message.data, pixels.reshape(-1))
            assert stamp == frame.stamp_ns == message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            assert message.header.frame_id == FRAME_ID
        _, overlay = found["overlay/compressed"][number]
        shown = np.asarray(Image.open(io.BytesIO(overlay.data.tobytes())).convert("RGB"), np.int16)
        assert overlay.format == "jpeg" and np.abs(shown - np.asarray(frame.overlay, np.int16)).mean() < 4
        assert json.loads(found["summary"][number][1].data) == result.summary


def test_what_labels_mean_is_there_once_for_whoever_comes_later(tmp_path: Path) -> None:
    frame = labelled()
    path = written(tmp_path / "labels.mcap", [frame])
    found = read(path)
    info = found["label_info"][0][1]
    assert [(one.class_id, one.class_name) for one in info.class_map] == list(enumerate(frame.result.class_names))
    classes = json.loads(found["classes"][0][1].data)
    assert [one["colour"] for one in classes["classes"]] == frame.result.palette.tolist()
    assert classes["pipeline"] == "rooms"
    with rosbag2.Reader(path) as reader:
        qos = {one.topic: one.ext.offered_qos_profiles[0] for one in reader.connections}
    latched = {
        topic.removeprefix("/crosswire/") for topic, one in qos.items() if one.durability.name == "TRANSIENT_LOCAL"
    }
    assert latched == set(ONCE)
    assert {one.reliability.name for one in qos.values()} == {"RELIABLE"}


def test_the_container_says_what_it_is_and_its_checksums_hold(tmp_path: Path) -> None:
    path = written(tmp_path / "labels.mcap", [labelled(index) for index in range(FRAMES)])
    with path.open("rb") as file:
        reader = mcap_reader.make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
        assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}
        assert {one.metadata["source"] for one in reader.iter_metadata()} == {"desk.bag"}
        stamps = [message.log_time for _, _, message in reader.iter_messages(topics=["/crosswire/labels"])]
    assert stamps == [BEGIN_NS + index * 33_333_333 for index in range(FRAMES)]
    assert summary.statistics.message_count == FRAMES * len(EVERY) + len(ONCE)


def test_a_lens_becomes_camera_info_where_ros_has_its_model(tmp_path: Path) -> None:
    lens = Lens(WIDTH, HEIGHT, 50.0, 51.0, 31.25, 23.5, Distortion.RATIONAL, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))
    info = read(written(tmp_path / "a.mcap", [labelled()], StreamFacts(lens)))["camera_info"][0][1]
    assert (info.width, info.height, info.distortion_model) == (WIDTH, HEIGHT, "rational_polynomial")
    assert info.d.tolist() == list(lens.coefficients)
    assert info.k.tolist() == [50.0, 0, 31.25, 0, 51.0, 23.5, 0, 0, 1]
    assert info.p.tolist() == [50.0, 0, 31.25, 0, 0, 51.0, 23.5, 0, 0, 0, 1, 0]
    assert "camera_info" not in read(written(tmp_path / "b.mcap", [labelled()], StreamFacts()))
    inverse = Lens(WIDTH, HEIGHT, 50, 50, 31, 23, Distortion.INVERSE_BROWN_CONRADY, (0.1,))
    assert "camera_info" not in read(written(tmp_path / "c.mcap", [labelled()], StreamFacts(inverse)))
    assert ros_model(Lens(8, 8, 5, 5, 4, 4, Distortion.INVERSE_BROWN_CONRADY)) == "plumb_bob"
    with pytest.raises(InputError, match=r"the colour camera is 8 x 8, the images are 64 x 48"):
        written(tmp_path / "d.mcap", [labelled()], StreamFacts(Lens(8, 8, 5, 5, 4, 4)))


def test_what_ros_cannot_say_or_the_disk_does_not_take_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"time stamp -1 ns; ROS 2 counts 0 to 2\^31 seconds"):
        written(tmp_path / "a.mcap", [labelled(stamp_ns=-1)])
    with pytest.raises(InputError, match=r"expected a file that ends in \.mcap"):
        RosWriter(tmp_path / "a.bag", StreamFacts())
    (tmp_path / "folder.mcap").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*folder\.mcap \(Is a directory\)"):
        RosWriter(tmp_path / "folder.mcap", StreamFacts())


def test_what_came_before_an_error_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "labels.mcap"
    with pytest.raises(RuntimeError), RosWriter(path, StreamFacts(LENS)) as bag:
        bag.add(labelled(0))
        raise RuntimeError
    assert len(read(path)["labels"]) == 1
    bag.close()
