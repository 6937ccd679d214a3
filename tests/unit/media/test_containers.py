"""The containers that clips come in, what else lies in them, and what is appended to them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.decode.decode_clip import modalities
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.media.clips import read_clip
from crosswire.serving.steps.media.containers import container_of
from crosswire.training.datasets.clips.read import read_clip as read_for_training
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.tasks.audio_video.config import ClipShape as TrainingShape
from tests.support.written_clips import SHAPE, brightness, greys, names, read_alike, tone, written

BOTH = ["frames", "waveform"]


def film(container: str, **more: object) -> bytes:
    """Return two seconds of greys with a tone."""
    return written(container, greys(20), tone(), sound_codec="aac", **more)  # type: ignore[arg-type]


def with_times(stream: bytes) -> bytes:
    """Return a transport stream as camcorders store it: four bytes of time before each packet."""
    return b"".join(b"\0\0\0\0" + stream[start : start + 188] for start in range(0, len(stream), 188))


def without_lengths(wave: bytes) -> bytes:
    """Return a WAV file as a program writes it that cannot go back: its lengths are unknown."""
    start = wave.index(b"data") + 4
    return wave[:4] + b"\xff" * 4 + wave[8:start] + b"\xff" * 4 + wave[start + 4 :]


def films() -> dict[str, tuple[bytes, str]]:
    """Return films in every container that is new, with the name that a summary gives it."""
    stream = film("mpegts")
    return {
        "QuickTime of today": (film("mov"), "MP4"),
        "QuickTime before its kinds were named": (film("mov").replace(b"ftyp", b"wide", 1), "QuickTime"),
        "QuickTime that begins with its film": (film("mov").replace(b"ftyp", b"skip", 1), "QuickTime"),
        "MPEG-TS": (stream, "MPEG-TS"),
        "MPEG-TS of a camcorder": (with_times(stream), "MPEG-TS"),
        "MPEG-TS whose first packet is cut": (stream[100:], "MPEG-TS"),
    }


@pytest.mark.parametrize("name", list(films()))
def test_films_of_every_container_are_seen_and_heard(name: str) -> None:
    data, said = films()[name]
    clip = read_alike(data)
    assert clip.facts.container == said and modalities(clip, BOTH) == BOTH
    assert clip.waveform is not None and np.abs(clip.waveform).max() > 0.4
    if "cut" not in name:
        assert brightness(clip) == [0, 5, 10, 15]


def sounds() -> dict[str, tuple[bytes, str]]:
    """Return sound in every container that holds sound alone, with the name that a summary gives it."""
    wave = written("wav", sound=tone())
    return {
        "WAV": (wave, "WAV"),
        "WAV of floats": (written("wav", sound=tone(), sound_codec="pcm_f32le"), "WAV"),
        "WAV of unknown length": (without_lengths(wave), "WAV"),
        "WAV without its last byte": (wave[:-1], "WAV"),
        "FLAC": (written("flac", sound=tone(), sound_codec="flac"), "FLAC"),
        "Ogg": (written("ogg", sound=tone(rate=48000), sound_codec="libopus", rate=48000), "Ogg"),
        "Ogg with FLAC": (written("ogg", sound=tone(), sound_codec="flac"), "Ogg"),
        "MP3": (written("mp3", sound=tone(), sound_codec="libmp3lame"), "MP3"),
        "MP3 without a tag": (
            written("mp3", sound=tone(), sound_codec="libmp3lame", options={"id3v2_version": "0"}), "MP3",
        ),
        "MP3 of MPEG 1": (written("mp3", sound=tone(rate=44100), sound_codec="libmp3lame", rate=44100), "MP3"),
        "MP3 of MPEG 2.5": (written("mp3", sound=tone(rate=8000), sound_codec="libmp3lame", rate=8000), "MP3"),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(sounds()))
def test_sound_of_every_container_is_a_clip_without_pictures(name: str) -> None:
    data, said = sounds()[name]
    clip = read_alike(data)
    assert clip.facts.container == said and modalities(clip, BOTH) == ["waveform"]
    assert clip.waveform is not None and np.abs(clip.waveform).max() == pytest.approx(0.5, abs=0.05)


def cover(size: int = 200) -> bytes:
    """Return a JPEG image."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (200, 60, 30)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("mp3", "libmp3lame"), ("flac", "flac"), ("matroska", "libopus")]
)
def test_cover_art_is_no_film(container: str, codec: str) -> None:
    sound = tone(rate=48000)
    plain = read_alike(written(container, sound=sound, sound_codec=codec, rate=48000))
    clip = read_alike(written(container, sound=sound, sound_codec=codec, rate=48000, cover=cover()))
    assert clip.facts.pictures is None and clip.frames is None and modalities(clip, BOTH) == ["waveform"]
    np.testing.assert_array_equal(clip.waveform, plain.waveform)
    assert names(clip) == ["no_pictures"]


def test_cover_art_before_a_film_and_data_beside_it_are_passed_over() -> None:
    clip = read_alike(film("mp4", cover=cover()))
    assert brightness(clip) == [0, 5, 10, 15] and names(clip) == []
    clip = read_alike(film("mpegts", data_streams=9))
    assert brightness(clip) == [0, 5, 10, 15] and names(clip) == []
    with pytest.raises(MediaError, match="clip has 2 streams; allowed are 1"):
        read_clip(film("mpegts", data_streams=9), SHAPE, ClipLimits(streams=1))


TRAILERS = {
    "bytes of ones": b"\xff" * 64,
    "text": b"CAMERA-TRAILER-DATA." * 4,
    "zeros": bytes(1000),
    "an image": cover(),
    "three bytes": b"end",
    "a box that is not whole": b"\0\1\0\0free" + b"x" * 10,
}


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}])
def test_what_a_camera_appends_to_an_mp4_file_does_not_make_it_cut_off(trailer: str, options: dict[str, str]) -> None:
    whole = film("mp4", options=options)
    with_trailer = read_alike(whole + TRAILERS[trailer])
    np.testing.assert_array_equal(with_trailer.frames, read_alike(whole).frames)
    np.testing.assert_array_equal(with_trailer.waveform, read_alike(whole).waveform)


@pytest.mark.parametrize("container", ["avi", "matroska", "mov", "wav"])
def test_what_is_appended_to_other_containers_is_passed_over(container: str) -> None:
    whole = written(container, greys(20) if container != "wav" else (), tone())
    clip = read_alike(whole + b"CAMERA-TRAILER-DATA." * 4)
    assert clip.waveform is not None and np.abs(clip.waveform).max() > 0.4


def refused() -> dict[str, tuple[bytes, str]]:
    """Return files that must be refused, each with words of its refusal."""
    fast = film("mp4", options={"movflags": "faststart"})
    sound = written("mp3", sound=tone(), sound_codec="libmp3lame", cover=cover())
    picture = io.BytesIO()
    Image.new("RGB", (64, 48)).save(picture, "WEBP")
    return {
        "film cut off": (fast[:-1000], "is cut off"),
        "film cut off in its index": (fast[:500], "is cut off"),
        "WAV cut off": (written("wav", sound=tone())[:-100], "is cut off"),
        "MP3 cut off in its tag": (sound[:100], "is cut off"),
        "a still image in RIFF": (picture.getvalue(), "clip is no MP4, QuickTime"),
        "text of the letter of MPEG-TS": (b"GO" * 400, "clip is no MP4, QuickTime"),
        "one frame of MP3": (b"\xff\xfb\x90\x00" + bytes(1000), "clip is no MP4, QuickTime"),
        "MPEG-TS of nothing": ((b"\x47\x1f\xff\x10" + bytes(184)) * 20, "damaged MPEG-TS|neither pictures nor"),
        "an index alone": (b"\0\0\0\x08moov" + bytes(64), "damaged QuickTime file|neither pictures nor sound"),
        "Ogg of nothing": (b"OggS\0" + bytes(500), "damaged Ogg file"),
        "pictures in a code of nobody": (film("mp4").replace(b"avc1", b"zzzz"), "code that there is no decoder for"),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refused()))
def test_what_only_looks_like_a_clip_is_refused_in_one_clear_line(name: str) -> None:
    data, said = refused()[name]
    with pytest.raises(MediaError, match=said) as refusal:
        read_clip(data, SHAPE, ClipLimits())
    assert "\n" not in str(refusal.value)


def test_training_refuses_pictures_in_a_code_of_nobody_too() -> None:
    with pytest.raises(DataError, match="code that there is no decoder for"):
        read_for_training(film("mp4").replace(b"avc1", b"zzzz"), TrainingShape())


@pytest.mark.parametrize("data", [b"hello " * 100, b"#EXTM3U\nfile:///etc/passwd\n" * 10, bytes(1000), b"ID3" * 50])
def test_what_is_no_clip_has_no_container(data: bytes) -> None:
    with pytest.raises(MediaError, match=r"clip is no MP4|is cut off"):
        container_of(data, "clip")
