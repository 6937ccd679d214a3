"""EXIF orientation: all eight, in every format that holds it, by clients and by the server's decoder alike."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from crosswire.clients import InputError
from crosswire.clients.inputs.depth import depth_image
from crosswire.clients.inputs.images import check_registered, colour_image
from crosswire.media.depth_files import read_depth_file
from crosswire.media.orientation import orientation_of, upright, upright_array, upright_size
from crosswire.serving.steps.decode.decode_domains import decode_some
from crosswire.serving.steps.media.images import ImageError
from crosswire.serving.steps.render.overlay_labels import overlays

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
TAGS = range(1, 9)
HEIGHT, WIDTH = 48, 64


def seen() -> NDArray[np.uint8]:
    """Return an image of which every corner differs, as a viewer is to show it, uint8 [H, W, 3]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    blue = np.zeros((HEIGHT, WIDTH), int)
    blue[:12, :16] = 255
    return np.stack([255 * rows // HEIGHT, 255 * columns // WIDTH, blue], -1).astype(np.uint8)


def stored(values: NDArray[Any], tag: int, kind: str = "PNG", *, labelled: bool = True) -> bytes:
    """Return a file that shows an array where its EXIF orientation is obeyed."""
    back = {6: 8, 8: 6}.get(tag, tag)  # of the eight, only the quarter turns are not their own inverse
    exif = Image.Exif()
    exif[0x0112] = tag
    file = io.BytesIO()
    options: dict[str, Any] = {"JPEG": {"quality": 98}, "WEBP": {"lossless": True}}.get(kind, {})
    turned = Image.fromarray(np.ascontiguousarray(upright_array(values, back)))
    turned.save(file, kind, **options, **({"exif": exif} if labelled else {}))
    return file.getvalue()


def depth_seen() -> NDArray[np.uint16]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (1000 + 40 * rows + 20 * columns).astype(np.uint16)


def decoded(rgb: bytes | None, depth: bytes | None = None) -> tuple[list[NDArray[Any]], list[dict[str, Any]]]:
    """Return what a server's decoder makes of one sample: arrays and facts."""
    colour = {"name": "rgb", "dtype": "UINT8", "shape": [HEIGHT, WIDTH, 3], "missing": None, "valid_range": None}
    metres = {"name": "depth", "dtype": "FP32", "shape": [HEIGHT, WIDTH], "missing": 0.0, "valid_range": None}
    sent = [(spec, data) for spec, data in ((colour, rgb), (metres, depth)) if data is not None]
    specs, files = [spec for spec, _ in sent], [data for _, data in sent]
    found = decode_some([*range(len(specs))], specs, [1000.0], *files)
    return [array[0] for array in found[::2]], [facts[0] for facts in found[1::2]]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_is_turned_as_pillow_turns_it(kind: str, tag: int) -> None:
    image = Image.open(io.BytesIO(stored(seen(), tag, kind)))
    found = orientation_of(image)
    assert found == (tag if kind != "TIFF" else 1), "Pillow turns a TIFF while it decodes it"
    assert upright_size(image.size, found) == (WIDTH, HEIGHT)
    ours = np.asarray(upright(image, found).convert("RGB"))
    np.testing.assert_array_equal(ours, np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    assert np.abs(ours.astype(int) - seen()).mean() < 4
    np.testing.assert_array_equal(upright_array(np.asarray(image.convert("RGB")), found), ours)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_client_sends_of_a_file_and_what_a_server_makes_of_it_agree(kind: str, tag: int) -> None:
    sent = colour_image(stored(seen(), tag, kind))
    assert (sent.width, sent.height) == (WIDTH, HEIGHT)
    ((pixels,), (facts,)) = decoded(sent.data)
    assert facts["size"] == [WIDTH, HEIGHT]
    assert facts["orientation"] == (tag if kind in ("JPEG", "PNG") else 1), "TIFF and WebP travel upright, as PNG"
    assert np.abs(pixels.astype(int) - seen()).mean() < 4


@pytest.mark.parametrize("tag", TAGS)
def test_depth_is_turned_without_a_change_of_its_values(tag: int) -> None:
    data = stored(depth_seen(), tag)
    image = depth_image(data).image
    assert (image.width, image.height, image.orientation) == (WIDTH, HEIGHT, tag)
    ((metres,), (facts,)) = decoded(None, data)
    np.testing.assert_array_equal(metres, depth_seen() / np.float32(1000))
    assert facts["orientation"] == tag


@pytest.mark.parametrize("tag", TAGS)
def test_depth_that_pillow_opened_and_depth_that_is_read_as_numbers_are_turned_too(tag: int) -> None:
    data = stored(depth_seen(), tag)
    np.testing.assert_array_equal(read_depth_file(data), depth_seen())
    sent = depth_image(Image.open(io.BytesIO(data))).image
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent.data))), depth_seen())


@pytest.mark.parametrize("tag", TAGS)
def test_a_pair_that_agrees_is_turned_without_a_word(tag: int) -> None:
    (pixels, metres), facts = decoded(stored(seen(), tag), stored(depth_seen(), tag))
    np.testing.assert_array_equal(pixels, seen())
    np.testing.assert_array_equal(metres, depth_seen() / np.float32(1000))
    assert [one["warnings"] for one in facts] == [[], []]


@pytest.mark.parametrize("tag", range(2, 9))
def test_a_tag_that_only_one_of_a_pair_has_is_obeyed_and_named(tag: int) -> None:
    (pixels, _), facts = decoded(stored(seen(), tag), stored(depth_seen(), 1, labelled=False))
    np.testing.assert_array_equal(pixels, seen())
    (warning,) = facts[1]["warnings"]
    assert warning.startswith(f"exif_orientation: rgb_image was turned as its EXIF orientation {tag} says, depth_image")


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
def test_where_the_shapes_then_differ_client_and_server_name_the_tag(tag: int) -> None:
    rgb, depth = stored(seen(), tag), stored(np.ascontiguousarray(depth_seen().T), 1, labelled=False)
    said = rf"is 48 x 64 but rgb\w* is 64 x 48: .* rgb\w* was turned as its EXIF orientation {tag} says, depth"
    with pytest.raises(ImageError, match=said):
        decoded(rgb, depth)
    with pytest.raises(InputError, match=said):
        check_registered(colour_image(rgb), depth_image(depth).image)


@pytest.mark.parametrize("tag", TAGS)
def test_an_overlay_is_drawn_on_what_a_viewer_shows(tag: int) -> None:
    labels = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    drawn = [overlays([[255, 0, 0]], labels, "rgb_image", stored(seen(), one))[0] for one in (tag, 1)]
    assert drawn[0] == drawn[1]
    grey = [overlays([[255, 0, 0]], labels, "depth_image", stored(depth_seen(), one))[0] for one in (tag, 1)]
    assert grey[0] == grey[1]


@pytest.mark.parametrize("tag", [3, 6, 8])
def test_an_image_that_was_turned_in_memory_is_not_turned_again(tag: int) -> None:
    opened = Image.open(io.BytesIO(stored(seen(), tag)))
    turned = ImageOps.exif_transpose(opened)
    by_hand = opened.transpose({3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}.get(tag, 2))
    assert by_hand.size == (WIDTH, HEIGHT)
    for image in (opened, turned, by_hand):
        sent = colour_image(image)
        assert (sent.width, sent.height, sent.orientation) == (WIDTH, HEIGHT, 1)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent.data))), seen())


@pytest.mark.parametrize("value", [0, 9, 4000])
def test_a_tag_that_means_nothing_turns_nothing(value: int) -> None:
    assert orientation_of(Image.open(io.BytesIO(stored(seen(), value if value > 8 else 0)))) == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # of Pillow itself
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\0" * 40])
def test_a_damaged_tag_turns_nothing(exif: bytes) -> None:
    file = io.BytesIO()
    Image.fromarray(seen()).save(file, "JPEG")
    jpeg = file.getvalue()
    broken = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert orientation_of(Image.open(io.BytesIO(broken))) == 1
    assert decoded(broken)[1][0]["orientation"] == 1


def test_shapes_that_nearly_fit_are_taken_with_a_warning() -> None:
    wide = np.repeat(np.repeat(depth_seen(), 10, 0), 10, 1)[:, :636]
    large = np.repeat(np.repeat(seen(), 10, 0), 10, 1)
    _, facts = decoded(stored(large, 1), stored(wide, 1))
    (warning,) = facts[1]["warnings"]
    assert warning.startswith("aspect_ratio_differs: depth_image is 636 x 480, rgb_image is 640 x 480")
    _, facts = decoded(stored(large, 1), stored(wide[:160, :213], 1))
    assert facts[1]["warnings"] == [], "213 x 160 is 640 x 480 but for whole pixels"
