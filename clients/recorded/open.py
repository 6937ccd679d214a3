"""Which sources are recordings, and how they are opened for a stream or a batch.

A folder that has a layout of its own, with `rgb.txt` and `depth.txt` or with `rgb/` and `depth/`, is read as that; any
other folder or file that `crosswire.media.recordings` knows is a recording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from crosswire.clients.address import Address
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.inputs.depth import check_units
from crosswire.clients.inputs.folders import walk_files
from crosswire.clients.inputs.recordings import AUTO, LONGEST_GAP_S, Pairing, is_recording
from crosswire.clients.recorded.pairs import RecordedPair, Registration, registration_of
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.contract.wire_names import CAMERA as CAMERA_INPUT
from crosswire.contract.wire_names import DEPTH, DEPTH_IMAGE, IMAGE_SUFFIX, RGB, RGB_IMAGE
from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.recordings.folders.numbered import STAMPED
from crosswire.media.recordings.open import CAMERA, FORMATS, format_of, open_recording
from crosswire.media.recordings.recording import FrameError, ReadOptions, RecordedFrame, Recording

T = TypeVar("T")
RATE = 30.0
_PAIR = {RGB_IMAGE, DEPTH_IMAGE}


@dataclass(frozen=True)
class RecordedOptions:
    """How recordings are read and registered.

    Attributes:
        colour_topic: the topic or track of colour; None for the one that its type and name suggest.
        depth_topic: the topic or track of depth; None likewise.
        camera: a calibration that counts instead of the recording's, or None; of images in folders, that by which the
            server registers depth.
        register: whether depth is moved into the colour camera.
        units_per_metre: what one metre counts in stored depth; None for what the recording says, or a guess.
        longest_gap_s: how far the time stamps of a pair may lie apart, seconds.
    """

    colour_topic: str | None = None
    depth_topic: str | None = None
    camera: RgbdCamera | None = None
    register: bool = True
    units_per_metre: float | None = None
    longest_gap_s: float = LONGEST_GAP_S

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        check_units(self.units_per_metre)
        Pairing(self.longest_gap_s)
        object.__setattr__(self, "camera", read_camera(self.camera))  # a path, from who takes types lightly
        if self.camera is not None and not self.register:
            raise InputError("a camera came, and that nothing is registered; leave --camera or --no-register out")

    def given(self, units_per_metre: float | None, longest_gap_s: float) -> RecordedOptions:
        """Return the same with what was given beside it; the usual values say nothing."""
        units = self.units_per_metre if units_per_metre is None else units_per_metre
        gap = self.longest_gap_s if longest_gap_s == LONGEST_GAP_S else longest_gap_s
        return replace(self, units_per_metre=units, longest_gap_s=gap)

    @property
    def read(self) -> ReadOptions:
        """What `open_recording` is told."""
        return ReadOptions(self.colour_topic, self.depth_topic, self.units_per_metre, self.longest_gap_s)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes results differ, as plain JSON types; what is as usual is left out."""
        gap = self.longest_gap_s
        said = {
            "colour_topic": self.colour_topic,
            "depth_topic": self.depth_topic,
            "longest_gap_s": None if gap == LONGEST_GAP_S else gap,
            **self.camera_identity,
            "register": None if self.register else False,
        }
        return {name: value for name, value in said.items() if value is not None}

    @property
    def camera_identity(self) -> dict[str, Any]:
        """What of it makes results of images differ, too."""
        if self.camera is None:
            return {}
        return {CAMERA_INPUT: hashlib.sha256(self.camera.to_json().encode()).hexdigest()[:16]}

    def check_unused(self, source: Path) -> None:
        """Raise `InputError` where something is asked for that only recordings have.

        A camera whose two lenses are one says where pixels look, of image files, too.
        """
        asked = {
            "--colour-topic": self.colour_topic is not None,
            "--depth-topic": self.depth_topic is not None,
            "--no-register": not self.register,
        }
        if names := [name for name, given in asked.items() if given]:
            raise InputError(f"{source} holds image files, {' and '.join(names)} is for recordings; leave it out")


def is_camera(source: str | Path) -> bool:
    """Say whether a source is the address of a camera on the cable."""
    return str(source).startswith(CAMERA)


def is_recorded(source: Path) -> bool:
    """Say whether a source is a recording, other than a folder with a layout of its own.

    Raises:
        RecordingError: it cannot be read.
    """
    if is_camera(source):
        return True
    if source.is_dir() and (is_recording(source) or _pairs_by_name(source)):
        return False
    if not source.exists():
        return False
    return format_of(source) is not None or (source.is_file() and source.suffix.lower() in _endings())


def _pairs_by_name(folder: Path) -> bool:
    """Say whether a folder has `rgb/` and `depth/`, whose images pair by their names and not by stamps in them."""
    if not all((folder / name).is_dir() for name in (RGB, DEPTH)):
        return False
    stems = [path.stem for name in (RGB, DEPTH) for path in walk_files(folder / name)]
    return not stems or not all(STAMPED.fullmatch(stem) for stem in stems)


def _endings() -> set[str]:
    """Return the endings of recordings: what has one and is none is damaged, which its reader says best."""
    return {ending for one in FORMATS for ending in one.endings}


def recordings_below(folder: Path) -> list[Path]:
    """Return the recordings in a folder and in those below it, relative to it, sorted."""
    found: list[Path] = []
    seen: dict[Path, bool] = {}
    for path in walk_files(folder):
        above = [place for place in reversed(path.parents) if place.parts]
        for place in above:
            if place not in seen:
                seen[place] = is_recorded(folder / place)
        inside = next((place for place in above if seen[place]), None)
        if inside is None and is_recorded(folder / path):
            found.append(path)
        elif inside is not None and inside not in found:
            found.append(inside)
    return sorted(found)


def takes_recordings(files: Sequence[TensorSpec]) -> bool:
    """Say whether a pipeline that takes some files takes what a recording holds."""
    return {one.name for one in files if not one.optional} <= _PAIR <= {one.name for one in files}


def check_takes_recordings(source: object, pipeline: PipelineDescription) -> None:
    """Raise `InputError` unless a pipeline takes what a recording holds."""
    if not takes_recordings(pipeline.files):
        takes = ", ".join(tensor.name.removesuffix(IMAGE_SUFFIX) for tensor in pipeline.files) or "no files"
        raise InputError(
            f"{source} is a recording of colour and depth, pipeline {pipeline.name!r} takes {takes}; name one that "
            "takes rgb and depth: crosswire list"
        )


def check_no_shift(source: object, pairing: Pairing) -> None:
    """Raise `InputError` where stamps are to be read otherwise, which is for folders of images alone."""
    if pairing.shifts or pairing.stamp_unit != AUTO:
        raise InputError(
            f"{source} has time stamps of its own, --offset and --stamp-unit are for folders in TUM's layout; "
            "leave them out, or allow more with --longest-gap"
        )


def travels(url: str) -> bool:
    """Say whether what is sent to addresses leaves this machine, so that it is worth to make it smaller."""
    here = ("localhost", "::1")
    hosts = [Address.parse(one.strip()).host for one in url.split(",")]
    return not all(host in here or host.startswith("127.") for host in hosts)


class RecordedPairs:
    """An open recording as pairs that can be sent; a context manager.

    The recording is opened, read and closed in one thread of its own, whoever asks: some libraries, SQLite's among
    them, refuse another one.

    Attributes:
        recording: what is read.
        registration: how its depth comes into the colour camera.
        given: the camera that counts instead of the recording's, or None.
    """

    def __init__(self, source: str | Path, options: RecordedOptions, *, compress: bool = False) -> None:
        """Open a recording.

        Args:
            source: its file or folder, or the name of a camera.
            options: how it is read.
            compress: whether pixels are made smaller on their way.

        Raises:
            RecordingError: it cannot be read.
        """
        self._thread = ThreadPoolExecutor(1, "recording")
        try:
            self.recording: Recording = self._thread.submit(open_recording, source, options.read).result()
        except BaseException:
            self._thread.shutdown()
            raise
        self.registration: Registration = registration_of(self.recording, options.camera, options.register)
        self.given, self._live = options.camera, is_camera(source)
        self._units, self._compress = options.units_per_metre, compress

    def __enter__(self) -> RecordedPairs:
        """Return the pairs themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the recording."""
        self._thread.submit(self.recording.close).result()
        self._thread.shutdown()

    @property
    def live(self) -> bool:
        """Whether frames come by themselves."""
        return self._live

    @property
    def unmatched(self) -> int:
        """Images without a partner so far."""
        return self.recording.unmatched

    @property
    def rate(self) -> float:
        """Frames per second, as a hint."""
        return self.recording.rate or RATE

    @property
    def lens(self) -> Lens | None:
        """The colour camera's, or None."""
        return self.registration.lens

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known of the recording, and how its depth is sent."""
        return (f"format: {self.recording.format}", *map(str, (*self.recording.facts, self.registration.fact)))

    def pairs(self, start: int = 0) -> Generator[RecordedPair, None, None]:
        """Yield the pairs from one on; the first is checked, so that one mistake is told once.

        Raises:
            RecordingError: the recording is damaged here.
            InputError: depth cannot lie on colour.
        """
        checked = False
        with closing(self._in_thread(lambda: self.recording.frames_or_errors(start))) as frames:
            for one in frames:
                if isinstance(one, FrameError):
                    yield RecordedPair(one.frame, self.registration, problem=str(one))
                    continue
                pair = RecordedPair(one, self.registration, self._units, self._compress)
                checked = checked or pair.check()
                yield pair

    def frames(self, start: int = 0) -> Generator[RecordedFrame, None, None]:
        """Yield the frames from one on, as they were recorded.

        Raises:
            FrameError: the images of one are damaged.
            RecordingError: the recording is damaged here.
        """
        return self._in_thread(lambda: self.recording.frames(start))

    def _in_thread(self, iterable: Callable[[], Iterable[T]]) -> Generator[T, None, None]:
        """Iterate in the recording's own thread."""
        items = self._thread.submit(lambda: iter(iterable())).result()
        try:
            while (item := self._thread.submit(next, items, None).result()) is not None:
                yield item
        finally:
            if isinstance(items, Generator):
                self._thread.submit(items.close).result()
