"""A video of overlays, written by PyAV (the extra `video`); time stamps are those of the frames."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from crosswire.clients.errors import InputError, OutputError

_CODECS = ("libx264", "mpeg4")
_TICKS = 60_000  # MPEG-4 cannot count more than 65535 a second
_RATES = (0.01, 1000.0)  # beyond them, players and muxers lose frames
_LONGEST = 2**31 - 1  # ticks between two frames, in the tables of MP4
_ENDINGS = (".mp4", ".mkv", ".mov", ".m4v")
"""Containers that take these codecs and keep every time stamp."""


def check_video(path: Path) -> None:
    """Raise `InputError` unless PyAV is there and a file's ending names a container that it can write."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise InputError("writing a video needs PyAV; install it: pip install -e '.[client,video]'") from error
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path} is no video that can be written; name a file that ends in {', '.join(_ENDINGS)}")


class VideoWriter:
    """Writes images to a video file; a context manager.

    Example:
        >>> with VideoWriter(Path("overlay.mp4"), 30.0) as video:
        ...     video.add(image, 0.0)
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Prepare; the file is made with the first image.

        Args:
            path: file to write; its ending chooses the container.
            rate: frames per second, as a hint for players.

        Raises:
            InputError: see `check_video`.
        """
        check_video(path)
        import av

        self._av: Any = av
        hint = min(max(rate, _RATES[0]), _RATES[1])
        self._path, self._rate = path, Fraction(hint).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the file, see `close`."""
        self.close()

    def close(self) -> None:
        """Write what is left and close the file; nothing where no image came.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._container is None:
            return
        with self._told():
            try:
                self._mux(None)
            finally:
                container, self._container = self._container, None
                container.close()

    def add(self, image: Image.Image, time_s: float) -> None:
        """Add an image, scaled to the size of the first.

        Args:
            image: any mode and size.
            time_s: when it is shown, seconds, later than the one before.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._container is None:
            self._open(image)
        size = (self._stream.width, self._stream.height)
        shown = max(self._last + 1, round(time_s * _TICKS))
        if self._last >= 0 and shown - self._last > _LONGEST and self._path.suffix.lower() != ".mkv":
            raise OutputError(
                f"{(shown - self._last) / _TICKS / 3600:.1f} hours lie between two frames, {self._path.suffix} takes "
                f"{_LONGEST / _TICKS / 3600:.1f} at most; name a file that ends in .mkv"
            )
        frame = self._av.VideoFrame.from_image(image.convert("RGB").resize(size))
        self._last = shown
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        with self._told():
            self._mux(frame)

    def _open(self, image: Image.Image) -> None:
        """Make the file and its one stream; nothing is left open where that fails."""
        codec = next((name for name in _CODECS if name in self._av.codecs_available), _CODECS[-1])
        with self._told(), contextlib.ExitStack() as unless_ready:
            container = self._av.open(str(self._path), "w")
            unless_ready.callback(container.close)
            stream = container.add_stream(codec, rate=self._rate)
            stream.width, stream.height = (side + side % 2 for side in image.size)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, _TICKS)
            unless_ready.pop_all()
            self._container, self._stream = container, stream

    def _mux(self, frame: Any) -> None:
        """Encode a frame, or what is left for None."""
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn PyAV's errors into `OutputError`."""
        try:
            yield
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"cannot write {self._path} ({error}); name a place that you may write to") from error
