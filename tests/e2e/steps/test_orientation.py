"""Pictures that a camera took lying or upside down come back as viewers show them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InputError, Predictor
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY

ROOM = Path("demo/rooms")
RGB, DEPTH = ROOM / "room_0.rgb.jpg", ROOM / "room_0.depth.png"
HELD = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
}


def held(source: Path, tag: int) -> bytes:
    """Return a picture as a camera stores it that was held in another way."""
    exif = Image.Exif()
    exif[0x0112] = tag
    file = io.BytesIO()
    Image.open(source).transpose(HELD[tag]).save(file, "PNG", exif=exif)
    return file.getvalue()


@pytest.fixture(scope="module")
def int8() -> Any:
    """A server of the network that can do with colour alone."""
    with EmbeddedServer(REPOSITORY, networks=[NETWORK, "rooms_cen_int8"]) as running:
        yield running


@pytest.mark.parametrize("tag", HELD)
def test_labels_are_those_of_the_picture_as_it_is_seen(tag: int, int8: EmbeddedServer) -> None:
    with Predictor(int8.grpc_url) as predictor:
        plain = predictor.segment(Image.open(RGB), DEPTH, pipeline=PIPELINE)
        pair = predictor.segment(held(RGB, tag), held(DEPTH, tag), pipeline=PIPELINE)
        colour = predictor.segment(held(RGB, tag), DEPTH, pipeline=PIPELINE)
        alone = predictor.segment(held(RGB, tag), pipeline="rooms_cen_int8_image")
        upright = predictor.segment(Image.open(RGB), pipeline="rooms_cen_int8_image")
    for found, want in ((pair, plain), (colour, plain), (alone, upright)):
        assert found.labels.shape == want.labels.shape
        assert (found.labels == want.labels).mean() > 0.99
        assert found.overlay(0.5).size == want.overlay(0.5).size == found.overlay().size
        assert np.abs(np.asarray(found.overlay()).astype(int) - np.asarray(want.overlay())).mean() < 1
    assert pair.summary["exif_orientation"] == {"rgb": tag, "depth": tag} and pair.warnings == ()
    assert alone.summary["exif_orientation"] == {"rgb": tag} and "exif_orientation" not in plain.summary
    (warning,) = colour.warnings
    assert warning.startswith(f"exif_orientation: rgb_image was turned as its EXIF orientation {tag} says, depth_image")


def test_a_depth_that_fits_the_stored_pixels_alone_is_refused_with_the_tag(int8: EmbeddedServer) -> None:
    file = io.BytesIO()
    Image.open(DEPTH).transpose(HELD[6]).save(file, "PNG")
    with (
        Predictor(int8.grpc_url) as predictor,
        pytest.raises(InputError, match="orientation 6 says, depth has no"),
    ):
        predictor.segment(held(RGB, 6), file.getvalue(), pipeline=PIPELINE)
