"""A recording for the Rerun viewer, `.rrd`, written by rerun-sdk (the extra `rerun`, which needs numpy 2).

Entities, on the timelines `frame` (a count) and `stamp` (the recording's own clock):

    world/camera             Pinhole, where the lens is known; Rerun's has no distortion
    world/camera/colour      EncodedImage, as it was recorded, or Image
    world/camera/depth       DepthImage, metres; with the pinhole it is shown as points in space
    world/camera/labels      SegmentationImage, with names and colours of the classes
    world/camera/confidence  Image, 255 is certain
    mean_confidence, share/CLASS, latency_ms   Scalars
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, StreamFacts, told
from crosswire.media.cameras.camera import Lens

_APPLICATION = "crosswire"
_CAMERA = "world/camera"
_JPEG = b"\xff\xd8"
#: A clock that says more than this counts from 1970, another one from the start of a device; 2000-01-01, nanoseconds.
_CALENDAR_NS = 946_684_800 * 10**9


def check_rerun(path: Path) -> None:
    """Raise `InputError` unless a file's ending is that of Rerun and rerun-sdk is there."""
    if path.suffix.lower() != ".rrd":
        raise InputError(f"got the Rerun recording {path}, expected a file that ends in .rrd; try labels.rrd")
    _library()


class RerunWriter(ResultWriter):
    """Writes results for the Rerun viewer; see the module for its entities."""

    confident = True

    def __init__(self, path: Path, facts: StreamFacts) -> None:
        """Make the file.

        Args:
            path: of the file.
            facts: its lens becomes the pinhole.

        Raises:
            InputError: it is called otherwise, or rerun-sdk is missing.
            OutputError: it cannot be written.
        """
        check_rerun(path)
        prepare_folder(path.parent)
        self._rr = _library()
        self._path, self._facts, self._begun = path, facts, False
        with told(path, RuntimeError):
            path.open("wb").close()
            self._stream: Any = self._rr.RecordingStream(_APPLICATION)
            self._stream.set_log_time_enabled(False)  # of no use beside the clock of the recording
            self._stream.save(str(path))
            if facts.source:
                self._stream.send_recording_name(facts.source)

    def add(self, frame: LabelledFrame) -> None:
        """Write the entities of a frame."""
        rr, stream, result = self._rr, self._stream, frame.result
        lens = self._facts.lens_for(result.labels)
        depth = None if frame.depth is None else frame.readings
        with told(self._path, RuntimeError):
            if not self._begun:
                self._begin(frame, lens)
            stream.set_time("frame", sequence=frame.index)
            if frame.stamp_ns >= _CALENDAR_NS:
                stream.set_time("stamp", timestamp=np.datetime64(frame.stamp_ns, "ns"))
            else:
                stream.set_time("stamp", duration=np.timedelta64(frame.stamp_ns, "ns"))
            if (encoded := frame.encoded) is not None:
                kind = "image/jpeg" if encoded.startswith(_JPEG) else "image/png"
                self._log(f"{_CAMERA}/colour", rr.EncodedImage(contents=encoded, media_type=kind))
            elif frame.rgb is not None:
                self._log(f"{_CAMERA}/colour", rr.Image(frame.rgb))
            if depth is not None:
                self._log(f"{_CAMERA}/depth", rr.DepthImage(depth, meter=1.0))
            self._log(f"{_CAMERA}/labels", rr.SegmentationImage(result.labels))
            if result.confidence is not None:
                self._log(f"{_CAMERA}/confidence", rr.Image(result.confidence, color_model="L"))
            self._scalars(frame)

    def close(self) -> None:
        """Write what is left and close the file."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with told(self._path, RuntimeError):
                stream.flush()
                stream.disconnect()

    def _log(self, entity: str | list[str], what: Any, *, static: bool = False) -> None:
        """Write an entity; by itself the library only warns of what it cannot write."""
        self._stream.log(entity, what, static=static, strict=True)

    def _begin(self, frame: LabelledFrame, lens: Lens | None) -> None:
        """Write what holds for all frames: classes, axes and the lens."""
        rr, result = self._rr, frame.result
        classes = list(zip(range(len(result.palette)), result.class_names, result.palette.tolist(), strict=True))
        self._log("/", rr.AnnotationContext(classes), static=True)
        self._log("world", rr.ViewCoordinates.RDF, static=True)
        if lens is not None:
            pinhole = rr.Pinhole(
                focal_length=(lens.fx, lens.fy),
                principal_point=(lens.cx, lens.cy),
                resolution=lens.size,
                camera_xyz=rr.ViewCoordinates.RDF,
            )
            self._log(_CAMERA, pinhole, static=True)
        self._begun = True

    def _scalars(self, frame: LabelledFrame) -> None:
        """Write shares, confidence and latency."""
        result = frame.result
        for name, share in result.shares.items():
            self._log(["share", name], self._rr.Scalars(share))
        for name, value in (("mean_confidence", result.mean_confidence), ("latency_ms", frame.latency_ms)):
            if value is not None:
                self._log(name, self._rr.Scalars(value))


def _library() -> Any:
    """Return rerun-sdk.

    Raises:
        InputError: it is missing, or cannot be used here.
    """
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise InputError(
            f"writing a Rerun recording needs rerun-sdk and numpy 2 ({error}); install them in an environment without "
            "the server: pip install -e '.[client,rerun]'"
        ) from error
