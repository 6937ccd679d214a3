"""A camera is read from whatever the user has, and checked before anything is sent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InputError, segmentation_request, translation_request
from crosswire.clients.batch.items import Item
from crosswire.clients.batch.work import item_request
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.session import check_inputs
from crosswire.contract import Geometry, TensorSpec
from crosswire.media.cameras.camera import RgbdCamera
from tests.support.servers.pipelines import described
from tests.support.servers.real import jpeg
from tests.support.servers.unregistered import CAMERA, COLOUR_SIZE, depth_file, unregistered

RGB, DEPTH, TEXT = jpeg(*COLOUR_SIZE), unregistered(), CAMERA.to_json()
PAIR = described("p_image", "p", "segmentation", ("rgb_image", "depth_image"))


def test_a_camera_its_text_and_its_file_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "camera.json").write_text(TEXT)
    sources = (CAMERA, TEXT, f"\n {TEXT}", tmp_path / "camera.json", str(tmp_path / "camera.json"))
    assert [read_camera(source) for source in sources] == [CAMERA] * len(sources)
    assert read_camera(None) is None


def test_the_text_travels_beside_the_pair_and_nothing_without_it() -> None:
    request = segmentation_request(RGB, DEPTH, camera=CAMERA)
    assert request.inputs["camera"].tolist() == [[TEXT.encode()]]
    same = translation_request({"depth": DEPTH, "rgb": RGB}, camera=TEXT)
    assert same.inputs["camera"].tolist() == [[TEXT.encode()]]
    registered = segmentation_request(RGB, np.full((36, 64), 2000, np.uint16))
    assert sorted(registered.inputs) == ["depth_image", "rgb_image"]
    with pytest.raises(InputError, match="must be registered"):
        segmentation_request(RGB, DEPTH)


def test_an_item_of_a_batch_takes_the_camera_of_all(tmp_path: Path) -> None:
    (tmp_path / "rgb.jpg").write_bytes(RGB)
    (tmp_path / "depth.png").write_bytes(depth_file(DEPTH))
    item = Item("a", {"rgb_image": tmp_path / "rgb.jpg", "depth_image": tmp_path / "depth.png"})
    assert item_request(item, PAIR, (), None, CAMERA).inputs["camera"].tolist() == [[TEXT.encode()]]
    with pytest.raises(InputError, match="must be registered"):
        item_request(item, PAIR, (), None)
    (tmp_path / "depth.png").write_bytes(depth_file(DEPTH[:360]))
    with pytest.raises(InputError, match="camera: depth is 640 x 360, but the depth lens is 640 x 576"):
        item_request(item, PAIR, (), None, CAMERA)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ("{}", 'camera: got a camera without "colour" and "depth"'),
        ("nowhere.json", "camera: nowhere.json cannot be read"),
        (5, "camera: came int; allowed are an RgbdCamera"),
        (b"{}", "camera: came bytes; allowed are an RgbdCamera"),
        (RgbdCamera(CAMERA.depth, CAMERA.depth), "camera: rgb is 640 x 360, but the colour lens is 640 x 576"),
    ],
)
def test_a_camera_that_makes_no_sense_is_not_sent(camera: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segmentation_request(RGB, DEPTH, camera=camera)


def test_depth_alone_has_nothing_to_be_registered_to() -> None:
    for send in (
        lambda: segmentation_request(None, DEPTH, camera=CAMERA),
        lambda: translation_request({"depth": DEPTH}, camera=CAMERA),
    ):
        with pytest.raises(InputError, match=r"camera: came without rgb: .* leave camera out"):
            send()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3])
def test_an_image_that_would_be_turned_on_its_way_is_refused_whatever_its_format(
    format: str, orientation: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", COLOUR_SIZE).save(file, format, exif=exif)
    path = tmp_path / "image"
    path.write_bytes(file.getvalue())
    with Image.open(path) as opened:
        for source in (file.getvalue(), path, str(path), opened):
            if orientation == 1:
                assert "camera" in segmentation_request(source, DEPTH, camera=CAMERA).inputs
                continue
            with pytest.raises(InputError, match="camera: an image has EXIF orientation 3, but a lens belongs to pix"):
                segmentation_request(source, DEPTH, camera=CAMERA)


def test_a_pipeline_that_takes_no_camera_says_what_to_do() -> None:
    with pytest.raises(InputError, match="takes no camera; register depth to colour before sending, or update the ser"):
        check_inputs(PAIR, ["rgb_image", "camera"])
    with pytest.raises(InputError, match="takes no camera: it does not take both rgb and depth; leave camera out"):
        check_inputs(described("c_clip", "c", "classification", ("clip",)), ["camera"])
    geometry = Geometry("disparity", 16.0)
    other = TensorSpec("depth_image", "BYTES", (1,), ("item",), "file", geometry=geometry)
    pipeline = described("d_image", "d", "segmentation", ("rgb_image",))
    object.__setattr__(pipeline, "inputs", (*pipeline.inputs, other))
    with pytest.raises(InputError, match="takes no camera: it takes disparity, of which lenses say nothing"):
        check_inputs(pipeline, ["camera"])
    check_inputs(described("e_image", "e", "segmentation", ("rgb_image", "depth_image", "camera")), ["camera"])
