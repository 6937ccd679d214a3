"""Clips whose header says which way up they are shown are seen that way, in training and by the server alike."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from crosswire.media.clips.orientation import UPRIGHT, from_matrix
from tests.support.written_clips import Array, names, read_alike, remuxed, turned, written

Matrix = tuple[float, float, float, float]
#: What each orientation of EXIF does to a pixel, as (a, b, c, d), and to an image in numpy's words.
MATRICES: dict[int, Matrix] = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
WORDS = {
    1: (0, False), 2: (0, True), 3: (180, False), 4: (180, True),
    5: (270, True), 6: (90, False), 7: (90, True), 8: (270, False),
}  # fmt: skip


def shown(stored: Array, number: int) -> Array:
    """Return a stored image as an orientation of EXIF shows it."""
    mirrored = stored[:, ::-1] if WORDS[number][1] else stored
    return np.rot90(mirrored, -WORDS[number][0] // 90)


def stored_for(number: int) -> list[tuple[float, Array]]:
    """Return pictures that are `scene` once an orientation is applied."""
    inverse = {6: 8, 8: 6}.get(number, number)
    return [(index / 10, shown(scene(), inverse)) for index in range(4)]


def scene() -> Array:
    """Return an image of which no two orientations are alike."""
    image = np.full((48, 64, 3), 30, np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32] = (220, 30, 30), (30, 220, 30), (30, 30, 220)
    return image


def check(data: bytes, number: int) -> None:
    """Hold that both readers see `scene`, and that what was done is said."""
    clip = read_alike(data)
    assert clip.frames is not None and clip.facts.pictures is not None
    expected = np.asarray(Image.fromarray(scene()).resize((32, 24), Image.Resampling.BOX)).astype(int)
    for frame in clip.frames:
        difference = np.abs(frame.astype(int) - expected)
        assert difference[2:10, 2:14].max() < 30 and difference.mean() < 8
    pictures = clip.facts.pictures
    assert (pictures["width"], pictures["height"]) == (64, 48)
    assert (pictures.get("rotated", 0), pictures.get("mirrored", False)) == WORDS[number]
    assert ("rotated" in pictures) == (number != 1)


@pytest.mark.parametrize("number", MATRICES)
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_frames_are_turned_as_the_header_of_an_mp4_or_quicktime_file_says(container: str, number: int) -> None:
    check(turned(written(container, stored_for(number)), MATRICES[number]), number)


@pytest.mark.parametrize("number", [3, 6, 8])
def test_frames_are_turned_as_the_header_of_a_matroska_file_says(number: int) -> None:
    check(remuxed(turned(written("mp4", stored_for(number)), MATRICES[number]), "matroska"), number)


@pytest.mark.parametrize(
    ("filters", "number"), [("flip=horizontal", 2), ("rotate=180", 3), ("rotate=90", 8), ("rotate=270", 6)]
)
def test_frames_are_turned_as_h264_itself_says(filters: str, number: int) -> None:
    whole = written("mp4", stored_for(number))
    check(remuxed(whole, "matroska", f"h264_metadata=display_orientation=insert:{filters}"), number)


@pytest.mark.parametrize("number", MATRICES)
@pytest.mark.parametrize("container", ["matroska", "avi"])
def test_frames_are_turned_as_the_exif_data_of_a_camera_s_motion_jpeg_says(container: str, number: int) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x112] = number
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.height, stream.width = stored_for(number)[0][1].shape[:2]
        stream.pix_fmt = "yuvj420p"
        for index, (_, picture) in enumerate(stored_for(number)):
            jpeg = io.BytesIO()
            Image.fromarray(picture).save(jpeg, "JPEG", exif=exif, quality=95)
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, index, index, Fraction(1, 10)
            out.mux(packet)
    check(file.getvalue(), number)


def test_what_is_no_quarter_turn_is_rounded_to_one_and_said() -> None:
    angle = np.radians(120)
    matrix = (np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))
    clip = read_alike(turned(written("mp4", stored_for(6)), matrix))
    assert clip.facts.pictures is not None and clip.facts.pictures["rotated"] == 90
    assert "rotation_rounded" in names(clip)
    assert any("+30 degrees" in warning for warning in clip.facts.warnings)


@pytest.mark.parametrize("number", MATRICES)
def test_a_matrix_that_scales_turns_as_one_that_does_not(number: int) -> None:
    a, b, c, d = MATRICES[number]
    orientation = from_matrix(3 * a, 3 * b, 0.5 * c, 0.5 * d)
    assert (orientation.degrees, orientation.mirrored) == WORDS[number]
    stored = shown(scene(), {6: 8, 8: 6}.get(number, number))
    np.testing.assert_array_equal(orientation.apply(stored), scene())


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 1)])
def test_a_matrix_that_leaves_no_picture_is_passed_over(matrix: Matrix) -> None:
    assert from_matrix(*matrix) == UPRIGHT
