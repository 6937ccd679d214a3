"""Clips as phones, cameras and shops write them, answered by the real server as the plain clip is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.e2e.steps.test_tasks import ask
from tests.support.paths import ROOT
from tests.support.servers.real import REPOSITORY
from tests.support.written_clips import SAMPLE_RATE, Array, turned, written

SAMPLE = ROOT / "serving" / "gateway" / "page" / "samples" / "bounce_knock.mp4"


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedServer]:
    """A server of the committed network."""
    with EmbeddedServer(REPOSITORY, networks=["events_gmf"]) as running:
        yield running


@pytest.fixture(scope="module")
def pictures() -> list[tuple[float, Array]]:
    """The sample's pictures with their seconds."""
    with av.open(str(SAMPLE)) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def sound() -> Array:
    """The sample's sound, float32 [n]."""
    with av.open(str(SAMPLE)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def answer(served: EmbeddedServer, clip: bytes) -> tuple[Array, dict[str, Any]]:
    """Return probabilities and summary of a clip."""
    found = ask(served, "events_gmf_clip", clip=[clip])
    return found["probabilities"][0], json.loads(found["summary"].ravel()[0])


def check_alike(served: EmbeddedServer, clip: bytes, plain: bytes) -> dict[str, Any]:
    """Hold that a clip is answered as the plain one is, and return its summary."""
    (ours, summary), (expected, _) = answer(served, clip), answer(served, plain)
    assert ours.argmax() == expected.argmax()
    np.testing.assert_allclose(ours, expected, atol=0.05)
    return summary


def test_a_clip_that_is_stored_on_its_side_is_answered_as_an_upright_one(
    served: EmbeddedServer, pictures: list[tuple[float, Array]], sound: Array
) -> None:
    plain = written("mp4", pictures, sound, sound_codec="aac")
    stored = [(time, np.rot90(picture)) for time, picture in pictures]
    summary = check_alike(served, turned(written("mp4", stored, sound, sound_codec="aac"), (0, 1, -1, 0)), plain)
    seen = summary["clip"]["pictures"]
    height, width = pictures[0][1].shape[:2]
    assert (seen["width"], seen["height"], seen["rotated"]) == (width, height, 90)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mp3", "libmp3lame"), ("flac", "flac")])
def test_a_song_with_cover_art_is_answered_from_its_sound(
    served: EmbeddedServer, sound: Array, container: str, codec: str
) -> None:
    cover = io.BytesIO()
    Image.new("RGB", (200, 200), (200, 60, 30)).save(cover, "JPEG")
    plain = written(container, sound=sound, sound_codec=codec)
    summary = check_alike(served, written(container, sound=sound, sound_codec=codec, cover=cover.getvalue()), plain)
    assert summary["modalities"] == ["waveform"] and summary["clip"]["pictures"] is None


@pytest.mark.parametrize("trailer", [b"\xff" * 64, b"CAMERA-TRAILER-DATA." * 4])
def test_what_a_camera_appends_changes_no_answer(served: EmbeddedServer, trailer: bytes) -> None:
    plain = SAMPLE.read_bytes()
    np.testing.assert_array_equal(answer(served, plain + trailer)[0], answer(served, plain)[0])


def test_h264_in_avi_is_answered_as_in_mp4(
    served: EmbeddedServer, pictures: list[tuple[float, Array]], sound: Array
) -> None:
    summary = check_alike(served, written("avi", pictures, sound), written("matroska", pictures, sound))
    np.testing.assert_allclose(summary["clip"]["pictures"]["at"], np.arange(8) / 4, atol=0.01)


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_equal_channels_are_answered_as_one(
    served: EmbeddedServer, pictures: list[tuple[float, Array]], sound: Array, layout: str
) -> None:
    channels = np.stack([sound] * av.AudioLayout(layout).nb_channels)
    check_alike(served, written("matroska", pictures, channels, layout=layout), written("matroska", pictures, sound))


def test_the_sample_is_heard_at_the_rate_of_these_tests() -> None:
    with av.open(str(SAMPLE)) as container:
        assert container.streams.audio[0].rate == SAMPLE_RATE
