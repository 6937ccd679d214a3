"""Colour pictures: every kind travels unchanged, everything else is named before anything is sent."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients import InputError
from crosswire.clients.inputs.images import EncodedImage, check_registered, colour_image
from crosswire.training.datasets.rooms import render


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return render(3, 0).rgb


def decoded(picture: EncodedImage) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"))


def test_arrays_images_bytes_and_paths_travel_without_loss(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    file = tmp_path / "rgb.png"
    Image.fromarray(pixels).save(file)
    for source in (pixels, pixels[::-1][::-1], Image.fromarray(pixels), file.read_bytes(), file, str(file)):
        picture = colour_image(source)
        assert (picture.height, picture.width) == pixels.shape[:2]
        assert np.array_equal(decoded(picture), pixels)


def test_files_and_bytes_are_sent_as_they_are(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    file = tmp_path / "rgb.jpg"
    Image.fromarray(pixels).save(file)
    assert colour_image(file).data == colour_image(file.read_bytes()).data == file.read_bytes()


def test_a_pillow_image_of_another_colour_mode_becomes_rgb(pixels: NDArray[np.uint8]) -> None:
    grey = Image.fromarray(pixels).convert("L")
    assert np.array_equal(decoded(colour_image(grey)), np.asarray(grey.convert("RGB")))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("missing.png", r"rgb: missing\.png cannot be read \(No such file or directory\)"),
        (".", r"rgb: \. cannot be read \(Is a directory\)"),
        ("nul\0.png", "cannot be read"),
        (b"", "rgb: the image is empty"),
        (b"GIF89a" + bytes(40), "is neither JPEG nor PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "is neither JPEG nor PNG"),
        (None, "rgb: came NoneType; allowed are a path, bytes, a Pillow image or a numpy array"),
        (np.zeros((4, 4, 3), np.float32), r"rgb: came float32 \[4, 4, 3\]; send uint8"),
        (np.zeros((4, 4), np.uint8), r"rgb: came uint8 \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"rgb: came uint8 \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"rgb: came uint8 \[0, 4, 3\]"),
        (Image.new("F", (4, 4)), "Pillow image of mode F is no colour image"),
    ],
)
def test_what_is_no_colour_picture_is_named(source: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        colour_image(source)


def test_a_depth_file_in_the_place_of_the_colour_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "depth.png"
    Image.fromarray(np.ones((4, 4), np.uint16)).save(file)
    with pytest.raises(InputError, match="no colour image; send a JPEG or PNG file of 8 bits"):
        colour_image(file)


def test_a_header_that_claims_too_many_pixels_is_refused_unread() -> None:
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    forged = bytearray(buffer.getvalue())
    forged[16:24] = (60_000).to_bytes(4, "big") * 2
    forged[29:33] = zlib.crc32(bytes(forged[12:29])).to_bytes(4, "big")
    with pytest.raises(InputError, match="too many pixels"):
        colour_image(bytes(forged))


@pytest.mark.parametrize("depth", [(640, 480), (320, 240), (1280, 960), (64, 48), (638, 478)])
def test_depth_of_the_same_aspect_ratio_is_accepted(depth: tuple[int, int]) -> None:
    check_registered(EncodedImage(b"", 640, 480), EncodedImage(b"", *depth))


@pytest.mark.parametrize("depth", [(480, 640), (640, 400), (512, 424), (9, 4)])
def test_depth_of_another_aspect_ratio_is_refused_with_both_sizes(depth: tuple[int, int]) -> None:
    size = f"depth is {depth[0]} x {depth[1]} but rgb is 640 x 480: another aspect ratio"
    with pytest.raises(InputError, match=size):
        check_registered(EncodedImage(b"", 640, 480), EncodedImage(b"", *depth))
