"""A video of overlays, written by PyAV (the extra `video`); time stamps are those of the frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from clients.errors import InputError, OutputError

_CODECS = ("libx264", "mpeg4")
_TICKS = 90_000


class VideoWriter:
    """Writes pictures to a video file; a context manager.

    Example:
        >>> with VideoWriter(Path("overlay.mp4"), 30.0) as video:
        ...     video.add(picture, 0.0)
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Prepare; the file is made with the first picture.

        Args:
            path: file to write; its ending chooses the container.
            rate: frames per second, as a hint for players.

        Raises:
            InputError: PyAV is not installed.
        """
        try:
            import av
        except ImportError as error:
            raise InputError("writing a video needs PyAV; install it: pip install 'crosswire[client,video]'") from error
        self._av: Any = av
        self._path, self._rate = path, Fraction(rate).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the file."""
        if self._container is not None:
            self._mux(None)
            self._container.close()
            self._container = None

    def add(self, picture: Image.Image, time_s: float) -> None:
        """Add a picture, scaled to the size of the first.

        Args:
            picture: any mode and size.
            time_s: when it is shown, seconds, later than the one before.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._container is None:
            self._open(picture)
        size = (self._stream.width, self._stream.height)
        frame = self._av.VideoFrame.from_image(picture.convert("RGB").resize(size))
        self._last = max(self._last + 1, round(time_s * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._mux(frame)

    def _open(self, picture: Image.Image) -> None:
        codec = next((name for name in _CODECS if name in self._av.codecs_available), _CODECS[-1])
        try:
            self._container = self._av.open(str(self._path), "w")
            self._stream = self._container.add_stream(codec, rate=self._rate)
            self._stream.width, self._stream.height = (side + side % 2 for side in picture.size)
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, _TICKS)
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot write {self._path} ({error}); name a file that ends in .mp4 or .mkv") from error

    def _mux(self, frame: Any) -> None:
        """Encode a frame, or what is left for None."""
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot write {self._path} ({error}); name a place that you may write to") from error
