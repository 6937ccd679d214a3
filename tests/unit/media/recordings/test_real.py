"""Recordings of real devices are read as reference tools and documents read them; where they are."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from crosswire.media.recordings import open_recording
from tests.support.recordings.real import real


def test_an_azure_kinect_s_recording_has_the_pixels_that_libavcodec_decodes() -> None:
    path = real("azure_kinect_mkv/recording.mkv")
    with av.open(str(path)) as container:
        packets = {packet.stream.index: packet for packet in container.demux(container.streams.video) if packet.size}
        jpeg, millimetres = bytes(packets[0]), packets[1].decode()[0].to_ndarray()
    recording = open_recording(path)
    (frame,) = recording
    np.testing.assert_array_equal(frame.depth, millimetres.astype(np.float32) / np.float32(1000))
    assert (frame.depth.max(), round(float((frame.depth == 0).mean()), 4)) == (np.float32(3.69), 0.2352)
    assert frame.colour == jpeg
    np.testing.assert_array_equal(frame.rgb, np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))
    assert frame.stamp_ns == 336_277_000 + 463_945_000  # K4A_START_OFFSET_NS and the block's time, as k4a adds them
    assert (recording.registered, recording.rate) == (False, 5.0)


def test_an_azure_kinect_s_camera_is_that_of_its_sdk() -> None:
    """The numbers are those of the device times size, minus corner, minus half a pixel, worked out by hand."""
    camera = open_recording(real("azure_kinect_mkv/recording.mkv")).camera
    assert camera is not None
    depth, colour = camera.depth, camera.colour
    assert (depth.fx, depth.fy, depth.cx, depth.cy) == pytest.approx(
        (0.4927808940410614 * 1024, 0.49290284514427185 * 1024, 332.781, 348.8297), abs=1e-3
    )
    assert (colour.fx, colour.fy, colour.cx, colour.cy) == pytest.approx(
        (0.47796511650085449 * 1280, 0.63742393255233765 * 960, 639.3043, 365.8529), abs=1e-3
    )
    assert camera.translation == pytest.approx((-0.0320834, -0.0022054, 0.0038837), abs=1e-7)


def test_kinect_s_pgm_beside_png_is_read_as_its_numbers() -> None:
    folder = real("pgm16_kinect")
    recording = open_recording(folder)
    frames = list(recording)
    assert (recording.count, len(frames)) == (3, 3)
    stored = np.frombuffer((folder / "1.pgm").read_bytes()[-2 * 640 * 480 :], ">u2").reshape(480, 640)
    np.testing.assert_array_equal(frames[0].depth, stored.astype(np.float32) / np.float32(1000))
