"""Overlays of a recording as a video: its stamps, hours apart or milliseconds, and the image that was recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import OutputError
from crosswire.clients.streaming.outputs.frame import StreamFacts
from crosswire.clients.streaming.outputs.video import OverlayVideo
from crosswire.clients.streaming.video import VideoWriter
from tests.support.outputs.labelled import BEGIN_NS, labelled

av = pytest.importorskip("av", reason="needs the extra video")


def test_frames_are_shown_when_they_were_taken_over_their_own_image(tmp_path: Path) -> None:
    moments = [0, 1_000_000, 34_000_000, 900_000_000, 5_400_000_000_000]
    frames = [labelled(index, BEGIN_NS + moment) for index, moment in enumerate(moments)]
    with OverlayVideo(tmp_path / "out/overlay.mp4", StreamFacts()) as video:
        for frame in frames:
            video.add(frame)
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [float(one.time) for one in shown] == pytest.approx([moment / 1e9 for moment in moments], abs=1e-4)
    for one, frame in zip(shown, frames, strict=True):
        off = np.abs(one.to_ndarray(format="rgb24").astype(int) - np.asarray(frame.overlay)).mean()
        others = [np.abs(np.asarray(other.overlay).astype(int) - np.asarray(frame.overlay)).mean() for other in frames]
        assert off < 12 < sorted(others)[1]


@pytest.mark.parametrize("rate", [1e-9, 1 / 4000, 29.97, 1e6])
def test_the_rate_is_only_a_hint(rate: float, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", rate) as video:
        for time_s in (2.5, 3.0):
            video.add(Image.new("RGB", (64, 48)), time_s)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [float(one.time) for one in container.decode(video=0)] == [2.5, 3.0]


def test_frames_further_apart_than_the_container_counts_are_told(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"12\.0 hours lie between two frames, \.mp4 takes 9\.9 at most; .*\.mkv"),
        VideoWriter(tmp_path / "a.mp4", 30.0) as video,
    ):
        for time_s in (0.0, 12 * 3600.0):
            video.add(Image.new("RGB", (64, 48)), time_s)
    with VideoWriter(tmp_path / "a.mkv", 30.0) as video:
        for time_s in (0.0, 12 * 3600.0):
            video.add(Image.new("RGB", (64, 48)), time_s)
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert [float(one.time) for one in container.decode(video=0)] == [0.0, 12 * 3600.0]
