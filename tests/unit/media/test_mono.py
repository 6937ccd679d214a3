"""Sound of several channels becomes one channel that is no louder, for training and for the server alike."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from crosswire.media.clips.mono import MonoResampler
from tests.support.written_clips import Array, read_alike, tone, written

LAYOUTS = {"stereo": 2, "2.1": 3, "3.0": 3, "quad": 4, "5.0": 5, "5.1": 6, "5.1(side)": 6, "7.1": 8}


def heard(sound: Array, layout: str, container: str = "matroska", codec: str = "pcm_s16le") -> Array:
    """Return what both readers hear of a clip."""
    clip = read_alike(written(container, sound=sound, layout=layout, sound_codec=codec))
    assert clip.waveform is not None
    return clip.waveform


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_channels_come_out_as_one_channel_does(layout: str) -> None:
    one = tone(loudness=0.9)
    alone = heard(one, "mono")
    together = heard(np.stack([one] * LAYOUTS[layout]), layout)
    np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "aac"), ("webm", "libopus"), ("avi", "pcm_s16le"), ("matroska", "flac"), ("matroska", "pcm_f32le")],
)
def test_stereo_of_every_container_is_as_loud_as_one_channel(container: str, codec: str) -> None:
    rate = 48000
    one = tone(loudness=0.8, rate=rate)
    loudness = []
    for sound, layout in ((one, "mono"), (np.stack([one, one]), "stereo")):
        clip = read_alike(written(container, sound=sound, layout=layout, sound_codec=codec, rate=rate))
        assert clip.waveform is not None
        loudness.append(float(np.sqrt(np.square(clip.waveform[4000:28000]).mean())))
    assert loudness[1] == pytest.approx(loudness[0], rel=0.02)


def test_no_channels_leave_the_contract_and_opposite_ones_cancel() -> None:
    random = np.random.default_rng(1)
    assert np.abs(heard(np.sign(random.normal(size=(6, 32000))).astype(np.float32), "5.1")).max() <= 1
    one = tone()
    assert np.abs(heard(np.stack([one, -one]), "stereo")).max() < 1e-4
    assert np.abs(heard(np.stack([one, 0 * one]), "stereo")).max() == pytest.approx(0.25, abs=0.01)


def test_floats_beyond_full_scale_are_cut_off_there_and_no_numbers_are_refused() -> None:
    loud = heard(tone(loudness=3.0), "mono", codec="pcm_f32le")
    assert np.abs(loud).max() == 1
    broken = tone()
    broken[100] = np.nan
    with pytest.raises(ValueError, match="samples that are no finite numbers"):
        heard(broken, "mono", codec="pcm_f32le")


def frame_of(sound: Array, layout: str, rate: int, pts: int = 0) -> av.AudioFrame:
    """Return sound, float32 [C, n], as a frame."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T.reshape(1, -1)), format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame


@pytest.mark.parametrize("layout", ["3 channels", "16 channels", "1 channels (FL)"])
def test_channels_of_which_nothing_is_known_are_as_loud_as_one(layout: str) -> None:
    one = tone(0.5, loudness=0.9)
    count = av.AudioLayout(layout).nb_channels
    resampler = MonoResampler(16000)
    mixed = resampler.resample(frame_of(np.stack([one] * count), layout, 16000))
    np.testing.assert_allclose(np.concatenate([mixed, resampler.flush()]), one, atol=1e-5)


def test_a_stream_may_change_its_layout_and_rate_on_the_way() -> None:
    one, fast = tone(0.5, rate=16000), tone(0.5, rate=48000)
    resampler = MonoResampler(16000)
    pieces = [
        resampler.resample(frame_of(one[None], "mono", 16000)),
        resampler.resample(frame_of(np.stack([fast] * 6), "5.1", 48000)),
        resampler.resample(frame_of(np.stack([one, one]), "stereo", 16000)),
        resampler.flush(),
    ]
    joined = np.concatenate(pieces)
    assert joined.size == pytest.approx(24000, abs=64)
    assert np.abs(joined).max() == pytest.approx(0.5, abs=0.01)
