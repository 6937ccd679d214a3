"""Depth pictures: integers keep the sender's unit, floats are metres, everything else is named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients import InputError
from crosswire.clients.inputs.depth import depth_image, millimetres
from crosswire.clients.inputs.images import EncodedImage
from crosswire.training.datasets.rooms import render


def decoded(picture: EncodedImage) -> NDArray[np.uint16]:
    assert picture.data[24:26] == bytes((16, 0)), "a PNG of 16 bits, grey"
    return np.asarray(Image.open(io.BytesIO(picture.data))).astype(np.uint16)


def encoded(array: NDArray[Any] | Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(buffer, kind)
    return buffer.getvalue()


def test_every_integer_kind_keeps_its_values_and_its_unit(tmp_path: Path) -> None:
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21
    file = tmp_path / "depth.png"
    file.write_bytes(encoded(values))
    wide = Image.fromarray(values.astype(np.int32))
    for source in (
        values,
        values.T.T,
        np.asfortranarray(values),
        Image.open(file),
        wide,
        file,
        str(file),
        encoded(values),
    ):
        for unit in (None, 5000.0):
            depth = depth_image(source, unit)
            assert depth.units_per_metre == unit
            assert np.array_equal(decoded(depth.image), values)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_metres_and_travel_as_the_nearest_millimetre(dtype: type[np.floating[Any]]) -> None:
    metres = render(3, 1).depth.astype(dtype)
    depth = depth_image(metres)
    assert depth.units_per_metre == 1000
    assert np.abs(decoded(depth.image) / 1000 - metres.astype(np.float64)).max() <= 0.000501
    assert np.array_equal(decoded(depth.image) == 0, metres < 0.0005)


def test_a_pillow_image_of_floats_is_metres() -> None:
    metres = np.array([[0.0, 1.5], [2.25, 65.534]], np.float32)
    depth = depth_image(Image.fromarray(metres))
    assert decoded(depth.image).tolist() == [[0, 1500], [2250, 65534]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.001, -3.0])
def test_what_is_no_distance_travels_as_no_reading(value: float) -> None:
    metres = np.ones((4, 4), np.float32)
    metres[1, 2] = value
    whole = millimetres(metres)
    assert (whole[1, 2], np.count_nonzero(whole == 1000)) == (0, 15)


@pytest.mark.parametrize("value", [65.54, 70.0, 1500.0])
def test_a_few_readings_too_far_for_16_bits_travel_as_65535(value: float) -> None:
    metres = np.ones((4, 4), np.float32)
    metres[1, 2:] = value
    assert millimetres(metres)[1].tolist() == [1000, 1000, 65535, 65535]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_floats_that_are_no_metres_are_refused_with_what_to_try(share: float) -> None:
    metres = np.ones((10, 10), np.float32)
    metres[: round(10 * share)] = 1500
    with pytest.raises(
        InputError, match=r"depth reaches 1500 m, expected are metres below 65\.535; .* depth_units_per"
    ):
        millimetres(metres)


def test_an_image_without_any_reading_is_sent() -> None:
    assert not millimetres(np.full((3, 4), np.nan, np.float32)).any()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("missing.png", r"depth: missing\.png cannot be read"),
        (b"", "depth: the image is empty"),
        (b"no picture", "begins with b'no pictu', expected is PNG or TIFF of 16-bit whole numbers"),
        (
            encoded(np.zeros((4, 4, 3), np.uint8), "JPEG"),
            "is a JPEG, and depth does not survive lossy compression; save depth as a 16-bit grey PNG",
        ),
        (encoded(np.zeros((4, 4), np.uint8)), r"is an 8-bit greyscale picture \(PNG, mode L\); send a PNG"),
        (encoded(np.zeros((4, 4, 3), np.uint8)), r"is an RGB picture \(PNG, mode RGB\)"),
        (encoded(Image.new("1", (4, 4))), r"is a black-and-white picture \(PNG, mode 1\)"),
        (np.zeros((4, 4), bool), r"depth: the array holds bool \[4, 4\], expected are whole numbers or floats"),
        (np.zeros((4, 4), complex), r"depth: the array holds complex128 \[4, 4\], expected are whole"),
        (np.zeros((4, 4, 3), np.uint16), r"holds uint16 \[4, 4, 3\], expected are .* \[height, width\]"),
        (np.zeros((4, 0), np.float32), r"depth: the array holds float32 \[4, 0\]"),
        (Image.new("RGB", (4, 4)), "depth: came a Pillow image of mode RGB; allowed are I;16"),
        (
            Image.fromarray(np.full((4, 4), 70_000, np.int32)),
            "holds whole numbers up to 70000, expected are 0 to 65535",
        ),
        (7, "depth: came int; allowed are a path"),
    ],
)
def test_what_is_no_depth_picture_is_named(source: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        depth_image(source)


@pytest.mark.parametrize("unit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_unit_that_makes_no_sense_is_refused(unit: float) -> None:
    with pytest.raises(InputError, match=f"depth_units_per_metre is {unit}"):
        depth_image(np.ones((4, 4), np.uint16), unit)


@pytest.mark.parametrize("unit", [1000.0, 100.0, 1.0])
def test_floats_with_a_unit_are_in_that_unit(unit: float) -> None:
    depth = depth_image(np.full((4, 4), 2 * unit, np.float32), unit)
    assert depth.units_per_metre == 1000
    assert np.unique(decoded(depth.image)).tolist() == [2000]
