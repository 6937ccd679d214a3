"""What a batch gets its items from: files that were all found beforehand, or recordings that are read as it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from crosswire.clients.batch.items import Found, Item, find_items
from crosswire.clients.batch.recorded import RecordedItems
from crosswire.clients.errors import CrosswireError, InputError
from crosswire.clients.inputs.folders import walk_files
from crosswire.clients.inputs.recordings import Pairing, is_recording
from crosswire.clients.inputs.units import units_of
from crosswire.clients.recorded.open import (
    RecordedOptions,
    check_no_shift,
    check_takes_recordings,
    is_camera,
    is_recorded,
    recordings_below,
    takes_recordings,
)
from crosswire.clients.session import check_inputs
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CAMERA, DEPTH_IMAGE, RGB_IMAGE
from crosswire.media.cameras.camera import RgbdCamera


class ItemSource(Protocol):
    """Items of a batch, in a fixed order."""

    @property
    def count(self) -> int | None:
        """How many items there are, or None where only reading tells."""

    @property
    def unmatched(self) -> int:
        """Images without a partner so far."""

    @property
    def units(self) -> float | None:
        """What one metre counts in depth images, or None for the server's default; recorded items say their own."""

    @property
    def camera(self) -> RgbdCamera | None:
        """By which the server is to register depth, or None; recorded items are registered before they are sent."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is to know before the first item."""

    @property
    def folders(self) -> set[Path]:
        """Where results lie below the folder of their kind."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What makes a batch of these items the same as an earlier one, as plain JSON types."""

    @property
    def broken(self) -> Mapping[str, CrosswireError]:
        """What could not be read to its end, and why."""

    def ordered(self, said: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what was said about the items, by stem, in their order."""

    def left(self, kept: Iterable[str]) -> Iterator[Item]:
        """Yield the items whose stems are not among some."""

    def among(self, stems: Iterable[str]) -> int:
        """Return how many items have one of some stems."""

    def unchanged(self, failed: Mapping[str, Any]) -> set[str]:
        """Return the stems of items that failed and whose files are in the state that is given of each."""


class FoundItems:
    """The items of a folder or of a list file.

    Attributes:
        count: how many there are.
        unmatched: images without a partner.
        units: what one metre counts in depth images, or None for the server's default.
        camera: by which the server is to register depth, or None.
        notes: what the user is to know before the first item.
        identity: what makes a batch of these items the same as an earlier one.
        broken: nothing.
    """

    def __init__(
        self, found: Found, source: Path, pipeline: PipelineDescription, options: RecordedOptions, pairing: Pairing
    ) -> None:
        """Keep what was found.

        Args:
            found: the items.
            source: where.
            pipeline: whom they are for.
            options: what one metre counts and the camera, as the caller says; the rest is for recordings.
            pairing: how images became pairs.

        Raises:
            InputError: a camera came, and the pipeline takes none.
        """
        camera = None if options.camera is None or options.camera.registered else options.camera
        if camera is not None:
            check_inputs(pipeline, (CAMERA,))
        unit = units_of(options.units_per_metre, found.units_per_metre, source)
        self._items = found.items
        self.count: int | None = len(found.items)
        self.unmatched, self.units, self.camera = found.unmatched, unit.sent, camera
        self.notes = tuple(filter(None, (unit.note(pipeline), *found.notes)))
        shift = {"offset": pairing.offset} if pairing.shifts else {}
        self.identity: Mapping[str, Any] = {**shift, **options.camera_identity}
        self.broken: Mapping[str, CrosswireError] = {}

    @property
    def folders(self) -> set[Path]:
        """Where results lie below the folder of their kind."""
        return {Path(item.stem).parent for item in self._items}

    def ordered(self, said: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what was said about the items, in their order."""
        return [said[item.stem] for item in self._items if item.stem in said]

    def left(self, kept: Iterable[str]) -> Iterator[Item]:
        """Yield the items whose stems are not among some."""
        done = set(kept)
        return (item for item in self._items if item.stem not in done)

    def among(self, stems: Iterable[str]) -> int:
        """Return how many items have one of some stems."""
        some = set(stems)
        return sum(item.stem in some for item in self._items)

    def unchanged(self, failed: Mapping[str, Any]) -> set[str]:
        """Return the stems of items that failed and whose files did not change."""
        return {item.stem for item in self._items if item.stem in failed and failed[item.stem] == item.state()}


def _is_pair(item: Item) -> bool:
    """Say whether an item has colour and depth, and can be asked about."""
    return not item.problem and {RGB_IMAGE, DEPTH_IMAGE} <= set(item.files)


def _check_one_layout(source: Path) -> None:
    """Raise `InputError` where recordings in TUM's layout lie beside others: some would be left out."""
    tum = (path.parent for path in walk_files(source) if path.parent.parts and is_recording(source / path.parent))
    if (first := next(tum, None)) is not None and (others := recordings_below(source)):
        raise InputError(
            f"{source} holds recordings in TUM's layout ({first}) and another one ({others[0]}); name one of them"
        )


def find_source(
    source: Path,
    pipeline: PipelineDescription,
    pairing: Pairing,
    recorded: RecordedOptions,
    *,
    compress: bool,
) -> ItemSource:
    """Return the items of a folder, a list file, a recording, or a folder of recordings.

    Args:
        source: one of these.
        pipeline: whom the items are for.
        pairing: how images of a folder become pairs.
        recorded: how recordings are read; unit and camera count for images, too.
        compress: whether the pixels of recordings are made smaller on their way.

    Raises:
        InputError: it is none of these, or holds nothing for the pipeline.
        RecordingError: it is a recording that cannot be read.
    """
    if is_camera(source):
        raise InputError(f"{source} is a camera, which has no end; play it with crosswire stream")
    paths, found, problem = [], None, None
    if not source.is_dir() and is_recorded(source):
        paths = [source]
    else:
        try:
            found = find_items(source, pipeline, pairing)
        except InputError as error:
            problem = error
        if source.is_dir() and (found is None or not any(_is_pair(item) for item in found.items)):
            paths = [source] if is_recorded(source) else [source / path for path in recordings_below(source)]
        if source.is_dir() and not is_recorded(source):
            _check_one_layout(source)
    if paths and (found is None or takes_recordings(pipeline.files)):
        check_no_shift(source, pairing)
        check_takes_recordings(source, pipeline)
        return RecordedItems(paths, recorded, compress=compress)
    if found is None:
        assert problem is not None
        raise problem
    recorded.check_unused(source)
    return FoundItems(found, source, pipeline, recorded, pairing)
