"""Writing clips as files, and sets of them in the layouts that are read: examples, and data for tests."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from crosswire.training.datasets.clips.base import ClipSource
from crosswire.training.datasets.clips.layouts import FAKEAVCELEB_FOLDERS, VGGSOUND_LIST
from crosswire.training.datasets.clips.read import Clip
from crosswire.training.datasets.events import CLASSES
from crosswire.training.tasks.audio_video.config import ClipShape

SUFFIX = ".mp4"


def write_clip(clip: Clip, path: Path, shape: ClipShape) -> None:
    """Write a clip as MP4: H.264 pictures at `shape.fps` (25 where that is 0) and AAC sound, whatever of it is there.

    Args:
        clip: what is seen and heard.
        path: of the file.
        shape: frame rate and sample rate.
    """
    import av  # needed by clips in files alone

    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(shape.fps or 25).limit_denominator(1000)
    with av.open(str(path), "w") as container:
        groups = []
        if clip.frames is not None:
            groups.append(_write_frames(av, container, clip.frames, rate))
        if clip.waveform is not None:
            groups.append(_write_sound(av, container, clip.waveform, shape.sample_rate))
        for group in groups:
            for packet in group():
                container.mux(packet)


def _write_frames(av, container, frames: NDArray[np.uint8], rate: Fraction):  # type: ignore[no-untyped-def]
    """Add a stream of pictures; return what makes its packets once all streams are there."""
    stream = container.add_stream("libx264", rate=rate, options={"crf": "12", "preset": "veryfast"})
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # pictures of this size are not worth a second one

    def packets():  # type: ignore[no-untyped-def]
        for picture in frames:
            yield from stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
        yield from stream.encode()

    return packets


def _write_sound(av, container, waveform: NDArray[np.float32], rate: int):  # type: ignore[no-untyped-def]
    """Add a stream of sound; return what makes its packets once all streams are there."""
    stream = container.add_stream("aac", rate=rate, layout="mono", options={"b": "128k"})

    def packets():  # type: ignore[no-untyped-def]
        for start in range(0, len(waveform), 1024):
            frame = av.AudioFrame.from_ndarray(
                waveform[None, start : start + 1024].copy(), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            yield from stream.encode(frame)
        yield from stream.encode()

    return packets


def write_folder(source: ClipSource, to: Path, shape: ClipShape) -> None:
    """Write `SPLIT/CLASS/NAME.mp4`, every third clip of a class into `test`."""
    for index, clip, label, place in _clips(source):
        split = "test" if place % 3 == 2 else "train"
        write_clip(clip, to / split / source.classes[label] / f"{index:06d}{SUFFIX}", shape)


def write_vggsound(source: ClipSource, to: Path, shape: ClipShape) -> None:
    """Write VGGSound's list and clips, every third clip of a class to test; the last one is listed and missing."""
    rows = []
    for index, clip, label, place in _clips(source):
        name = f"id-_{index:05d}"
        rows.append((name, str(10 * place), source.classes[label], "test" if place % 3 == 2 else "train"))
        if index + 1 < len(source):
            write_clip(clip, to / "video" / f"{name}_{10 * place:06d}{SUFFIX}", shape)
    with (to / VGGSOUND_LIST).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_fakeavceleb(source: ClipSource, to: Path, shape: ClipShape) -> None:
    """Write FakeAVCeleb's four folders, the classes of the source taking turns."""
    for index, clip, label, _ in _clips(source):
        folder = to / FAKEAVCELEB_FOLDERS[label % len(FAKEAVCELEB_FOLDERS)]
        write_clip(clip, folder / "African" / "men" / f"id{index:05d}" / f"{index:05d}{SUFFIX}", shape)


def _clips(source: ClipSource):  # type: ignore[no-untyped-def]
    """Yield index, clip, label, and the place of the clip in its class."""
    places = dict.fromkeys(range(len(source.classes)), 0)
    for index in tqdm(range(len(source)), desc="writing clips", unit="clip", disable=None):
        clip, label = source[index]
        yield index, clip, label, places[label]
        places[label] += 1


WRITERS: Mapping[str, Callable[[ClipSource, Path, ClipShape], None]] = {
    "vggsound": write_vggsound,
    "fakeavceleb": write_fakeavceleb,
    "clips": write_folder,
}
#: Fewest procedural clips, whose classes take turns, of which every split of a layout gets one. Into the test goes the
#: third clip of a class; of `vggsound` the last clip is lost; of `fakeavceleb` one folder needs two to train on one.
FEWEST: Mapping[str, int] = {
    "vggsound": 2 * len(CLASSES) + 2,
    "fakeavceleb": len(FAKEAVCELEB_FOLDERS) + 1,
    "clips": 2 * len(CLASSES) + 1,
}
