"""Clips decoded within limits: which frames and samples a network sees, and what is refused."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np
import pytest

from crosswire.media.clips.shape import ClipShape
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.decode.decode_clip import decode_clips, modalities
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.media.clips import read_clip
from crosswire.serving.supervisor.probe_clip import probe_clip
from crosswire.training.datasets.clips import read as training_clips
from tests.support.hostile import bombs
from tests.support.small_clips import SAMPLE_RATE, brightness, clip

SHAPE = ClipShape(frames=4, height=24, width=32, rate=2.0, samples=16000, sample_rate=8000)
LIMITS = ClipLimits()


def frame_greys(frames: Any) -> list[int]:
    return [round(float(frame.mean())) for frame in frames]


@pytest.mark.parametrize("container", ["matroska", "avi", "mp4", "webm"])
def test_every_listed_container_gives_the_frames_at_their_times_and_the_sound(container: str) -> None:
    frames, waveform, facts = read_clip(clip(container), SHAPE, LIMITS)
    assert frames is not None and waveform is not None
    assert (frames.shape, frames.dtype, waveform.shape, waveform.dtype) == (
        (4, 24, 32, 3), np.uint8, (16000,), np.float32,
    )  # fmt: skip
    np.testing.assert_allclose(frame_greys(frames), [brightness(index) for index in (0, 5, 10, 15)], atol=4)
    middle = waveform[2000:14000]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.fft.rfftfreq(middle.size, 1 / 8000)[spectrum.argmax()] == pytest.approx(440, abs=1)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)
    assert facts.pictures is not None and facts.sound is not None
    np.testing.assert_allclose(facts.pictures["at"], [0, 0.5, 1, 1.5], atol=0.01)
    assert facts.warnings == []


@pytest.mark.parametrize(
    "made",
    [
        {"container": "mp4"}, {"container": "webm", "sound_first": True}, {"seconds": 0.7}, {"seconds": 3.1},
        {"sounds": 0}, {"pictures": 0}, {"container": "avi", "pictures": 2, "sounds": 2},
    ],
)  # fmt: skip
@pytest.mark.parametrize("rate", [2.0, 7.3, None])
def test_the_server_sees_and_hears_what_training_does(made: dict[str, Any], rate: float | None) -> None:
    data, wanted = clip(**made), dataclasses.replace(SHAPE, rate=rate)
    theirs = training_clips.read_clip(
        data, training_clips.ClipShape(4, 24, 32, rate or 0.0, SHAPE.samples, SHAPE.sample_rate)
    )
    ours = read_clip(data, wanted, LIMITS)
    for here, there in ((ours.frames, theirs.frames), (ours.waveform, theirs.waveform)):
        assert (here is None) == (there is None)
        if here is not None and there is not None:
            np.testing.assert_array_equal(here, there)


def test_a_rate_above_that_of_the_clip_repeats_the_frame_before() -> None:
    fast = dataclasses.replace(SHAPE, frames=6, rate=20.0)
    frames, _, _ = read_clip(clip(), fast, LIMITS)
    assert frames is not None
    np.testing.assert_allclose(frame_greys(frames), [0, 0, 10, 10, 20, 20], atol=3)


def test_without_a_rate_the_first_frames_are_taken_as_they_come() -> None:
    frames, _, facts = read_clip(clip(), dataclasses.replace(SHAPE, rate=None), LIMITS)
    assert frames is not None and facts.pictures is not None
    np.testing.assert_allclose(frame_greys(frames), [0, 10, 20, 30], atol=3)
    np.testing.assert_allclose(facts.pictures["at"], [0, 0.1, 0.2, 0.3], atol=0.01)


def test_a_shorter_clip_ends_with_its_last_frame_and_with_silence_and_says_so() -> None:
    frames, waveform, facts = read_clip(clip(seconds=0.8), SHAPE, LIMITS)
    assert frames is not None and waveform is not None
    np.testing.assert_allclose(frame_greys(frames), [0, 50, 70, 70], atol=3)
    assert np.abs(waveform[:6000]).max() > 0.4 and not waveform[6600:].any()
    assert [warning.split(":")[0] for warning in facts.warnings] == ["clip_shorter", "sound_shorter"]


def test_of_a_longer_clip_the_beginning_is_seen_and_it_says_so() -> None:
    _, _, facts = read_clip(clip(seconds=5), SHAPE, LIMITS)
    assert facts.warnings == ["clip_longer: the first 2 s of 5.0 s were looked at"]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_of_several_streams_the_first_of_each_kind_is_taken_and_sound_may_come_first(container: str) -> None:
    frames, waveform, facts = read_clip(clip(container, pictures=2, sounds=2, sound_first=True), SHAPE, LIMITS)
    assert frames is not None and waveform is not None
    np.testing.assert_allclose(frame_greys(frames), [0, 50, 100, 150], atol=4)
    assert np.abs(waveform).max() > 0.4
    assert facts.warnings[0].startswith("clip_several_streams: ")


@pytest.mark.parametrize(
    ("made", "there", "said"),
    [
        ({"sounds": 0}, ["frames"], "no_sound"),
        ({"pictures": 0}, ["waveform"], "no_pictures"),
        ({"loudness": 0.0}, ["frames"], "sound_silent"),
        ({"pictures": 0, "loudness": 0.0}, ["waveform"], "no_pictures"),
    ],
)
def test_what_is_absent_is_not_used_and_named(made: dict[str, Any], there: list[str], said: str) -> None:
    found = read_clip(clip(**made), SHAPE, LIMITS)
    assert modalities(found, ["frames", "waveform"]) == there
    assert said in [warning.split(":")[0] for warning in found.facts.warnings]


def test_a_network_that_needs_both_refuses_a_clip_without_sound_but_hears_silence() -> None:
    with pytest.raises(MediaError, match="clip has no sound, and the network was not trained to do without; send both"):
        modalities(read_clip(clip(sounds=0), SHAPE, LIMITS), [])
    assert modalities(read_clip(clip(loudness=0.0), SHAPE, LIMITS), []) == ["frames", "waveform"]


def test_a_request_of_several_clips_says_for_each_what_is_there() -> None:
    frames, waveform, present, facts = decode_clips(
        dataclasses.asdict(SHAPE), ["frames", "waveform"], clip(), clip(sounds=0), clip(pictures=0)
    )
    assert present == ["frames+waveform", "frames", "waveform"]
    assert waveform[0].any() and not waveform[1].any() and frames[1].any() and not frames[2].any()
    assert [one["container"] for one in facts] == ["WebM or MKV"] * 3


def test_the_canary_is_a_clip_with_pictures_and_sound() -> None:
    found = read_clip(probe_clip(), SHAPE, LIMITS)
    assert modalities(found, ["frames", "waveform"]) == ["frames", "waveform"]


def hours_claimed(data: bytes) -> bytes:
    """Return an MP4 file whose movie header says that it lasts four hours."""
    changed = bytearray(data)
    head = data.find(b"mvhd") + 4
    scale = int.from_bytes(data[head + 12 : head + 16], "big")
    changed[head + 16 : head + 20] = struct.pack(">I", 4 * 3600 * scale)
    return bytes(changed)


def size_claimed(data: bytes, side: int) -> bytes:
    """Return an AVI file whose headers all say that its pictures are so large."""
    changed = bytearray(data)
    header, strf = data.find(b"avih"), data.find(b"strf")
    changed[header + 8 + 32 : header + 8 + 40] = struct.pack("<II", side, side)
    changed[strf + 8 + 4 : strf + 8 + 12] = struct.pack("<ii", side, side)
    place = data.find(b"\xff\xc0")  # the header of a JPEG picture
    while place >= 0:
        changed[place + 5 : place + 9] = struct.pack(">HH", side, side)
        place = data.find(b"\xff\xc0", place + 2)
    return bytes(changed)


def hostile() -> dict[str, tuple[bytes, str]]:
    """Return files that must be refused, each with words of its refusal."""
    whole = clip("mp4")
    return {
        "nothing": (b"", "clip is empty"),
        "a text file": (b"hello, this is no clip at all\n" * 20, "is no MP4, QuickTime, .* file"),
        "a playlist": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "is no MP4, QuickTime, .* file"),
        "a concat script": (b"ffconcat version 1.0\nfile /etc/passwd\n", "is no MP4, QuickTime, .* file"),
        "half an MP4": (whole[: len(whole) // 2], "is cut off|is a damaged MP4"),
        "half an MKV": (clip()[:9000], "is cut off"),
        "half an AVI": (clip("avi")[:9000], "is cut off"),
        "a header alone": (whole[:24], "is a damaged MP4 file|is cut off"),
        "four hours": (hours_claimed(whole), "lasts 14400 s by its header; allowed are 600 s"),
        "16k x 16k": (size_claimed(clip("avi"), 16384), "pictures of .*; allowed are 9437184 pixels"),
        "noise behind a magic number": (b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8, "is a damaged WebM or MKV file"),
        **{name: (swelling(), said) for name, (swelling, said) in bombs.CLIPS.items()},
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_a_hostile_file_is_refused_in_one_clear_line(name: str) -> None:
    data, said = hostile()[name]
    with pytest.raises(MediaError, match=said) as refusal:
        read_clip(data, SHAPE, LIMITS)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ClipLimits(encoded_bytes=100), r"clip has \d+ bytes; allowed are 100"),
        (ClipLimits(seconds=1.0), "lasts 2 s by its header; allowed are 1 s"),
        (ClipLimits(pixels=64), "pictures of .*; allowed are 64 pixels"),
        (ClipLimits(side=50), "pictures of 64 x 48"),
        (ClipLimits(streams=1), "clip has 2 streams; allowed are 1"),
        (ClipLimits(decoded_frames=3), "more than 3 frames"),
        (ClipLimits(sample_rate=SAMPLE_RATE - 1), "sound of 16000 samples a second; allowed are 15999"),
    ],
)
def test_every_limit_is_held(limits: ClipLimits, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        read_clip(clip(), SHAPE, limits)
