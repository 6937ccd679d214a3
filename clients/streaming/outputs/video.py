"""Overlays as a video whose frames are shown when they were taken."""

from __future__ import annotations

from pathlib import Path

from crosswire.clients.files import prepare_folder
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, StreamFacts
from crosswire.clients.streaming.video import VideoWriter

_RATE = 30.0


class OverlayVideo(ResultWriter):
    """Writes the class colours over the image, see `crosswire.clients.streaming.video`."""

    def __init__(self, path: Path, facts: StreamFacts) -> None:
        """Prepare; the file is made with the first frame.

        Args:
            path: of the file; its ending chooses the container.
            facts: its rate is a hint for players.

        Raises:
            InputError: see `crosswire.clients.streaming.video.check_video`.
            OutputError: the folder cannot be written to.
        """
        prepare_folder(path.parent)
        self._video = VideoWriter(path, facts.rate or _RATE)

    def add(self, frame: LabelledFrame) -> None:
        """Add the overlay of a frame."""
        self._video.add(frame.overlay, frame.time_s)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._video.close()
