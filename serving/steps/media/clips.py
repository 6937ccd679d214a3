"""Reading clips within limits: the frames and the samples that a network sees of a file, with PyAV.

The frames are those of the first stream of moving pictures: frame i is the latest one at or before i / rate seconds
after the first. The sound is that of the first stream of sound, from its own beginning, mixed to one channel and
resampled. Everything that a header claims is held against the limits before the first frame is decoded.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crosswire.contract.wire_names import CLIP
from crosswire.media.clips.frames import read_frames
from crosswire.media.clips.mono import MonoResampler
from crosswire.media.clips.orientation import UPRIGHT, Orientation
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.streams import audio_streams, video_streams
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.media.clip_header import Facts, check_header
from crosswire.serving.steps.media.containers import CONTAINERS, claimed_seconds, container_of
from crosswire.serving.steps.media.images import ImageError

#: Quieter than one step of 16-bit sound: there is nothing in it.
SILENCE = 2.0**-15


class Clip(NamedTuple):
    """What was read; an absent modality is None.

    Attributes:
        frames: uint8 [T, H, W, 3]; the last frame stands where the clip is shorter.
        waveform: mono, -1..1, float32 [S]; silence where the sound is shorter.
        facts: what is known about the clip.
    """

    frames: npt.NDArray[np.uint8] | None
    waveform: npt.NDArray[np.float32] | None
    facts: Facts


def read_clip(data: bytes, shape: ClipShape, limits: ClipLimits) -> Clip:
    """Read a clip.

    Raises:
        ImageError: it is empty, too large, of another kind, damaged, or holds neither pictures nor sound.
    """
    if len(data) > limits.encoded_bytes:
        raise ImageError(f"{CLIP} has {len(data)} bytes; allowed are {limits.encoded_bytes}: cut or compress it")
    kind = container_of(data, CLIP)
    facts = Facts(CONTAINERS[kind], claimed_seconds(data, kind))
    frames = waveform = None
    with _opened(data, kind, limits) as container:
        check_header(container, facts, limits)
        if facts.pictures is not None:
            frames = _read(lambda: _frames(container, shape, facts, limits), "pictures")
    if facts.sound is not None:
        with _opened(data, kind, limits) as container:
            waveform = _read(lambda: _waveform(container, shape, facts, limits), "sound")
    if frames is None and waveform is None:
        raise ImageError(f"{CLIP} holds neither pictures nor sound that can be decoded; send another file")
    return Clip(frames, waveform, facts)


def _opened(data: bytes, kind: str, limits: ClipLimits) -> Any:
    """Open a clip by one demuxer, which reads nothing but these bytes."""
    import av

    options = {"max_pixels": str(limits.pixels), "probesize": "2000000", "analyzeduration": "2000000"}
    try:
        return av.open(io.BytesIO(data), format=kind, options={**options, "protocol_whitelist": "none"})
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise ImageError(
            f"{CLIP} is a damaged {CONTAINERS[kind]} file: {_words(error)}; send a whole, undamaged file"
        ) from None


def _read(read: Any, what: str) -> Any:
    """Read one modality, with an error that names it."""
    import av

    try:
        return read()
    except ImageError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise ImageError(f"the {what} of {CLIP} cannot be decoded: {_words(error)}; send an undamaged file") from None


def _words(error: Exception) -> str:
    """Return what FFmpeg says, without its number and the place."""
    said = getattr(error, "strerror", None) or str(error)
    return str(said).splitlines()[0][:200] if said else type(error).__name__


def _frames(container: Any, shape: ClipShape, facts: Facts, limits: ClipLimits) -> npt.NDArray[np.uint8] | None:
    """Return the frames of the first stream of pictures, or None where it has none."""
    stream = video_streams(container)[0]
    codec = stream.codec_context
    codec.thread_count, codec.options = 1, {"max_pixels": str(limits.pixels)}

    def check(index: int, frame: Any) -> None:
        if index >= limits.decoded_frames:
            raise ImageError(f"{CLIP} has more than {limits.decoded_frames} frames in what is looked at; send fewer")
        if frame.width * frame.height > limits.pixels:
            raise ImageError(
                f"{CLIP} has a frame of {frame.width} x {frame.height}; allowed are {limits.pixels} pixels"
            )

    seen = read_frames(container, stream, shape, check)
    if seen is None:
        return None
    if seen.lacking:
        facts.warnings.append(f"clip_shorter: the last picture stands for {seen.lacking} that are not there")
    elif facts.seconds and shape.rate and facts.seconds > shape.frames / shape.rate + 1:
        seconds = shape.frames / shape.rate
        facts.warnings.append(f"clip_longer: the first {seconds:g} s of {facts.seconds:.1f} s were looked at")
    assert facts.pictures is not None
    facts.pictures["at"] = [round(time, 3) for time in seen.at]
    _note_orientation(facts, seen.orientation)
    return seen.pixels


def _note_orientation(facts: Facts, orientation: Orientation) -> None:
    """Note how frames were turned, and their size as they are shown."""
    if orientation == UPRIGHT:
        return
    assert facts.pictures is not None
    if orientation.swaps_sides:
        facts.pictures |= {"width": facts.pictures["height"], "height": facts.pictures["width"]}
    facts.pictures |= {"rotated": orientation.degrees, "mirrored": orientation.mirrored}
    if orientation.left_out:
        facts.warnings.append(
            f"rotation_rounded: the clip says a turn that is {orientation.left_out:+g} degrees more than a quarter "
            f"turn; the frames were turned by {orientation.degrees} degrees"
        )


def _waveform(container: Any, shape: ClipShape, facts: Facts, limits: ClipLimits) -> npt.NDArray[np.float32] | None:
    """Return the samples of the first audio stream, or None where it has none."""
    resampler = MonoResampler(shape.sample_rate)
    pieces: list[npt.NDArray[np.float32]] = []
    count = 0
    for frame in container.decode(audio_streams(container)[0]):
        if frame.sample_rate > limits.sample_rate:
            raise ImageError(
                f"{CLIP} has sound of {frame.sample_rate} samples a second; allowed are {limits.sample_rate}"
            )
        pieces.append(resampler.resample(frame))
        count += pieces[-1].size
        if count >= shape.samples:
            break
    else:
        pieces.append(resampler.flush())
    joined = np.concatenate(pieces)[: shape.samples]
    if not joined.size:
        return None
    if (lacking := shape.samples - joined.size) > shape.sample_rate // 10:
        facts.warnings.append(f"sound_shorter: {lacking / shape.sample_rate:.1f} s of silence follow the sound")
    waveform = np.zeros(shape.samples, np.float32)
    waveform[: joined.size] = joined
    return waveform
