"""WebDataset archives as a source: tar files whose members `KEY.rgb.jpg` and `KEY.depth.png` belong together.

The key is a member's path up to the first dot of its name; what follows begins with the name of an input (`rgb`,
`depth`), or is the ending of a clip. Members of one key stand one after the other. Several archives are read as one
data set, and a key counts once in all of them. Headers are read beforehand, bytes by workers, many members at a time.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, cast

from crosswire.clients.batch.items import domain
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.folders import composed
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CLIP
from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.offline.sources.references import Piece, Reference, Slice, naming_problem, state_of
from crosswire.offline.stores import FileState, Store, unreadable

_AT_ONCE = 16
_HEADERS_BYTES = 256 << 10
_WINDOW_BYTES = 8 << 20


def tar_references(store: Store, files: dict[str, FileState], pipeline: PipelineDescription) -> tuple[Reference, ...]:
    """Return an item per key of some archives, in their order.

    Args:
        store: where they lie.
        files: their names, and their states.
        pipeline: whom the items are for.

    Raises:
        InputError: an archive cannot be read, is compressed, or no member is for the pipeline.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(partial(_in_file, store, pipeline), files.items()))
    references = tuple(reference for references in found for reference in references)
    if not references:
        names = ", ".join(f"KEY.{domain(one)}.png" for one in pipeline.files)
        raise InputError(f"{store.place} holds no members for pipeline {pipeline.name!r}; it needs {names}")
    return references


def _in_file(store: Store, pipeline: PipelineDescription, entry: tuple[str, FileState]) -> list[Reference]:
    """Return an item per key of one archive."""
    name, state = entry
    keys: dict[str, dict[str, Piece]] = {}
    inputs = {one: tensor.name for tensor in pipeline.files for one in (domain(tensor), tensor.name)}
    try:
        with (
            store.open(name) as raw,
            io.BufferedReader(cast(io.RawIOBase, raw), _HEADERS_BYTES) as file,
            tarfile.open(fileobj=file, mode="r:") as archive,
        ):
            for member in archive:
                key, _, ending = _split(member.name)
                tensor = _tensor(ending, inputs)
                if member.isfile() and key and tensor is not None:
                    keys.setdefault(composed(key), {})[tensor] = Slice(name, member.offset_data, member.size)
    except (OSError, tarfile.TarError) as error:
        raise unreadable(store, name, error) from error
    told = state_of(name, state.size, state.changed_ns)
    return [
        Reference(
            key,
            tuple((tensor.name, pieces[tensor.name]) for tensor in pipeline.files if tensor.name in pieces),
            naming_problem(key) or _lacking(key, pieces, pipeline, name),
            told,
        )
        for key, pieces in keys.items()
    ]


def _split(member: str) -> tuple[str, str, str]:
    """Return the key of a member, a dot, and the ending: `a/room.1` and `rgb.jpg` are never parted at a later dot."""
    folder, slash, name = member.removeprefix("./").rpartition("/")
    key, dot, ending = name.partition(".")
    return f"{folder}{slash}{key}" if key else "", dot, ending.lower()


def _tensor(ending: str, inputs: Mapping[str, str]) -> str | None:
    """Return the input that a member is for, by its ending, or None."""
    found = inputs.get(ending.partition(".")[0])
    if found is None and CLIP in inputs.values() and f".{ending}" in CLIP_ENDINGS:
        return CLIP
    return found


def _lacking(key: str, pieces: Mapping[str, Piece], pipeline: PipelineDescription, name: str) -> str:
    """Say which input an item lacks, or nothing."""
    for tensor in pipeline.files:
        if not tensor.optional and tensor.name not in pieces:
            return f"{name} holds no member {key}.{domain(tensor)} with an image's ending; add it"
    return ""


class SliceReader:
    """Reads files, and runs of bytes in them: small ones that stand one after the other in one go."""

    def __init__(self, store: Store) -> None:
        """Take where the files lie."""
        self._store = store
        self._file, self._start, self._window = "", 0, b""
        self._ends: dict[str, int] = {}

    def plan(self, slices: Iterable[Slice]) -> None:
        """Learn what will be read, so that nothing behind it is."""
        self._ends = {}
        for one in slices:
            self._ends[one.file] = max(self._ends.get(one.file, 0), one.offset + one.size)

    def read(self, piece: Slice) -> bytes:
        """Return the bytes.

        Raises:
            InputError: the file cannot be read, or is shorter than it was.
        """
        if piece.size < 0:
            return self._fetch(piece.file, piece.offset, -1)
        begin = piece.offset - self._start
        if piece.file != self._file or begin < 0 or begin + piece.size > len(self._window):
            self._file, self._start = piece.file, piece.offset
            ahead = min(_WINDOW_BYTES, self._ends.get(piece.file, 0) - piece.offset)
            self._window = self._fetch(piece.file, piece.offset, max(piece.size, ahead))
            begin = 0
        data = self._window[begin : begin + piece.size]
        if len(data) != piece.size:
            raise InputError(f"{self._store.place}/{piece.file} is shorter than it was; begin again")
        return data

    def _fetch(self, name: str, offset: int, size: int) -> bytes:
        """Return so many bytes of a file, or fewer at its end."""
        try:
            with self._store.open(name) as file:
                return _fetched(file, offset, size)
        except OSError as error:
            raise unreadable(self._store, name, error) from error


def _fetched(file: IO[bytes], offset: int, size: int) -> bytes:
    if offset:
        file.seek(offset)
    return file.read() if size < 0 else file.read(size)
