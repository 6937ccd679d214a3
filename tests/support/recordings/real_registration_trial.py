"""Depth of real recordings in their colour cameras, against other implementations; not run without the recordings.

Nothing but the Kinect's own library registers the depth of an Azure Kinect,
whose lenses are both bent. It is compared with the slow registration of `tests/support`, which shares nothing with the
quick one but the calibration, and with points that OpenCV has undistorted and projected. RealSense's depth is compared
with the slow one and with librealsense's align. Run by `tests/soak/sensors/registration.py`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.cameras.aligners import in_colour, librealsense, matrix
from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.cameras.register import MARGIN, Registration, coverage_warning
from crosswire.media.recordings.open import open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings.brute_registration import agreement, brute_registration
from tests.support.recordings.real import real

RECORDINGS = {
    "kinect": "azure_kinect_mkv/recording.mkv",
    "realsense": "realsense_bag/single_depth_color_640x480.bag",
}


def first(name: str) -> tuple[RgbdCamera, npt.NDArray[np.float32]]:
    """Return the camera of a recording and depth of its first pair."""
    with open_recording(real(RECORDINGS[name]), ReadOptions(longest_gap_s=1.0)) as recording:
        assert recording.camera is not None and not recording.registered
        frame = next(iter(recording))
        return recording.camera, frame.depth


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_reading_is_where_the_slow_registration_has_it(name: str) -> None:
    camera, depth = first(name)
    registration = Registration(camera)
    ours, slow = registration.apply(depth), brute_registration(depth, camera, MARGIN)
    found = agreement(ours, slow), agreement(slow, ours)
    same = (np.abs(ours - slow) <= 1e-3)[(ours > 0) | (slow > 0)].mean()
    covered = registration.coverage(depth)
    print(f"{name}: {found[0]:.5f} and {found[1]:.5f}, {same:.5f} at the very pixel, {covered:.3f} in view")
    assert min(found) > 0.995 and same > 0.98
    assert coverage_warning(covered) is None


def test_kinect_s_points_are_where_opencv_puts_them() -> None:
    library = pytest.importorskip("cv2", exc_type=ImportError)
    camera, depth = first("kinect")
    rows, columns = np.nonzero(depth)
    pixels = np.stack((columns, rows), axis=-1).astype(np.float64)[:, None]
    steps = (3, 200, 1e-14)
    lens, colour = camera.depth, camera.colour
    looks = library.undistortPoints(pixels, matrix(lens), np.array(lens.coefficients), None, None, None, steps)
    points = np.column_stack((looks[:, 0], np.ones(len(looks)))) * depth[rows, columns][:, None]
    points = points @ np.reshape(camera.rotation, (3, 3)).T + camera.translation
    nowhere = np.zeros(3)
    seen = library.projectPoints(points, nowhere, nowhere, matrix(colour), np.array(colour.coefficients))[0][:, 0]
    column, row = np.rint(seen).astype(int).T
    inside = (column >= 0) & (column < colour.width) & (row >= 0) & (row < colour.height)
    theirs = np.full((colour.height, colour.width), np.inf)
    np.minimum.at(theirs, (row[inside], column[inside]), points[inside, 2])
    ours = Registration(camera).apply(depth)
    points_there = np.isfinite(theirs)
    behind = (ours > 0) & (ours <= theirs + 1e-3)  # its own patch covers a point's pixel, or a nearer one
    covered = behind[points_there].mean()
    found = agreement(np.where(points_there, theirs, 0), ours)  # less: points leave gaps that others shine through
    print(f"kinect against OpenCV: {covered:.5f} covered, {found:.5f} within a millimetre")
    assert covered > 0.999 and found > 0.97


def test_realsense_agrees_with_librealsense_s_align() -> None:
    pytest.importorskip("pyrealsense2", exc_type=ImportError)
    camera, depth = first("realsense")
    theirs = in_colour(librealsense(camera)(depth)(), camera)
    ours = Registration(camera).apply(np.rint(depth * 1000).astype(np.float32) / 1000)
    found = agreement(theirs, ours), agreement(ours, theirs)
    print(f"realsense against librealsense: {found[0]:.5f} and {found[1]:.5f}")
    assert min(found) > 0.995
