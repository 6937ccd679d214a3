"""Clips whose times are missing, scrambled, shifted or unknown: frames and sound that belong together stay together.

In the clip of these tests it becomes light and loud at the same moment, one second after its beginning.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosswire.media.clips.times import CLOCKS, TimesError, rising
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.media.clips import Clip, read_clip
from tests.support.written_clips import SAMPLE_RATE, SHAPE, Array, brightness, greys, names, read_alike, tone, written

LIGHT_AT = 1.0


def scene(begin: float = 0.0, end: float = 3.0) -> list[tuple[float, Array]]:
    """Return ten pictures a second between two moments, with the seconds of each after the first moment."""
    times = [index / 10 for index in range(round(begin * 10), round(end * 10))]
    return [(time, np.full((48, 64, 3), 220 if time >= LIGHT_AT else 20, np.uint8)) for time in times]


def noise(end: float = 3.0) -> Array:
    """Return a tone that begins when it becomes light, float32 [n]."""
    sound = tone(end)
    sound[: round(LIGHT_AT * SAMPLE_RATE)] = 0
    return sound


def moments(clip: Clip) -> tuple[float, float]:
    """Return after how many seconds it becomes light, and loud, in what a network gets."""
    assert clip.frames is not None and clip.waveform is not None
    assert SHAPE.rate is not None
    light = [float(frame.mean()) > 120 for frame in clip.frames]
    loud = np.abs(clip.waveform) > 0.25
    assert True in light and loud.any()
    return light.index(True) / SHAPE.rate, float(loud.argmax()) / SAMPLE_RATE


def check_together(clip: Clip, seconds: float) -> None:
    """Hold that it becomes light and loud after so many seconds."""
    light, loud = moments(clip)
    assert light == pytest.approx(seconds) and loud == pytest.approx(seconds, abs=0.03)


SOUND_OF = {"mp4": "aac", "mov": "aac", "matroska": "pcm_s16le", "avi": "pcm_s16le", "mpegts": "aac"}


# Streams that begin apart --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", SOUND_OF)
def test_streams_that_begin_together_are_seen_and_heard_from_their_beginning(container: str) -> None:
    clip = read_alike(written(container, scene(), noise(), sound_codec=SOUND_OF[container]))
    check_together(clip, 1.0)
    assert "sound_later" not in names(clip) and "sound_earlier" not in names(clip)


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "mpegts"])
def test_sound_before_the_first_picture_is_left_and_said(container: str) -> None:
    clip = read_alike(written(container, scene(0.5), noise(), sound_codec=SOUND_OF[container]))
    check_together(clip, 0.5)
    assert "sound_earlier" in names(clip)


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "mpegts"])
def test_silence_stands_before_sound_that_begins_later_and_is_said(container: str) -> None:
    late = noise()[SAMPLE_RATE // 2 :]
    clip = read_alike(written(container, scene(), late, sound_codec=SOUND_OF[container], sound_at=0.5))
    check_together(clip, 1.0)
    assert "sound_later" in names(clip)


@pytest.mark.parametrize("at", [0.3, 100.0])
def test_a_clip_that_begins_at_another_time_than_0_is_seen_and_heard_alike(at: float) -> None:
    shifted = [(time + at, picture) for time, picture in scene()]
    clip = read_alike(written("matroska", shifted, noise(), sound_at=at))
    check_together(clip, 1.0)
    assert clip.facts.pictures is not None and clip.facts.pictures["at"] == [0, 0.5, 1, 1.5]


def test_sound_that_ends_before_the_first_picture_is_silence() -> None:
    shifted = [(time + 4, picture) for time, picture in scene()]
    clip = read_alike(written("matroska", shifted, tone(1.0)))
    assert clip.waveform is not None and not clip.waveform.any()
    assert {"sound_earlier", "sound_shorter"} <= set(names(clip))


def test_streams_whose_clocks_are_not_the_same_begin_together() -> None:
    shifted = [(time + 5000, picture) for time, picture in scene()]
    data = written("matroska", shifted, noise())
    clip = read_alike(data, limits=ClipLimits(seconds=1e5))
    check_together(clip, 1.0)
    assert "sound_apart" in names(clip)


# Edit lists and negative times ---------------------------------------------------------------------------------------


def cut_to(seconds: float) -> Callable[[Any], None]:
    """Return what shifts packets so that a file begins within them: what lies before 0 is cut by an edit list."""

    def shift(packet: Any) -> None:
        ticks = round(seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks

    return shift


@pytest.mark.parametrize("seconds", [0.5, 0.7])
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_what_an_edit_list_cuts_off_is_neither_seen_nor_heard(container: str, seconds: float) -> None:
    options = {"use_editlist": "1", "avoid_negative_ts": "disabled"}
    clip = read_alike(written(container, scene(), noise(), sound_codec="aac", options=options, timed=cut_to(seconds)))
    light, loud = moments(clip)
    assert light == 0.5 and loud == pytest.approx(1 - seconds, abs=0.03)


def test_negative_times_are_times() -> None:
    options = {"avoid_negative_ts": "disabled"}
    clip = read_alike(written("matroska", scene(), noise(), codec="mjpeg", options=options, timed=cut_to(0.25)))
    check_together(clip, 1.0)


# Times that are missing or scrambled ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [2.0, 5.0, 10.0])
def test_h264_in_avi_is_seen_in_the_order_of_its_decoding(rate: float) -> None:
    """AVI has no times of presentation, and with frames between frames FFmpeg scrambles what it makes of them."""
    shape = dataclasses.replace(SHAPE, rate=rate)
    clip = read_alike(written("avi", greys(30), tone(3.0)), shape)
    assert brightness(clip) == [round(index * 10 / rate) for index in range(4)]
    assert clip.facts.pictures is not None
    np.testing.assert_allclose(clip.facts.pictures["at"], [index / rate for index in range(4)], atol=1e-3)
    assert names(clip)[0] in ("times_decoded", "times_counted")
    check_together(read_alike(written("avi", scene(), noise())), 1.0)


#: A file's writer takes times of presentation that fall as long as those of decoding lie before them.
ANY_TIMES = {"avoid_negative_ts": "disabled"}


def freed(packet: Any) -> None:
    """Decode a packet long before it is presented."""
    packet.dts -= round(40 / packet.time_base)


def swapped(packet: Any) -> None:
    """Give every third frame of ten a second a time in the past, which is a fault."""
    index = round(packet.pts * packet.time_base * 10)
    if packet.stream.type == "video" and index % 3 == 2:
        packet.pts = round((index - 1.5) / 10 / packet.time_base)


def all_at_once(packet: Any) -> None:
    """Give all frames the same time."""
    if packet.stream.type == "video":
        packet.pts = 0


def one_in_the_future(packet: Any) -> None:
    """Give the second frame a time long after the end."""
    if packet.stream.type == "video" and round(packet.pts * packet.time_base * 10) == 1:
        packet.pts = round(30 / packet.time_base)


@pytest.mark.parametrize("fault", [swapped, all_at_once, one_in_the_future])
def test_frames_without_rising_times_are_taken_as_they_come_and_it_is_said(fault: Callable[[Any], None]) -> None:
    def timed(packet: Any) -> None:
        freed(packet)
        fault(packet)

    clip = read_alike(written("matroska", scene(), noise(), codec="mjpeg", timed=timed, options=ANY_TIMES))
    check_together(clip, 1.0)
    assert [name for name in names(clip) if name.startswith("times_")]


def test_a_picture_now_and_then_at_the_time_of_the_one_before_is_no_fault() -> None:
    def doubled(packet: Any) -> None:
        freed(packet)
        if packet.stream.type == "video" and round(packet.pts * packet.time_base * 10) == 7:
            packet.pts -= round(0.1 / packet.time_base)

    clip = read_alike(written("matroska", greys(30), tone(3.0), codec="mjpeg", timed=doubled, options=ANY_TIMES))
    assert brightness(clip) == [0, 5, 10, 15] and not [name for name in names(clip) if name.startswith("times_")]


def test_a_rate_that_changes_is_no_fault() -> None:
    slides = [(time, picture) for time, picture in scene(0, 9) if time in (0, 0.1, 0.2, 1.0, 1.1, 8.0)]
    clip = read_alike(written("matroska", slides, noise(9), codec="mjpeg"))
    check_together(clip, 1.0)
    assert names(clip) == ["clip_longer"]


def test_a_gap_in_the_sound_is_silent_and_what_follows_stays_with_its_frames() -> None:
    def lost(packet: Any) -> None:
        if packet.stream.type == "audio" and float(packet.pts * packet.time_base) > 0.3:
            packet.pts = packet.dts = packet.pts + round(0.4 / packet.time_base)

    sound = noise()
    missing = np.delete(sound, np.s_[round(0.4 * SAMPLE_RATE) : round(0.8 * SAMPLE_RATE)])
    clip = read_alike(written("matroska", scene(), missing, timed=lost))
    check_together(clip, 1.0)
    assert "sound_gaps" in names(clip)


@pytest.mark.parametrize("late", [50.0, -0.2])
def test_one_piece_of_sound_with_a_wrong_time_moves_nothing(late: float) -> None:
    def wrong(packet: Any) -> None:
        freed(packet)
        if packet.stream.type == "audio" and 0.3 < float(packet.pts * packet.time_base) < 0.36:
            packet.pts += round(late / packet.time_base)

    clip = read_alike(written("matroska", scene(), noise(), timed=wrong, options=ANY_TIMES))
    check_together(clip, 1.0)
    assert "sound_gaps" not in names(clip)


class Frame:
    """A frame that only has times."""

    def __init__(self, time: float | None) -> None:
        self.time = time


@pytest.mark.parametrize(
    ("times", "fine"),
    [
        ([0, 1, 2, 3], True),
        ([-2, -1, 0, 1], True),
        ([0, 1, 1, 2], True),
        ([0, 1, None, 2], True),
        ([0, 9, 10, 11], True),
        ([None, 1, 2], False),
        ([0, None, None, 3], False),
        ([0, 2, 1, 3], False),
        ([0, 1, 1, 1], False),
        ([0, 9, 1, 2], False),
    ],
)
def test_times_rise_or_are_a_fault(times: list[float | None], fine: bool) -> None:
    seconds = CLOCKS["presented"](None)
    if not fine:
        with pytest.raises(TimesError):
            list(rising(map(Frame, times), seconds))
        return
    found = [time for time, _ in rising(map(Frame, times), seconds)]
    assert found == sorted(found) and len(found) == len(times)


# Lengths that are unknown --------------------------------------------------------------------------------------------


def without_lengths(data: bytes) -> bytes:
    """Return an MP4 file whose headers do not say how long it lasts."""
    changed = bytearray(data)
    for box, place in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = changed.find(box)
        while at >= 0:
            changed[at + place : at + place + 4] = b"\xff" * 4
            at = changed.find(box, at + 4)
    return bytes(changed)


def of_unknown_length() -> dict[str, bytes]:
    """Return clips of three seconds whose headers do not say so."""
    pictures, sound = scene(), noise()
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return {
        "MKV of a live stream": written("matroska", pictures, sound, options={"live": "1"}),
        "WebM as browsers record it": written(
            "webm", pictures, tone(3.0, rate=48000), codec="libvpx", sound_codec="libopus", rate=48000,
            options={"live": "1"},
        ),
        "MP4 in fragments": written("mp4", pictures, sound, sound_codec="aac", options=fragments),
        "MP4 without lengths": without_lengths(written("mp4", pictures, sound, sound_codec="aac")),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(of_unknown_length()))
def test_a_length_that_no_header_says_is_that_of_the_packets(name: str) -> None:
    data = of_unknown_length()[name]
    clip = read_alike(data, dataclasses.replace(SHAPE, frames=2, samples=16000))
    assert clip.facts.seconds == pytest.approx(3, abs=0.25)
    assert "clip_longer" in names(clip)
    with pytest.raises(MediaError, match=r"clip lasts 3 s by its (packets|header); allowed are 2 s"):
        read_clip(data, SHAPE, ClipLimits(seconds=2.0))


def test_of_longer_sound_the_beginning_is_heard_and_it_is_said() -> None:
    clip = read_alike(written("wav", sound=tone(5.0)))
    assert [warning for warning in clip.facts.warnings if warning.startswith("clip_longer")] == [
        "clip_longer: the first 2 s of 5.0 s were looked at"
    ]


def test_without_a_rate_what_the_first_frames_leave_out_is_said() -> None:
    clip = read_alike(written("matroska", greys(30), tone(3.0)), dataclasses.replace(SHAPE, rate=None))
    assert brightness(clip) == [0, 1, 2, 3]
    assert clip.facts.warnings == ["clip_longer: the first 0.3 s of 3.0 s were looked at"]
