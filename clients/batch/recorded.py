"""Recordings as the items of a batch: every pair of colour and depth is one, read when it is its turn.

An item's name is its place in the recording and its time stamp, `000012_1690000000123456789`, below the recording's
name where the source is a folder of several. The progress log knows a recording by size and time of change, so that a
batch goes on with the same frames or says that they are others; frames before the first one that is left are not
decoded again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.clients.batch.items import Item
from crosswire.clients.errors import CrosswireError, InputError
from crosswire.clients.inputs.folders import composed, walk_files
from crosswire.clients.recorded.open import RecordedOptions, RecordedPairs
from crosswire.clients.recorded.pairs import RecordedPair
from crosswire.contract.wire_names import DEPTH_IMAGE, RGB_IMAGE

_NAME = re.compile(r"(\d{6,})_-?\d+")


@dataclass(frozen=True)
class RecordedItem(Item):
    """A pair of a recording.

    Attributes:
        pair: its images.
        recording: size and time of change of its recording.
    """

    pair: RecordedPair | None = None
    recording: tuple[int, int] = (0, 0)

    def state(self) -> dict[str, list[Any]]:
        """Return size and time of change of the recording."""
        return {"recording": list(self.recording)}

    def sent(self) -> tuple[Mapping[str, Path | bytes], float | None]:
        """Return its files as they are sent, by tensor name, and the unit of depth.

        Raises:
            InputError: the camera is not that of the recording.
        """
        assert self.pair is not None
        sent = self.pair.sent()
        return {RGB_IMAGE: sent.rgb, DEPTH_IMAGE: sent.depth}, sent.units_per_metre

    def told(self) -> dict[str, Any]:
        """Return place and time stamps."""
        assert self.pair is not None
        one = self.pair.recorded
        return {
            "index": one.index,
            "time_s": round(one.time_s, 6),
            "stamp_ns": one.stamp_ns,
            "depth_stamp_ns": one.depth_stamp_ns,
        }


class RecordedItems:
    """The items of one recording or several.

    Attributes:
        notes: what is known of them before the first frame.
        broken: why the rest of a recording could not be read, by its name, that of its file where it is the only one.
        unmatched: images without a partner so far.
        units: None: every item says its own.
    """

    units: float | None = None

    def __init__(self, paths: Iterable[Path], options: RecordedOptions, *, compress: bool) -> None:
        """Look at all recordings.

        Args:
            paths: of the recordings, one or more.
            options: how they are read.
            compress: whether pixels are made smaller on their way.

        Raises:
            RecordingError: the only one cannot be read.
        """
        self._places = _named(list(paths))
        self._options, self._compress = options, compress
        self._states = {place: _state(path) for place, path in self._places.items()}
        self._counts: dict[str, int | None] = {}
        self._unmatched: dict[str, int] = {}
        self.broken: dict[str, CrosswireError] = {}
        notes: list[str] = []
        for place, path in self._places.items():
            try:
                with RecordedPairs(path, options) as found:
                    self._counts[place] = found.recording.count
                    notes += [f"{place}: {fact}" if place else fact for fact in found.facts]
            except CrosswireError as error:
                if not place:
                    raise
                self.broken[place] = error
        self.notes = tuple(notes)

    @property
    def count(self) -> int | None:
        """How many items there are, or None where only reading tells."""
        counts = list(self._counts.values())
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def unmatched(self) -> int:
        """Images without a partner so far."""
        return sum(self._unmatched.values())

    @property
    def folders(self) -> set[Path]:
        """Where results lie below the folder of their kind."""
        return {Path(place) for place in self._places}

    @property
    def identity(self) -> dict[str, Any]:
        """What makes a batch of these recordings the same as an earlier one, as plain JSON types."""
        return {
            "recordings": {place: list(state) for place, state in self._states.items()},
            **self._options.identity,
        }

    def among(self, stems: Iterable[str]) -> int:
        """Return how many items have one of some stems, which are all of this batch."""
        return sum(bool(_split(stem)[1]) for stem in set(stems))

    def unchanged(self, failed: Mapping[str, Any]) -> set[str]:
        """Return the stems of items that failed; the batch of another state of the recording is another batch."""
        return set(failed)

    def ordered(self, said: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what was said about items, in the order of recordings and frames."""
        return [said[stem] for stem in sorted(said, key=_order)]

    def left(self, kept: Iterable[str]) -> Iterator[RecordedItem]:
        """Yield the items that are left; a recording that breaks off is noted, and the next one goes on.

        Args:
            kept: stems of those that are not asked about again.
        """
        done = set(kept)
        for place, path in self._places.items():
            if place in self.broken:
                continue
            indices = {int(index) for below, index in map(_split, done) if below == place and index}
            start = next(index for index in range(len(indices) + 1) if index not in indices)
            try:
                with (
                    RecordedPairs(path, self._options, compress=self._compress) as found,
                    closing(found.pairs(start)) as pairs,
                ):
                    for pair in pairs:
                        self._unmatched[place] = found.unmatched
                        stem = f"{place}/{pair.name}" if place else pair.name
                        if stem not in done:
                            yield RecordedItem(stem, {}, "", pair.recorded.time_s, pair, self._states[place])
                    self._unmatched[place] = found.unmatched
            except CrosswireError as error:
                self.broken[place or path.name] = error


def _named(paths: list[Path]) -> dict[str, Path]:
    """Return several recordings by a name of each, one without any."""
    if len(paths) == 1:
        return {"": paths[0]}
    folder = Path(*_common([path.parent.parts for path in paths]))
    below = [path.relative_to(folder) for path in paths]
    equal = Counter(one.with_suffix("") for one in below)
    names = [one.with_suffix("") if equal[one.with_suffix("")] == 1 else one for one in below]
    return {composed(name.as_posix()): path for name, path in zip(names, paths, strict=True)}


def _common(parts: list[tuple[str, ...]]) -> list[str]:
    """Return the folders that begin all paths."""
    same = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        same.append(level[0])
    return same


def _state(path: Path) -> tuple[int, int]:
    """Return size and time of change of a file, of a folder all files together.

    Raises:
        InputError: it cannot be looked at.
    """
    try:
        states = [one.stat() for one in ([path / below for below in walk_files(path)] if path.is_dir() else [path])]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name a recording") from error
    return sum(one.st_size for one in states), max((one.st_mtime_ns for one in states), default=0)


def _split(stem: str) -> tuple[str, str]:
    """Return the recording's name of an item and its place in it, which is empty for the recording as a whole."""
    place, _, name = stem.rpartition("/")
    found = _NAME.fullmatch(name)
    return (stem, "") if found is None else (place, found[1])


def _order(stem: str) -> tuple[str, int]:
    place, index = _split(stem)
    return place, int(index) if index else 2**62
