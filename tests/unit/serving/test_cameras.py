"""A pair that comes with its camera is decoded like one that was registered before it was sent."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.serving.config.limits import MEDIA_VARIABLE, ImageLimits, MediaLimits
from crosswire.serving.steps.decode.decode_domains import decode_some
from crosswire.serving.steps.media.images import ImageError
from tests.support.hostile.cameras import CAMERAS
from tests.support.servers.real import jpeg, png
from tests.support.servers.unregistered import CAMERA, COLOUR_SIZE, depth_file, unregistered

UNITS = 2000.0
COLOUR = {"name": "rgb", "dtype": "UINT8", "shape": [60, 80, 3], "missing": None}
METRES = {"name": "depth", "dtype": "FP32", "shape": [60, 80], "missing": 0.0, "valid_range": [0.3, 8.0]}
SPECS: list[dict[str, Any]] = [COLOUR, METRES]


def decoded(*files: bytes, specs: list[dict[str, Any]] = SPECS, units: tuple[float, ...] = (UNITS,)) -> list[Any]:
    """Return what the worker's function makes of files."""
    return list(decode_some([*range(len(specs))], specs, list(units), *files))


def text(camera: RgbdCamera = CAMERA) -> bytes:
    return camera.to_json().encode()


def registered(stored: NDArray[np.uint16], camera: RgbdCamera = CAMERA, units: float = UNITS) -> bytes:
    """Return the depth file of somebody who registers before sending."""
    return depth_file(register_depth(stored, camera, units_per_metre=units))


def test_a_pair_with_its_camera_is_the_pair_that_was_registered_before() -> None:
    rgb, stored = jpeg(*COLOUR_SIZE), unregistered(UNITS)
    pixels, (of_rgb,), metres, (of_depth,) = decoded(rgb, depth_file(stored), text())
    same, (as_before,), meant, _ = decoded(rgb, registered(stored))
    np.testing.assert_array_equal(pixels, same)
    np.testing.assert_array_equal(metres, meant)
    assert of_rgb == as_before, "colour knows of no camera"
    moved = register_depth(stored, CAMERA, units_per_metre=UNITS)
    assert of_depth["size"] == list(COLOUR_SIZE)
    assert of_depth["registered"] == round(np.count_nonzero(moved) / moved.size, 4)
    assert 0.5 < of_depth["registered"] < 0.99
    cut, *_ = decode_some([1], SPECS, [UNITS], rgb, depth_file(stored[108:468]))
    assert np.abs(metres - cut).max() > 1, "the camera does more than to cut"
    with pytest.raises(ImageError, match="depth_image must be registered to rgb_image"):
        decoded(rgb, depth_file(stored))


def test_every_sample_of_a_batch_has_its_own_camera() -> None:
    other = RgbdCamera(CAMERA.colour, CAMERA.depth, translation=(0.2, 0.0, 0.0))
    stored = unregistered(UNITS)
    files = [jpeg(*COLOUR_SIZE), jpeg(*COLOUR_SIZE), *[depth_file(stored)] * 2]
    _, _, metres, facts = decoded(*files, text(), text(other), units=(UNITS, UNITS))
    for index, camera in enumerate((CAMERA, other)):
        _, _, alone, (its,) = decoded(files[index], files[2], text(camera))
        np.testing.assert_array_equal(metres[index], alone[0])
        assert facts[index] == its
    assert not np.array_equal(*metres)
    with pytest.raises(ImageError, match=r"sample 1 \(counted from 0\): camera: got a camera that is no JSON"):
        decoded(*files, text(), b"fx=504", units=(UNITS, UNITS))


def test_scaled_images_take_scaled_lenses() -> None:
    width, height = COLOUR_SIZE
    rgb, stored = jpeg(width // 2, height // 2), unregistered(UNITS)[::2, ::2]
    camera = RgbdCamera(
        CAMERA.colour.scaled(width // 2, height // 2), CAMERA.depth.scaled(*stored.shape[::-1]), *_placed()
    )
    _, _, metres, (facts,) = decoded(rgb, depth_file(stored), text())
    _, _, meant, _ = decoded(rgb, registered(stored, camera))
    np.testing.assert_array_equal(metres, meant)
    assert facts["size"] == [width // 2, height // 2]


def _placed() -> tuple[tuple[float, ...], tuple[float, ...]]:
    return CAMERA.rotation, CAMERA.translation


def test_a_camera_of_registered_depth_changes_no_value() -> None:
    same = RgbdCamera(CAMERA.colour, CAMERA.colour)
    rgb, depth = jpeg(*COLOUR_SIZE), registered(unregistered(UNITS))
    _, _, metres, (facts,) = decoded(rgb, depth, text(same))
    _, _, meant, (without,) = decoded(rgb, depth)
    np.testing.assert_array_equal(metres, meant)
    assert "registered" not in without
    assert {**facts, "registered": None} == {**without, "registered": None}


def test_colour_alone_passes_its_camera_and_depth_alone_has_nowhere_to_go() -> None:
    rgb = jpeg(*COLOUR_SIZE)
    pixels, _ = decoded(rgb, text(), specs=[COLOUR])
    np.testing.assert_array_equal(pixels, decoded(rgb, specs=[COLOUR])[0])
    with pytest.raises(ImageError, match=r"camera came without rgb_image: .*leave camera out"):
        decoded(depth_file(unregistered(UNITS)), text(), specs=[METRES])


def test_warnings_speak_of_what_was_sent_and_of_what_the_network_sees() -> None:
    stored = unregistered(UNITS)
    stored[:, :400] = 65535
    *_, (facts,) = decoded(jpeg(*COLOUR_SIZE), depth_file(stored), text())
    names = [warning.partition(":")[0] for warning in facts["warnings"]]
    assert names == ["depth_saturated", "depth_mostly_holes"]
    assert "registered depth picture has no reading" in facts["warnings"][1]
    *_, (facts,) = decoded(jpeg(*COLOUR_SIZE), depth_file(unregistered(UNITS)), text(), units=(200.0,))
    assert facts["warnings"][0].startswith("depth_unit_suspect: ")


def test_other_images_of_a_sample_lie_on_the_colour_image() -> None:
    shade = {"name": "shade", "dtype": "UINT8", "shape": [60, 80, 1], "missing": None}
    width, height = COLOUR_SIZE
    specs = [METRES, COLOUR, shade]
    depth = depth_file(unregistered(UNITS))
    *_, (facts,) = decoded(depth, jpeg(width, height), png(width // 4, height // 4), text(), specs=specs)
    assert facts["size"] == [width // 4, height // 4]
    with pytest.raises(ImageError, match="shade_image is 48 x 48 but depth_image is 640 x 360: another aspect ratio"):
        decoded(depth, jpeg(width, height), png(48, 48), text(), specs=specs)


@pytest.mark.parametrize(("camera", "message"), CAMERAS.values(), ids=CAMERAS)
def test_a_camera_that_cannot_be_used_is_refused_by_name(camera: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)) as refused:
        decoded(jpeg(*COLOUR_SIZE), depth_file(unregistered(UNITS)), camera)
    assert len(str(refused.value)) < 600


def test_images_that_a_tag_turns_are_refused_beside_a_camera() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    file = io.BytesIO()
    Image.new("RGB", COLOUR_SIZE).save(file, "JPEG", exif=exif)
    turned, depth = file.getvalue(), depth_file(unregistered(UNITS))
    with pytest.raises(ImageError, match="camera: rgb_image has EXIF orientation 3, but a lens belongs to pixels"):
        decoded(turned, depth, text())
    file = io.BytesIO()
    Image.fromarray(unregistered(UNITS)).save(file, "PNG", exif=exif)
    with pytest.raises(ImageError, match="camera: depth_image has EXIF orientation 3"):
        decoded(jpeg(*COLOUR_SIZE), file.getvalue(), text())


def test_lenses_of_no_camera_end_in_an_answer() -> None:
    colour, depth = jpeg(64, 36), depth_file(np.full((36, 64), 4000, np.uint16))
    flat = Lens(64, 36, 50.0, 50.0, 31.5, 17.5)
    odd = (
        Lens(64, 36, 1e-300, 1e-300, 0, 0),
        Lens(64, 36, 1e300, 1e300, 1e300, -1e300),
        Lens(64, 36, 50, 50, 31, 17, Distortion.RATIONAL, (1e300, -1e300, 1e300, 1e300, -1e300, 1e300, 1e300, 1e300)),
        Lens(64, 36, 50, 50, 31, 17, Distortion.BROWN_CONRADY, (-1e6, 1e6, 10.0, -10.0, 1e9)),
        Lens(64, 36, 50, 50, 31, 17, Distortion.KANNALA_BRANDT, (1e200, -1e200, 1e200, -1e200)),
    )
    cameras = [RgbdCamera(flat, one) for one in odd] + [RgbdCamera(one, flat) for one in odd]
    cameras += [RgbdCamera(flat, flat, translation=shift) for shift in ((0, 0, -2.0), (1e300, 0, 0), (0, 0, -1e300))]
    for camera in cameras:
        _, _, metres, (facts,) = decoded(colour, depth, text(camera))
        assert np.isfinite(metres).all()
        assert 0 <= facts["registered"] <= 1


def test_the_length_of_a_camera_is_a_limit_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEDIA_VARIABLE, MediaLimits(images=ImageLimits(camera_bytes=100)).as_variable())
    with pytest.raises(ImageError, match=r"camera has \d+ bytes; allowed are 100"):
        decoded(jpeg(*COLOUR_SIZE), depth_file(unregistered(UNITS)), text())
